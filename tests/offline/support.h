// What the tests of lib/offline share: stores that were used, and stores that were written by hand.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lib/journal/journal.h"
#include "lib/offline/export.h"
#include "lib/offline/offline_store.h"
#include "lib/pool/record.h"
#include "lib/pool/runs.h"
#include "tests/allocator/used.h"
#include "tests/sim/mem_storage.h"

namespace inod {

// All bytes of all files.
using Content = std::map<std::string, std::vector<std::byte>>;

inline Content content_of(const sim::MemStorage& disk) {
    Content content;
    for (const std::string& name : disk.names())
        content[name] = disk.content(name);
    return content;
}

using Lines = std::vector<std::string>;

inline Lines lines_of(Storage& disk) {
    Lines lines;
    const auto exported =
        export_state(disk, [&](const std::string& line) { lines.push_back(line); });
    EXPECT_TRUE(exported) << exported.error().message;
    return lines;
}

// The pools of four_pools(), and one whose leases are not recorded.
inline std::vector<PoolSpec> five_pools() {
    auto specs = four_pools();
    specs.push_back(unique_pool("blocks", {1, id_max}, Durability::block));
    return specs;
}

inline PoolSpec untracked(PoolSpec spec) {
    spec.tracking = false;
    return spec;
}

// A journal into which a test writes whatever records it likes.
class Forged {
public:
    explicit Forged(Storage& storage) : journal_(storage, small_journal()) {
        EXPECT_TRUE(journal_.recover(nobody_));
    }

    void log(const std::vector<Record>& records) {
        for (const Record& record : records)
            journal_.append(encoded(record));
        flush();
    }
    // With the records of `meanwhile` in the log, before the last `behind` of the snapshot.
    void snapshot(const std::vector<Record>& records, const std::vector<Record>& meanwhile = {},
                  std::size_t behind = 0) {
        journal_.begin_snapshot();
        const std::size_t before = records.size() - behind;
        for (std::size_t i = 0; i < before; ++i)
            journal_.add_snapshot_record(encoded(records[i]));
        flush();
        if (!meanwhile.empty()) log(meanwhile);
        for (std::size_t i = before; i < records.size(); ++i)
            journal_.add_snapshot_record(encoded(records[i]));
        journal_.end_snapshot();
        flush();
    }
    void close() { EXPECT_TRUE(journal_.close()); }

private:
    std::span<const std::byte> encoded(const Record& record) {
        ByteWriter out(memory_);
        encode(record, out);
        return out.written();
    }
    void flush() {
        if (!journal_.begin_flush()) return;
        const auto flushed = journal_.flush();
        ASSERT_TRUE(flushed) << flushed.error().message;
        journal_.end_flush();
    }

    NoReplay nobody_;
    Journal journal_;
    std::array<std::byte, record_size_max> memory_{};
};

inline PoolDefined defined(PoolIndex index, const PoolSpec& spec) {
    return {.pool = index,
            .name = spec.name,
            .policy = spec.policy,
            .durability = spec.durability,
            .range = spec.range,
            .tracking = spec.tracking};
}

// A user's own holder.
inline HolderDefined holder_of(HolderIndex index, std::uint32_t uid) {
    return {.index = index, .holder = {.id = HolderId{index} + 1, .uid = uid, .gid = uid}};
}

// Runs of one holder as a snapshot has them.
class SavedRuns {
public:
    SavedRuns(const std::vector<Range>& ranges, std::uint64_t generation, HolderIndex holder = 0,
              Id from = 0)
        : items_(memory_, from, generation) {
        for (const Range& range : ranges) {
            EXPECT_TRUE(items_.add(
                {range, {.holder = holder, .claimed = false, .generation = generation}}));
        }
        written_ = items_.finish();
    }
    [[nodiscard]] RunItems items() const { return {written_}; }

private:
    std::array<std::byte, 512> memory_{};
    RunWriter items_;
    std::span<const std::byte> written_;
};

}  // namespace inod
