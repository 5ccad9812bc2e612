// Promise: a request that carries a token is carried out once, and answered as the first time whenever it
// comes again: in the same life, after a crash, after its IDs were given back. What is too old to tell is
// refused.
// Method: one story for each rule; and a random one, in which clients ask again until they hear of it,
// while the power fails and the state is written out in pieces: in the end there are as many leases as
// tokens.
#include <cstdlib>
#include <map>
#include <set>
#include <tuple>

#include "lib/allocator/adopt.h"
#include "tests/allocator/machine.h"

namespace inod {
namespace {

constexpr PoolIndex inode = 0;    // unique, each lease is recorded
constexpr PoolIndex fast = 1;     // unique, only the mark is
constexpr PoolIndex pid = 2;      // cyclic
constexpr PoolIndex counter = 3;  // without tracking
constexpr PoolIndex slot = 4;     // lowest
constexpr PoolIndex box = 5;      // with a parent: slot
constexpr PoolIndex pool_end = 6;

std::vector<PoolSpec> pools() {
    PoolSpec counts = unique_pool("counter");
    counts.tracking = false;
    PoolSpec lowest = cyclic_pool("slot", {0, 100'000});
    lowest.policy = Policy::lowest;
    PoolSpec nested = cyclic_pool("box", {1, 50'000});
    nested.parent = "slot";
    return {unique_pool("inode"),
            unique_pool("fast", {1, id_max}, Durability::block),
            cyclic_pool("pid", {1, 100'000}),
            counts,
            lowest,
            nested};
}

class Tokened : public testing::Test {
protected:
    Tokened() { machine_.fresh_token_epoch = 7; }

    Asker asker(std::uint64_t number, std::uint32_t uid = 5) {
        Asker made = user(uid);
        made.token = {.epoch = epoch_, .number = number};
        return made;
    }
    Answer<Lease> allocate(const Asker& asker, PoolIndex pool, std::uint64_t count = 1) {
        NoGuard nobody_else;
        return machine_.insist([&] {
            return machine_.allocator->allocate(nobody_else, pool, Wish{.count = count}, asker);
        });
    }
    Answer<Lease> claim(const Asker& asker, PoolIndex pool, Range range) {
        NoGuard nobody_else;
        return machine_.insist(
            [&] { return machine_.allocator->allocate_at(nobody_else, pool, range, asker); });
    }
    Lease lease(const Asker& asker, PoolIndex pool, std::uint64_t count = 1) {
        const auto answer = allocate(asker, pool, count);
        EXPECT_TRUE(answer.result) << name(answer.result ? Errc::ok : answer.result.error().code);
        return answer.result ? *answer.result : Lease{};
    }
    static Errc code(const Answer<Lease>& answer) {
        return answer.result ? Errc::ok : answer.result.error().code;
    }

    Machine machine_{pools()};
    std::uint64_t epoch_ = 7;
};

TEST_F(Tokened, IsCarriedOutOnce) {
    ASSERT_STARTS(machine_);
    for (PoolIndex pool = 0; pool < pool_end; ++pool) {
        const Lease first = lease(asker(pool), pool, 3);
        const std::uint64_t allocations = machine_.allocator->pool(pool)->counters().allocations;
        EXPECT_EQ(lease(asker(pool), pool, 3), first);
        EXPECT_EQ(machine_.allocator->pool(pool)->counters().allocations, allocations);
        EXPECT_NE(lease(asker(pool + 100), pool, 3), first) << "with another token";
    }
    const Asker claims = asker(50);
    const auto claimed = claim(claims, inode, {500, 510});
    ASSERT_TRUE(claimed.result);
    EXPECT_EQ(*claim(claims, inode, {500, 510}).result, *claimed.result);
    EXPECT_EQ(code(claim(asker(51), inode, {500, 510})), Errc::id_taken);
}

TEST_F(Tokened, IsToldWhenTheFirstAnswerMayBe) {
    ASSERT_STARTS(machine_);
    ASSERT_TRUE(machine_.flush());
    const auto first = allocate(asker(1), inode);
    ASSERT_TRUE(first.result);
    const auto again = allocate(asker(1), inode);
    EXPECT_GE(again.wait_for, first.wait_for);
    EXPECT_GT(first.wait_for, machine_.durable());
    ASSERT_TRUE(machine_.flush());
    EXPECT_EQ(allocate(asker(1), inode).wait_for, 0U);
}

// How a life ends, and whether its state was written out before.
class TokenedLife : public Tokened, public testing::WithParamInterface<std::tuple<bool, bool>> {};

TEST_P(TokenedLife, IsKnownInTheNext) {
    const auto [is_clean, is_written_out] = GetParam();
    ASSERT_STARTS(machine_);
    std::map<PoolIndex, Lease> told;
    for (PoolIndex pool = 0; pool < pool_end; ++pool)
        told[pool] = lease(asker(pool), pool, 3);
    ASSERT_TRUE(machine_.release(inode, told[inode].range, 0, 5).result);
    if (is_written_out) machine_.allocator->request_snapshot();
    while (machine_.allocator->has_work())
        ASSERT_TRUE(machine_.flush());
    if (is_clean) {
        ASSERT_TRUE(machine_.allocator->close());
    } else {
        machine_.crash();
    }
    ASSERT_STARTS(machine_);
    EXPECT_EQ(*machine_.allocator->token_epoch().result, epoch_);
    for (PoolIndex pool = 0; pool < pool_end; ++pool)
        EXPECT_EQ(lease(asker(pool), pool, 3), told[pool]) << pool;
    const auto given_back = machine_.allocator->lookup(inode, told[inode].range.first, 0);
    EXPECT_EQ(given_back.result.error().code, Errc::released);
    for (const PoolIndex pool : {fast, pid, slot, box}) {
        const auto held =
            machine_.allocator->lookup(pool, told[pool].range.last, told[pool].generation);
        ASSERT_TRUE(held.result) << pool;
        EXPECT_EQ(held.result->range, told[pool].range);
        EXPECT_EQ(held.result->holder.uid, 5U);
    }
    EXPECT_EQ(machine_.allocator->verify(), std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(Lives, TokenedLife, testing::Combine(testing::Bool(), testing::Bool()));

// In a pool whose leases have no records one that came with a token has: so its release has, too.
TEST_F(Tokened, LeaseOfABlockPoolIsGivenBackForGood) {
    ASSERT_STARTS(machine_);
    lease(user(5), fast, 10);
    const Lease leased = lease(asker(1), fast, 10);
    lease(user(5), fast, 10);
    const auto released =
        machine_.release(fast, {leased.range.first, leased.range.first + 4}, 0, 5);
    ASSERT_TRUE(released.result);
    EXPECT_GT(released.wait_for, machine_.durable());
    ASSERT_TRUE(machine_.flush());
    machine_.crash();
    ASSERT_STARTS(machine_);
    EXPECT_EQ(machine_.allocator->lookup(fast, leased.range.first, 0).result.error().code,
              Errc::released);
    EXPECT_EQ(machine_.allocator->lookup(fast, leased.range.last, 0).result->range.count(), 5U);
    EXPECT_GT(lease(user(5), fast).range.first, leased.range.last + 10);
}

TEST_F(Tokened, OfAnotherRequestIsRefused) {
    ASSERT_STARTS(machine_);
    lease(asker(1), inode, 2);
    EXPECT_EQ(code(allocate(asker(1), inode, 3)), Errc::token_mismatch);
    EXPECT_EQ(code(allocate(asker(1), pid, 2)), Errc::token_mismatch);
    EXPECT_EQ(code(claim(asker(1), inode, {2, 1 + 1})), Errc::token_mismatch);
    Asker aligned = asker(1);
    NoGuard nobody_else;
    const auto wish = Wish{.count = 2, .align = 8};
    EXPECT_EQ(code(machine_.allocator->allocate(nobody_else, inode, wish, aligned)),
              Errc::token_mismatch);
    const auto bound = machine_.allocator->bind(user(5), {.name = "another"});
    ASSERT_TRUE(bound.result);
    Asker other = asker(1);
    other.acts_as = bound.result->ref;
    EXPECT_EQ(code(allocate(other, inode, 2)), Errc::token_mismatch);
}

TEST_F(Tokened, IsOfOneUser) {
    ASSERT_STARTS(machine_);
    const Lease first = lease(asker(1, 5), inode);
    const Lease of_other = lease(asker(1, 6), inode);
    EXPECT_NE(first, of_other);
    EXPECT_EQ(lease(asker(1, 5), inode), first);
}

TEST_F(Tokened, RefusalIsNotKept) {
    ASSERT_STARTS(machine_);
    const auto taken = claim(user(6), slot, {5, 5});
    ASSERT_TRUE(taken.result);
    EXPECT_EQ(code(claim(asker(1), slot, {5, 5})), Errc::id_taken);
    ASSERT_TRUE(machine_.release(slot, {5, 5}, taken.result->generation, 6).result);
    const auto claimed = claim(asker(1), slot, {5, 5});
    ASSERT_TRUE(claimed.result);
    EXPECT_EQ(*claim(asker(1), slot, {5, 5}).result, *claimed.result);
    EXPECT_EQ(code(allocate(asker(2), inode, 1'000'000)), Errc::lease_too_large);
    EXPECT_EQ(code(allocate(asker(2), inode, 2)), Errc::ok) << "the token is free for any request";
}

TEST_F(Tokened, MemoryIsBounded) {
    machine_.tokens.count_max = 4;
    ASSERT_STARTS(machine_);
    const Lease first = lease(asker(0), inode);
    Asker modest = asker(1);
    modest.tokens_max = 1;
    EXPECT_EQ(code(allocate(modest, inode)), Errc::token_quota);
    for (std::uint64_t number = 1; number < 4; ++number)
        lease(asker(number, 6), inode);
    EXPECT_EQ(code(allocate(asker(9, 7), inode)), Errc::token_quota);
    EXPECT_EQ(lease(asker(0), inode), first) << "none is forgotten early";
    EXPECT_EQ(code(allocate(user(7), inode)), Errc::ok) << "without one";
}

TEST_F(Tokened, OfAForgottenEpochIsRefused) {
    machine_.tokens.keep_ms = 1'000;
    ASSERT_STARTS(machine_);
    const Lease first = lease(asker(1), inode);
    for (std::uint64_t next = 8; next <= 10; ++next) {
        EXPECT_EQ(lease(asker(1), inode), first) << "epoch " << next - 1;
        machine_.now += 1'000;
        machine_.allocator->set_time(machine_.now);
        EXPECT_FALSE(machine_.allocator->is_token_epoch_due());
        machine_.now += 1;
        machine_.allocator->set_time(machine_.now);
        ASSERT_TRUE(machine_.allocator->is_token_epoch_due());
        machine_.allocator->begin_token_epoch(next);
        const auto told = machine_.allocator->token_epoch();
        EXPECT_EQ(*told.result, next);
        EXPECT_GT(told.wait_for, machine_.durable()) << "it is not told before it is durable";
        ASSERT_TRUE(machine_.flush());
        EXPECT_EQ(code(allocate(asker(next), inode)), next < 9 ? Errc::ok : Errc::token_expired);
        Asker present = asker(next);
        present.token->epoch = next;
        lease(present, inode);
    }
    const auto expired = allocate(asker(1), inode);
    ASSERT_EQ(code(expired), Errc::token_expired);
    EXPECT_EQ(expired.result.error().detail, 10U) << "the present epoch";
    EXPECT_TRUE(machine_.allocator->wants_sweep());
    while (machine_.allocator->wants_sweep())
        machine_.allocator->sweep();
    EXPECT_EQ(machine_.allocator->tokens().count(), 3U);

    ASSERT_TRUE(machine_.flush());
    machine_.crash();
    ASSERT_STARTS(machine_);
    EXPECT_EQ(code(allocate(asker(1), inode)), Errc::token_expired);
    EXPECT_EQ(machine_.allocator->tokens().count(), 3U);
    EXPECT_EQ(machine_.allocator->verify(), std::nullopt);
}

// After a start of the machine the clock begins anew, and nobody knows how long it was off.
TEST_F(Tokened, IsKeptOverAReboot) {
    machine_.tokens.keep_ms = 1'000;
    machine_.boot = {{1, 1}};
    machine_.now = 5'000;
    ASSERT_STARTS(machine_);
    const Lease first = lease(asker(1), inode);
    ASSERT_TRUE(machine_.flush());
    machine_.boot = {{2, 2}};
    machine_.now = 5'500;
    machine_.fresh_token_epoch = 8;
    ASSERT_STARTS(machine_);
    EXPECT_EQ(*machine_.allocator->token_epoch().result, 7U);
    EXPECT_EQ(lease(asker(1), inode), first);
    EXPECT_EQ(machine_.allocator->next_token_epoch_due(), 6'501U);
    // A start that comes late enough begins the next.
    machine_.now = 6'500;
    ASSERT_STARTS(machine_);
    EXPECT_EQ(*machine_.allocator->token_epoch().result, 7U);
    machine_.now = 6'501;
    ASSERT_STARTS(machine_);
    EXPECT_EQ(*machine_.allocator->token_epoch().result, 8U);
    EXPECT_EQ(machine_.allocator->token_epoch().wait_for, 0U);
    EXPECT_EQ(lease(asker(1), inode), first);
}

TEST_F(Tokened, IsNotOfferedWhereNoneIsKept) {
    machine_.tokens.count_max = 0;
    ASSERT_STARTS(machine_);
    EXPECT_EQ(*machine_.allocator->token_epoch().result, 0U);
    const auto refused = allocate(asker(1), inode);
    ASSERT_EQ(code(refused), Errc::token_expired);
    EXPECT_EQ(refused.result.error().detail, 0U);
}

// None any more: those of before are still known, and forgotten in time.
TEST_F(Tokened, IsForgottenWhereNoneIsKeptAnyMore) {
    machine_.tokens.keep_ms = 1'000;
    ASSERT_STARTS(machine_);
    const Lease first = lease(asker(1), inode);
    ASSERT_TRUE(machine_.flush());
    machine_.tokens.count_max = 0;
    ASSERT_STARTS(machine_);
    EXPECT_EQ(*machine_.allocator->token_epoch().result, 0U);
    EXPECT_EQ(lease(asker(1), inode), first);
    EXPECT_EQ(code(allocate(asker(2), inode)), Errc::token_quota);
    for (std::uint64_t next = 8; machine_.allocator->tokens().count() > 0; ++next) {
        const auto due = machine_.allocator->next_token_epoch_due();
        ASSERT_TRUE(due);
        machine_.now = *due;
        machine_.allocator->set_time(machine_.now);
        ASSERT_TRUE(machine_.allocator->is_token_epoch_due());
        machine_.allocator->begin_token_epoch(next);
    }
    EXPECT_EQ(machine_.allocator->next_token_epoch_due(), std::nullopt);
    EXPECT_EQ(code(allocate(asker(1), inode)), Errc::token_expired);
}

// What was carried out since the copy was made is not known.
TEST_F(Tokened, IsNotTakenAsNewByAnAdoptedCopy) {
    machine_.has_witness = true;
    ASSERT_STARTS(machine_);
    const Lease first = lease(asker(1), inode);
    ASSERT_TRUE(machine_.flush());
    const auto copy = machine_.disk.clone();
    lease(asker(2), inode);
    ASSERT_TRUE(machine_.flush());
    machine_.allocator.reset();
    AllocatorOptions options{.pools = {}, .journal = machine_.journal, .memory_max = 1U << 26U};
    options.fresh_token_epoch = 8;
    const auto adopted = adopt(*copy, machine_.witness_disk, std::move(options),
                               {.count = std::uint64_t{1} << 20U}, machine_.here);
    ASSERT_TRUE(adopted) << adopted.error().message;
    ASSERT_EQ(said(machine_.start_on(*copy)), "recovered");
    EXPECT_EQ(*machine_.allocator->token_epoch().result, 8U);
    EXPECT_EQ(lease(asker(1), inode), first);
    EXPECT_EQ(code(allocate(asker(2), inode)), Errc::token_expired);
    machine_.allocator.reset();
}

// No memory for the token: nothing was done.
TEST_F(Tokened, IsRefusedWhole) {
    ASSERT_STARTS(machine_);
    MemoryBudget& budget = machine_.allocator->memory();
    const std::uint64_t taken = budget.size_max() - budget.used();
    ASSERT_TRUE(budget.take(taken));
    EXPECT_EQ(code(allocate(asker(1), inode)), Errc::out_of_memory);
    EXPECT_EQ(machine_.allocator->pool(inode)->live_count().ids, 0U);
    budget.give(taken);
    EXPECT_EQ(code(allocate(asker(1), inode)), Errc::ok);
}

// What a snapshot that a crash cut short has of them is not written again.
TEST_F(Tokened, SnapshotIsGoneOnWithInTheMiddleOfTokens) {
    machine_.journal.snapshot_size_per_group = 512;
    ASSERT_STARTS(machine_);
    constexpr std::uint64_t count = 400;
    std::map<std::uint64_t, Lease> told;
    for (std::uint64_t number = 0; number < count; ++number)
        told[number] = lease(asker(number), inode);
    ASSERT_TRUE(machine_.flush());
    machine_.allocator->request_snapshot();
    std::size_t lives = 0;
    std::size_t pieces = 0;
    for (; lives == 0 || machine_.allocator->journal().snapshot_under_way(); ++lives) {
        for (int piece = 0; piece < 4; ++piece, ++pieces) {
            const std::uint64_t number = count + 100 * lives + pieces;
            told[number] = lease(asker(number), inode);
            ASSERT_TRUE(machine_.flush());
            if (!machine_.allocator->journal().snapshot_under_way()) break;
        }
        machine_.crash(lives + 1);
        const auto started = machine_.start();
        ASSERT_EQ(said(started), "recovered");
        if (!started->has_cut_snapshot) break;
        ASSERT_TRUE(machine_.flush());
        ASSERT_LT(lives, 20U) << "each life writes what the ones before have written";
    }
    EXPECT_GT(lives, 2U) << "it was cut in the middle";
    while (machine_.allocator->has_work())
        ASSERT_TRUE(machine_.flush());
    machine_.crash();
    ASSERT_STARTS(machine_);
    for (const auto& [number, first] : told)
        EXPECT_EQ(lease(asker(number), inode), first) << number;
}

// A piece of a snapshot that goes over those that were forgotten has nothing to say, and is not the last one.
TEST_F(Tokened, StopIsCleanWhereManyWereForgotten) {
    machine_.tokens.keep_ms = 1'000;
    ASSERT_STARTS(machine_);
    constexpr std::uint64_t count = 20'000;
    for (std::uint64_t number = 0; number < count; ++number) {
        lease(asker(number), inode);
        if (number % 100 == 0) {
            ASSERT_TRUE(machine_.flush());
        }
    }
    for (std::uint64_t next = 8; next <= 9; ++next) {
        machine_.now += 1'001;
        machine_.allocator->set_time(machine_.now);
        ASSERT_TRUE(machine_.allocator->is_token_epoch_due());
        machine_.allocator->begin_token_epoch(next);
        ASSERT_TRUE(machine_.flush());
        epoch_ = next;
        lease(asker(next), inode);
    }
    machine_.now += 1'001;
    machine_.allocator->set_time(machine_.now);
    ASSERT_TRUE(machine_.allocator->is_token_epoch_due());
    machine_.allocator->begin_token_epoch(10);
    while (machine_.allocator->wants_sweep())
        machine_.allocator->sweep();
    ASSERT_LT(machine_.allocator->tokens().count(), 10U);
    machine_.allocator->request_snapshot();
    ASSERT_TRUE(machine_.flush());
    ASSERT_TRUE(machine_.allocator->journal().snapshot_under_way());
    EXPECT_TRUE(machine_.allocator->close());
}

// Of each token the client knows what it asked for, and what it heard, once it has.
struct Wanted {
    PoolIndex pool;
    std::uint64_t count;
    std::optional<Lease> heard{};
};

class Clients {
public:
    Clients(Machine& used, std::uint64_t seed) : machine_(used), random_(seed) {}

    // One asks, for something new or once more.
    void ask() {
        const bool is_new = wanted_.empty() || roll(3) == 0;
        const std::uint64_t number = is_new ? wanted_.size() : roll(wanted_.size());
        if (is_new) {
            wanted_.push_back(
                {.pool = static_cast<PoolIndex>(roll(pool_end)), .count = 1 + roll(3)});
        }
        const auto answer = allocate(number);
        ASSERT_TRUE(answer.result) << name(answer.result.error().code);
        asked_.push_back({number, *answer.result, answer.wait_for});
    }

    // Of what is durable the answers arrive, unless the connection is cut.
    void hear() {
        for (const auto& [number, lease, wait_for] : asked_) {
            if (wait_for > machine_.durable() || roll(2) == 0) continue;
            auto& heard = wanted_[number].heard;
            ASSERT_EQ(heard.value_or(lease), lease) << number;
            heard = lease;
        }
        asked_.clear();
    }
    void forget_answers() { asked_.clear(); }

    // What was heard is given back, while the token is kept.
    void release() {
        if (wanted_.empty()) return;
        Wanted& one = wanted_[roll(wanted_.size())];
        if (!one.heard || one.pool == counter) return;
        // Once given back it is not the client's any more.
        static_cast<void>(
            machine_.release(one.pool, one.heard->range, one.heard->generation, 5).result);
    }

    // In the end everyone asks until he hears.
    void ask_all() {
        for (std::uint64_t number = 0; number < wanted_.size(); ++number) {
            const Wanted& one = wanted_[number];
            const auto answer = allocate(number);
            ASSERT_TRUE(answer.result) << name(answer.result.error().code);
            ASSERT_EQ(one.heard.value_or(*answer.result), *answer.result) << number;
            ASSERT_EQ(answer.result->range.count(), one.count);
            const auto key =
                std::tuple(one.pool, answer.result->range.first, answer.result->generation);
            ASSERT_TRUE(leases_.insert(key).second) << "two tokens got one lease";
        }
        EXPECT_EQ(leases_.size(), wanted_.size());
        EXPECT_EQ(machine_.allocator->tokens().count(), wanted_.size());
    }
    [[nodiscard]] std::uint64_t roll(std::uint64_t end) { return random_() % end; }

private:
    struct Asked {
        std::uint64_t number;
        Lease lease;
        Lsn wait_for;
    };

    Answer<Lease> allocate(std::uint64_t number) {
        const Wanted& one = wanted_[number];
        NoGuard nobody_else;
        Asker asker = user(5);
        asker.token = {.epoch = 7, .number = number};
        return machine_.insist([&] {
            return machine_.allocator->allocate(nobody_else, one.pool, Wish{.count = one.count},
                                                asker);
        });
    }

    Machine& machine_;
    std::mt19937_64 random_;
    std::vector<Wanted> wanted_;
    std::vector<Asked> asked_;
    std::set<std::tuple<PoolIndex, Id, std::uint64_t>> leases_;
};

TEST_F(Tokened, IsExactWhateverBreaks) {
    const std::uint64_t seed_count = std::getenv("INOD_TEST_LONG") != nullptr ? 400 : 20;
    for (std::uint64_t seed = 1; seed <= seed_count; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Machine other(pools());
        other.fresh_token_epoch = 7;
        other.journal.snapshot_size_per_group = 512;
        Clients clients(other, seed);
        ASSERT_STARTS(other);
        for (int step = 0; step < 2'000; ++step) {
            const std::uint64_t what = clients.roll(100);
            if (what < 60) {
                clients.ask();
            } else if (what < 70) {
                clients.release();
            } else if (what < 95) {
                ASSERT_TRUE(other.flush());
                clients.hear();
            } else if (what < 98) {
                other.allocator->request_snapshot();
            } else {
                clients.forget_answers();
                other.crash(seed);
                ASSERT_STARTS(other);
            }
            if (HasFatalFailure()) return;
        }
        clients.ask_all();
        if (HasFatalFailure()) return;
        EXPECT_EQ(other.allocator->verify(), std::nullopt);
    }
}

}  // namespace
}  // namespace inod
