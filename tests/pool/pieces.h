// A pool's snapshot as it travels in the journal: a record at a time, while the pool goes on.
#pragma once

#include <vector>

#include <gtest/gtest.h>

#include "lib/pool/pool.h"
#include "lib/pool/record.h"

namespace inod {

// Room for items in a record, as lib/allocator/snapshot_writer.cc has it.
inline constexpr std::size_t items_size_max = 984;
// What a journal puts in front of each record.
inline constexpr std::size_t record_head_size = 2;

class Pieces {
public:
    // Takes `all` leases, those that are not recorded too, from `source` to nowhere or to `twin`.
    explicit Pieces(const Pool& source, bool all, Pool* twin = nullptr)
        : source_(source), all_(all), twin_(twin) {
        const PoolSpec& spec = source.spec();
        count_record(PoolDefined{.pool = 0,
                                 .name = spec.name,
                                 .policy = spec.policy,
                                 .durability = spec.durability,
                                 .range = spec.range});
        count_record(SequenceSaved{.pool = 0, .state = source.sequence()});
        if (twin == nullptr) return;
        twin->begin_restore();
        EXPECT_TRUE(twin->restore_sequence(source.sequence()));
    }

    // Moves one record of at most `size_max` bytes of items, for which `visits` entries are looked
    // at. False if that was the last.
    bool next(std::size_t size_max = items_size_max, std::size_t visits = ~std::size_t{0}) {
        return in_claims_ ? next_claims(size_max, visits) : next_live(size_max, visits);
    }
    void all() {
        while (next()) {
        }
    }

    // Bytes of all records so far, with their heads.
    [[nodiscard]] std::uint64_t size() const { return size_; }

private:
    bool next_claims(std::size_t size_max, std::size_t visits) {
        std::vector<std::byte> memory(size_max);
        RunWriter writer(memory, next_id_, 0);
        const Id covered = source_.save_claims(next_id_, writer, visits);
        const ClaimsSaved record{
            .pool = 0, .covered = {next_id_, covered}, .items = {writer.finish()}};
        const bool is_empty = covered == id_max && next_id_ == 0 && record.items.bytes.empty();
        if (!is_empty) count_record(record);
        if (!is_empty && twin_ != nullptr) {
            EXPECT_TRUE(
                twin_->restore_claims(record.covered, RunReader(record.items.bytes, next_id_, 0)));
        }
        in_claims_ = covered != id_max;
        next_id_ = covered + 1;
        return true;
    }
    bool next_live(std::size_t size_max, std::size_t visits) {
        std::vector<std::byte> memory(size_max);
        const std::uint64_t generation = source_.sequence().generation;
        RunWriter writer(memory, next_id_, generation);
        const Id covered = source_.save_live(next_id_, all_, writer, visits);
        const LiveSaved record{.pool = 0,
                               .covered = {next_id_, covered},
                               .generation = generation,
                               .items = {writer.finish()}};
        count_record(record);
        if (twin_ != nullptr) {
            EXPECT_TRUE(twin_->restore_live(
                record.covered, RunReader(record.items.bytes, next_id_, generation), 1'000));
            EXPECT_EQ(twin_->is_restored(), covered == id_max);
        }
        next_id_ = covered + 1;
        return covered != id_max;
    }
    void count_record(const Record& record) {
        std::vector<std::byte> memory(encoded_record_size_max + items_size_max);
        ByteWriter out(memory);
        encode(record, out);
        size_ += record_head_size + out.size();
    }

    const Pool& source_;
    const bool all_;
    Pool* const twin_;
    std::uint64_t size_ = 0;
    bool in_claims_ = true;
    Id next_id_ = 0;
};

// What the whole pool takes in a snapshot now.
inline std::uint64_t snapshot_size_of(const Pool& pool) {
    Pieces pieces(pool, true);
    pieces.all();
    return pieces.size();
}

}  // namespace inod
