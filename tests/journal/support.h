// What the tests of the journal share: the simplest state there is, a map, and a user of the
// journal that keeps one. A log record sets a key. A snapshot goes over the keys in order, a record
// for each.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lib/base/bytes.h"
#include "lib/journal/journal.h"
#include "lib/journal/segment.h"
#include "tests/sim/mem_storage.h"

namespace inod {

using Bytes = std::vector<std::byte>;
using Key = std::uint16_t;
// Each key with the record that set it last, which is also what a snapshot has of it.
using State = std::map<Key, Bytes>;

inline constexpr std::size_t change_size_min = sizeof(Key) + sizeof(std::uint32_t) + 2;
inline constexpr Key key_count_default = 100;

// The next number of a sequence that costs next to nothing to begin.
inline std::uint64_t next_of(std::uint64_t& state) {
    state += 0x9e3779b97f4a7c15;
    const std::uint64_t mixed = (state ^ state >> 30U) * 0xbf58476d1ce4e5b9;
    return mixed ^ mixed >> 29U;
}

// Sets a key: the key, the change's serial number, and bytes that no other life has at it.
inline Bytes change_of(std::uint32_t serial, std::uint64_t life, std::size_t size_max = 40,
                       Key key_count = key_count_default) {
    std::uint64_t state = serial * 1'000'003ULL + life;
    const std::size_t sizes = std::max(size_max, change_size_min + 1) - change_size_min;
    Bytes bytes(change_size_min + next_of(state) % sizes);
    ByteWriter out(bytes);
    out.put(static_cast<Key>(next_of(state) % key_count));
    out.put(serial);
    while (out.room() > 0)
        out.put(static_cast<std::uint8_t>(next_of(state)));
    return bytes;
}

inline Key key_of(std::span<const std::byte> change) {
    return ByteReader(change).get<Key>();
}

inline std::uint32_t serial_of(std::span<const std::byte> change) {
    return ByteReader(change.subspan(sizeof(Key))).get<std::uint32_t>();
}

// What all changes together came to, the first `count` of them.
inline State state_of(std::span<const Bytes> changes) {
    State state;
    for (const Bytes& change : changes)
        state[key_of(change)] = change;
    return state;
}

// How many changes a state has seen: the last one's serial.
inline std::size_t last_serial(const State& state) {
    std::uint32_t last = 0;
    for (const auto& [key, change] : state)
        last = std::max(last, serial_of(change));
    return last;
}

class StateReplay final : public Replay {
public:
    Result<void, Failure> snapshot_begin() override {
        EXPECT_TRUE(state.empty() && log_count == 0) << "a snapshot is what replay starts from";
        ++snapshot_begins;
        next_key_ = 0;
        return {};
    }
    Result<void, Failure> snapshot_record(std::span<const std::byte> record) override {
        const Key key = key_of(record);
        EXPECT_TRUE(next_key_ && key >= *next_key_) << "out of order";
        state[key] = Bytes(record.begin(), record.end());
        next_key_ = key + 1U;
        ++snapshot_count;
        return {};
    }
    Result<void, Failure> snapshot_end() override {
        EXPECT_TRUE(next_key_);
        next_key_.reset();
        ++snapshot_ends;
        return {};
    }
    // Counts only for what the snapshot has covered: the rest comes with it in it.
    Result<void, Failure> log_record(Lsn lsn, std::span<const std::byte> record) override {
        EXPECT_GT(lsn, last_lsn) << "LSNs go back";
        last_lsn = lsn;
        ++log_count;
        if (lsn == refused_lsn) return Failure{Errc::pool_changed, "not this one"};
        const Key key = key_of(record);
        if (!next_key_ || key < *next_key_) {
            state[key] = Bytes(record.begin(), record.end());
        } else {
            ++ignored_count;
        }
        return {};
    }

    State state;
    std::size_t snapshot_begins = 0;
    std::size_t snapshot_ends = 0;
    std::size_t snapshot_count = 0;
    std::size_t log_count = 0;
    std::size_t ignored_count = 0;
    Lsn last_lsn = 0;
    Lsn refused_lsn = 0;

private:
    std::optional<std::uint32_t> next_key_;  // the first that is not restored; none: all are
};

// Are tests to take their long sizes?
inline bool is_long() {
    const char* const wish = std::getenv("INOD_TEST_LONG");
    return wish != nullptr && *wish == '1';
}

inline JournalOptions small_options() {
    JournalOptions options;
    options.segment_size = segment_size_min;
    options.group_size_max = std::size_t{64} * 1024;
    options.fresh_id.fill(std::byte{0x5a});
    return options;
}

inline constexpr std::size_t all_of_it = std::numeric_limits<std::size_t>::max();

// Writes the state of its owner into a journal as a snapshot, so many records with each group.
class SnapshotFeeder {
public:
    SnapshotFeeder(Journal& journal, const State& state) : journal_(journal), state_(state) {}

    void begin() {
        journal_.begin_snapshot();
        next_key_ = 0;
    }
    // Adds at most `count` records, if a snapshot is under way. begin_flush() comes next.
    void feed(std::size_t count) {
        if (!journal_.snapshot_under_way()) return;
        auto at = state_.lower_bound(static_cast<Key>(next_key_));
        for (; at != state_.end() && count > 0; ++at, --count) {
            if (!journal_.has_snapshot_room(at->second.size())) return;
            journal_.add_snapshot_record(at->second);
            next_key_ = at->first + 1U;
        }
        if (at == state_.end()) journal_.end_snapshot();
    }

private:
    Journal& journal_;
    const State& state_;
    std::uint32_t next_key_ = 0;
};

// Begins, writes and ends one group.
inline Result<void, Failure> flush_group(Journal& journal) {
    if (!journal.begin_flush()) return {};
    auto flushed = journal.flush();
    if (flushed) journal.end_flush();
    return flushed;
}

// A journal in use. Calls must succeed.
class Life {
public:
    explicit Life(Storage& storage, std::uint64_t life = 0,
                  JournalOptions options = small_options())
        : journal(storage, options), feeder(journal, state), life_(life) {
        auto recovered = journal.recover(replay);
        EXPECT_TRUE(recovered) << recovered.error().message;
        if (recovered) recovery = *recovered;
        state = replay.state;
        last_serial_ = static_cast<std::uint32_t>(last_serial(state));
    }

    void append(std::size_t count, std::size_t size_max = 40, Key key_count = key_count_default) {
        for (std::size_t i = 0; i < count; ++i) {
            const Bytes change = change_of(++last_serial_, life_, size_max, key_count);
            if (!journal.has_room(1, change.size())) flush();
            state[key_of(change)] = change;
            const Lsn lsn = journal.append(change);
            EXPECT_EQ(lsn, journal.last_lsn());
        }
    }
    // One group, with so many records of the snapshot that may be under way.
    void flush(std::size_t snapshot_records = all_of_it) {
        feeder.feed(snapshot_records);
        auto flushed = flush_group(journal);
        EXPECT_TRUE(flushed) << flushed.error().message;
        EXPECT_EQ(journal.durable_lsn(), journal.last_lsn());
    }
    void snapshot() {
        feeder.begin();
        while (journal.snapshot_under_way() && !journal.sealed())
            flush();
    }
    // All that is wanted, as far as there is room for it.
    void make_space() {
        while (journal.wants_space()) {
            auto made = journal.make_space();
            EXPECT_TRUE(made) << made.error().message;
            if (!made || !journal.has_space()) return;
        }
    }
    void close() {
        auto closed = journal.close();
        EXPECT_TRUE(closed) << closed.error().message;
    }

    Journal journal;
    Recovery recovery;
    StateReplay replay;
    State state;
    SnapshotFeeder feeder;

private:
    const std::uint64_t life_;
    std::uint32_t last_serial_ = 0;
};

inline State state_on(Storage& storage) {
    return Life(storage).state;
}

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

inline std::optional<SegmentHeader> header_of(const sim::MemStorage& storage,
                                              const std::string& name) {
    const Bytes content = storage.content(name);
    SegmentHeaderBytes bytes{};
    if (content.size() < bytes.size()) return std::nullopt;
    std::copy_n(content.begin(), bytes.size(), bytes.begin());
    const auto header = decode_segment_header(bytes);
    return header ? std::optional(*header) : std::nullopt;
}

// The file of which the header says that it holds segment `number`; empty if there is none.
inline std::string segment_file(const sim::MemStorage& storage, std::uint64_t number) {
    for (const std::string& name : names_of(storage, "journal-")) {
        const auto header = header_of(storage, name);
        if (header && header->number == number) return name;
    }
    return {};
}

// Where the zeros at the end of a file begin.
inline std::uint64_t used_size(const Bytes& content) {
    const auto last = std::find_if(content.rbegin(), content.rend(),
                                   [](std::byte b) { return b != std::byte{0}; });
    return static_cast<std::uint64_t>(content.rend() - last);
}

}  // namespace inod
