// An allocator on a disk in memory, life after life.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lib/allocator/allocator.h"
#include "lib/pool/cyclic_sequence.h"
#include "lib/pool/marks.h"
#include "lib/pool/unique_sequence.h"
#include "tests/sim/mem_storage.h"

namespace inod {

inline PoolSpec unique_pool(std::string name, Range range = {1, id_max},
                            Durability durability = Durability::lease) {
    return {.name = std::move(name),
            .policy = Policy::unique,
            .range = range,
            .durability = durability};
}

inline PoolSpec cyclic_pool(std::string name, Range range) {
    return {.name = std::move(name), .policy = Policy::cyclic, .range = range};
}

inline PoolSpec lowest_pool(std::string name, Range range) {
    return {.name = std::move(name), .policy = Policy::lowest, .range = range};
}

inline Asker user(std::uint32_t uid) {
    return {.uid = uid, .gid = uid};
}

inline JournalOptions small_journal() {
    JournalOptions options;
    options.segment_size = std::size_t{64} * 1024;
    options.group_size_max = std::size_t{64} * 1024;
    return options;
}

class Machine {
public:
    explicit Machine(std::vector<PoolSpec> pools) : specs(std::move(pools)) {}

    // A new life. The one before, if it has not ended, ends with kill -9.
    Result<Recovery, Failure> start() { return start_on(disk); }
    Result<Recovery, Failure> start_on(Storage& storage) {
        allocator.reset();
        AllocatorOptions options{.pools = specs,
                                 .journal = journal,
                                 .memory_max = memory_max,
                                 .boot = boot,
                                 .now = now,
                                 .restart_grace_ms = restart_grace_ms,
                                 .holders_max = holders_max,
                                 .tokens = tokens,
                                 .fresh_token_epoch = fresh_token_epoch};
        if (has_witness) options.witness = {.storage = &witness_disk, .here = here};
        allocator = std::make_unique<Allocator>(storage, std::move(options));
        auto recovery = allocator->recover();
        if (recovery) set_aside();
        return recovery;
    }
    // The power fails, and comes back.
    void crash(std::uint64_t seed = 1) {
        allocator.reset();
        std::mt19937_64 random(seed);
        disk.crash(random);
        witness_disk.crash(random);
    }

    // A turn of the flusher.
    bool flush() {
        if (allocator->begin_flush()) {
            if (!allocator->flush()) return false;
            allocator->end_flush();
        }
        return set_aside() && !allocator->journal().sealed();
    }
    // Makes all the space on disk that is wanted, as long as there is any.
    bool set_aside() {
        while (allocator->journal().wants_space()) {
            if (!allocator->make_space()) return false;
            if (!allocator->journal().has_space()) break;
        }
        return true;
    }
    // Asks again when it was told to, as a session does.
    template <class Ask>
    auto insist(Ask ask) {
        auto answer = ask();
        for (int turn = 0; turn < 3 && !answer.result; ++turn) {
            if (answer.result.error().code != Errc::block_pending || !flush()) break;
            answer = ask();
        }
        return answer;
    }

    Answer<Lease> allocate(PoolIndex pool, std::uint64_t count = 1, std::uint32_t uid = 0) {
        return insist([&] { return allocate_now(pool, count, uid); });
    }
    Answer<Lease> allocate_now(PoolIndex pool, std::uint64_t count = 1, std::uint32_t uid = 0) {
        NoGuard nobody_else;
        return allocator->allocate(nobody_else, pool, Wish{.count = count}, user(uid));
    }
    Answer<Lease> allocate_at(PoolIndex pool, Range range, std::uint32_t uid = 0) {
        NoGuard nobody_else;
        return insist([&] { return allocator->allocate_at(nobody_else, pool, range, user(uid)); });
    }
    Answer<void> release(PoolIndex pool, Range range, std::uint64_t generation = 0,
                         std::uint32_t uid = 0) {
        return allocator->release(pool, range, generation, user(uid));
    }
    [[nodiscard]] Lsn durable() const { return allocator->journal().durable_lsn(); }

    // Everything that answers can tell, as text: each pool's limits, where it stands, and each
    // lease with its holder.
    [[nodiscard]] std::string state() {
        std::string text;
        const auto number = [](std::optional<Id> id) { return id ? std::to_string(*id) : "-"; };
        for (std::size_t i = 0; i < allocator->pool_index_end(); ++i) {
            const auto index = static_cast<PoolIndex>(i);
            const Pool* const pool = allocator->pool(index);
            if (pool == nullptr) continue;
            const SequenceState at = pool->sequence();
            text += std::to_string(i) + " " + pool->spec().name + " to " +
                    std::to_string(pool->spec().range.last) + ": cursor " + number(at.cursor) +
                    " highest " + number(at.highest) + " mark " + number(at.mark) + " generation " +
                    std::to_string(at.generation) + " swept " + number(at.swept);
            if (at.claims) text += " claims to " + std::to_string(at.claims->last);
            text += " IDs " + std::to_string(pool->live_count().ids) + "\n";
            for (Id id = 0;;) {
                const auto run = allocator->next(index, id).result;
                if (!run) break;
                text += "  " + std::to_string(run->range.first) + "-" +
                        std::to_string(run->range.last) + "@" + std::to_string(run->generation) +
                        " of " + std::to_string(run->holder.uid) + ":" +
                        std::to_string(run->holder.gid) + "\n";
                if (run->range.last == id_max) break;
                id = run->range.last + 1;
            }
        }
        return text;
    }

    std::vector<PoolSpec> specs;
    JournalOptions journal = small_journal();
    std::uint64_t memory_max = std::uint64_t{64} << 20U;
    BootId boot{};
    BootTime now = 0;
    std::uint32_t restart_grace_ms = 10'000;
    std::uint32_t holders_max = 1'000'000;
    TokenOptions tokens{};
    std::uint64_t fresh_token_epoch = 0;
    sim::MemStorage disk;
    bool has_witness = false;
    sim::MemStorage witness_disk;
    Surroundings here{.machine = {}, .state_dir = "/state", .witness_dir = "/state.witness"};
    std::unique_ptr<Allocator> allocator;
};

inline std::string said(const Result<Recovery, Failure>& recovery) {
    return recovery ? "recovered"
                    : std::string(name(recovery.error().code)) + ": " + recovery.error().message;
}

#define ASSERT_STARTS(machine) ASSERT_EQ(said((machine).start()), "recovered")

}  // namespace inod
