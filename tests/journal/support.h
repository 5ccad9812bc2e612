// What the tests of the journal share: records that say which they are, and the simplest state
// there is, the list of all records, of which a snapshot is the same list.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lib/journal/journal.h"
#include "lib/journal/segment.h"
#include "tests/sim/mem_storage.h"

namespace inod {

using Record = std::vector<std::byte>;
using Records = std::vector<Record>;

// A record that no other LSN, or other life, has.
inline Record record_of(Lsn lsn, std::uint64_t life, std::size_t size_max = 40) {
    std::mt19937_64 random(lsn * 1'000'003 + life);
    Record record(1 + random() % size_max);
    for (auto& byte : record)
        byte = static_cast<std::byte>(random());
    return record;
}

class ListReplay final : public Replay {
public:
    Result<void, Failure> snapshot_record(std::span<const std::byte> record) override {
        EXPECT_FALSE(saw_log) << "a snapshot record behind a log record";
        records.emplace_back(record.begin(), record.end());
        ++snapshot_count;
        return {};
    }
    Result<void, Failure> log_record(Lsn lsn, std::span<const std::byte> record) override {
        EXPECT_EQ(lsn, records.size() + 1) << "LSNs are not consecutive";
        saw_log = true;
        records.emplace_back(record.begin(), record.end());
        if (lsn == refused_lsn) return Failure{Errc::pool_changed, "not this one"};
        return {};
    }

    Records records;
    std::size_t snapshot_count = 0;
    bool saw_log = false;
    Lsn refused_lsn = 0;
};

inline JournalOptions small_options() {
    JournalOptions options;
    options.segment_size = segment_size_min;
    options.group_size_max = std::size_t{64} * 1024;
    options.fresh_id.fill(std::byte{0x5a});
    return options;
}

// Begins, writes and ends one group.
inline Result<void, Failure> flush_all(Journal& journal) {
    if (!journal.begin_flush()) return {};
    auto flushed = journal.flush();
    if (flushed) journal.end_flush();
    return flushed;
}

inline Result<void, Failure> write_snapshot(Journal& journal, const Records& state) {
    return journal.snapshot([&state](const Journal::Emit& emit) -> Result<void, Failure> {
        for (const Record& record : state) {
            if (auto emitted = emit(record); !emitted) return emitted;
        }
        return {};
    });
}

// A journal in use, and the state as its records make it. Calls must succeed.
class Life {
public:
    explicit Life(Storage& storage, std::uint64_t life = 0,
                  JournalOptions options = small_options())
        : journal(storage, options), life_(life) {
        auto recovered = journal.recover(replay);
        EXPECT_TRUE(recovered) << recovered.error().message;
        if (recovered) recovery = *recovered;
        state = replay.records;
    }

    void append(std::size_t count, std::size_t size_max = 40) {
        for (std::size_t i = 0; i < count; ++i) {
            state.push_back(record_of(state.size() + 1, life_, size_max));
            if (!journal.has_room(1, state.back().size())) flush();
            EXPECT_EQ(journal.append(state.back()), state.size());
        }
    }
    void flush() {
        auto flushed = flush_all(journal);
        EXPECT_TRUE(flushed) << flushed.error().message;
        EXPECT_EQ(journal.durable_lsn(), journal.last_lsn());
    }
    void snapshot() {
        auto done = write_snapshot(journal, state);
        EXPECT_TRUE(done) << done.error().message;
    }
    void close() {
        auto closed = journal.close();
        EXPECT_TRUE(closed) << closed.error().message;
    }

    Journal journal;
    Recovery recovery;
    ListReplay replay;
    Records state;

private:
    const std::uint64_t life_;
};

// The names that begin with `prefix`, in order.
inline std::vector<std::string> names_of(const sim::MemStorage& storage,
                                         const std::string& prefix) {
    std::vector<std::string> result;
    const auto all = storage.list();
    for (const std::string& name : all.value()) {
        if (name.rfind(prefix, 0) == 0) result.push_back(name);
    }
    return result;
}

inline std::string segment_file(std::uint64_t number) {
    return segment_file_name(SegmentKind::segment, number);
}

}  // namespace inod
