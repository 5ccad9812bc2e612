// Holders: how they come to be, when they end, and what becomes of what they held, over restarts.
#include "tests/allocator/machine.h"

namespace inod {
namespace {

constexpr BootId boot_one{{1, 1}};
constexpr BootId boot_two{{2, 2}};

HolderKey secret(std::uint64_t number) {
    return {{number, number << 40U}};
}

Asker as(std::uint32_t uid, std::optional<HolderRef> ref = {}) {
    return {.uid = uid, .gid = uid, .acts_as = ref};
}

class HoldersTest : public testing::Test {
protected:
    HoldersTest() : machine_({unique_pool("inode"), cyclic_pool("pid", {1, 1'000})}) {
        machine_.boot = boot_one;
    }

    Answer<Bound> bind(std::uint32_t uid, const BindRequest& request) {
        Answer<Bound> answer = machine_.allocator->bind(as(uid), request);
        for (int turn = 0; turn < 3 && !answer.result; ++turn) {
            if (answer.result.error().code != Errc::block_pending || !machine_.flush()) break;
            answer = machine_.allocator->bind(as(uid), request);
        }
        return answer;
    }
    Bound bound(std::uint32_t uid, const BindRequest& request) {
        const auto answer = bind(uid, request);
        EXPECT_TRUE(answer.result) << name(answer.result.error().code);
        return answer.result ? *answer.result : Bound{};
    }
    Answer<Lease> allocate(PoolIndex pool, std::uint64_t count, const Asker& asker) {
        NoGuard nobody_else;
        return machine_.insist([&] {
            return machine_.allocator->allocate(nobody_else, pool, Wish{.count = count}, asker);
        });
    }
    Lease leased(PoolIndex pool, std::uint64_t count, const Asker& asker) {
        const auto answer = allocate(pool, count, asker);
        EXPECT_TRUE(answer.result) << name(answer.result.error().code);
        return answer.result ? *answer.result : Lease{};
    }
    [[nodiscard]] Errc looked_up(PoolIndex pool, Id id) {
        const auto found = machine_.allocator->lookup(pool, id, 0).result;
        return found ? Errc::ok : found.error().code;
    }
    void restart(BootTime now, BootId boot = boot_one) {
        ASSERT_TRUE(machine_.flush());
        machine_.crash();
        machine_.boot = boot;
        machine_.now = now;
        ASSERT_STARTS(machine_);
        ASSERT_EQ(machine_.allocator->verify().value_or("sound"), "sound");
    }

    Machine machine_;
};

TEST_F(HoldersTest, NamesTellAUsersHoldersApart) {
    ASSERT_STARTS(machine_);
    const Bound web = bound(7, {.name = "web"});
    const Bound db = bound(7, {.name = "db"});
    EXPECT_NE(web.ref, db.ref);
    EXPECT_EQ(bound(7, {.name = "web"}).ref, web.ref);
    EXPECT_NE(bound(8, {.name = "web"}).ref, web.ref) << "another user's";
    EXPECT_TRUE(web.key.is_none());
    const Lease lease = leased(0, 5, as(7, web.ref));
    EXPECT_EQ(machine_.allocator->release(0, lease.range, 0, as(7, db.ref)).result.error().code,
              Errc::not_holder);
    EXPECT_EQ(machine_.allocator->release(0, lease.range, 0, as(7)).result.error().code,
              Errc::not_holder)
        << "nor his own without a name";
    EXPECT_EQ(machine_.allocator->lookup(0, 1, 0).result->holder.name, "web");
    EXPECT_TRUE(machine_.allocator->release(0, lease.range, 0, as(7, web.ref)).result);
}

TEST_F(HoldersTest, WhatNoHolderCanBeIsRefused) {
    ASSERT_STARTS(machine_);
    const std::string long_name(holder_name_size_max + 1, 'n');
    for (const BindRequest& request : {
             BindRequest{.name = long_name},
             BindRequest{.name = std::string_view("a\0b", 3)},
             BindRequest{.ttl_ms = 5},
             BindRequest{.binding = Binding::ttl, .secret = secret(1)},
             BindRequest{.binding = Binding::connection, .name = "web", .secret = secret(1)},
             BindRequest{.binding = static_cast<Binding>(9)},
         }) {
        EXPECT_EQ(bind(7, request).result.error().code, Errc::holder_invalid);
    }
    EXPECT_EQ(machine_.allocator->holders().size(), 0U);
}

TEST_F(HoldersTest, AllUsersTogetherHaveNoMoreThanIsConfigured) {
    machine_.holders_max = 2;
    ASSERT_STARTS(machine_);
    bound(7, {.name = "one"});
    bound(8, {.name = "two"});
    const auto refused = bind(9, {.name = "three"});
    ASSERT_FALSE(refused.result);
    EXPECT_EQ(refused.result.error(), (Error{Errc::quota_exceeded, 2}));
    EXPECT_EQ(allocate(0, 1, as(9)).result.error(), (Error{Errc::quota_exceeded, 2}));
    EXPECT_TRUE(bind(7, {.name = "one"}).result);
}

TEST_F(HoldersTest, ABindTellsWhetherItMadeTheHolder) {
    ASSERT_STARTS(machine_);
    const ProcessIdentity process{.pid = 77, .inode = 5, .start_time = 6};
    for (const BindRequest& request :
         {BindRequest{.name = "web"}, BindRequest{.binding = Binding::process, .process = process},
          BindRequest{.binding = Binding::ttl, .name = "x", .secret = secret(1), .ttl_ms = 9}}) {
        EXPECT_TRUE(bound(7, request).is_new);
        EXPECT_FALSE(bound(7, request).is_new);
    }
}

TEST_F(HoldersTest, TheEndIsOneRecordAndFreesAll) {
    ASSERT_STARTS(machine_);
    const Bound mine = bound(7, {.binding = Binding::connection, .secret = secret(1)});
    leased(0, 10, as(7, mine.ref));
    leased(1, 10, as(7, mine.ref));
    leased(1, 10, as(8));
    leased(1, 10, as(7, mine.ref));
    ASSERT_TRUE(machine_.flush());
    const Lsn before = machine_.allocator->journal().last_lsn();
    machine_.allocator->end(mine.ref);
    EXPECT_EQ(machine_.allocator->journal().last_lsn(), before + 1);
    for (const auto& [pool, id] : {std::pair<PoolIndex, Id>{0, 3}, {1, 3}, {1, 25}}) {
        const auto gone = machine_.allocator->lookup(pool, id, 0);
        EXPECT_EQ(gone.result.error().code, Errc::released);
        EXPECT_EQ(gone.wait_for, before + 1) << "nobody hears of it before it is durable";
    }
    EXPECT_EQ(looked_up(1, 15), Errc::ok);
    EXPECT_EQ(machine_.allocator->pool(1)->live_count().ids, 10U);
    EXPECT_EQ(allocate(1, 1, as(7, mine.ref)).result.error().code, Errc::holder_ended);
    EXPECT_EQ(machine_.allocator->verify().value_or("sound"), "sound");
    restart(0);
    EXPECT_EQ(looked_up(0, 3), Errc::released);
    EXPECT_EQ(looked_up(1, 25), Errc::released);
    EXPECT_EQ(looked_up(1, 15), Errc::ok);
    EXPECT_FALSE(machine_.allocator->holders().contains(mine.ref));
}

// Whatever tells of an end waits until that is durable: a crash could have the holder back.
TEST_F(HoldersTest, NobodyHearsOfAnEndThatACrashCouldUndo) {
    machine_.specs[1].quarantine_ms = 500;
    ASSERT_STARTS(machine_);
    const BindRequest request{.binding = Binding::connection, .secret = secret(1)};
    const Bound mine = bound(7, request);
    const Lease unique = leased(0, 1, as(7, mine.ref));
    const Lease cyclic = leased(1, 1, as(7, mine.ref));
    ASSERT_TRUE(machine_.flush());
    machine_.allocator->end(mine.ref);
    const auto waits = [&] {
        Allocator& allocator = *machine_.allocator;
        NoGuard nobody_else;
        const BindRequest again{.binding = Binding::connection, .key = mine.key};
        const auto burned = allocator.allocate_at(nobody_else, 0, unique.range, as(8));
        const auto resting = allocator.allocate_at(nobody_else, 1, cyclic.range, as(8));
        const auto ended = allocator.allocate(nobody_else, 0, Wish{}, as(7, mine.ref));
        const auto renewed = allocator.renew(mine.ref);
        const auto unknown = allocator.bind(as(7), again);
        const auto released = allocator.release_all(mine.ref);
        EXPECT_EQ(burned.result.error().code, Errc::id_burned);
        EXPECT_EQ(resting.result.error().code, Errc::id_resting);
        EXPECT_EQ(ended.result.error().code, Errc::holder_ended);
        EXPECT_EQ(renewed.result.error().code, Errc::holder_ended);
        EXPECT_EQ(unknown.result.error().code, Errc::holder_unknown);
        EXPECT_EQ(released.result.error().code, Errc::holder_unknown);
        return std::vector<Lsn>{burned.wait_for,  resting.wait_for, ended.wait_for,
                                renewed.wait_for, unknown.wait_for, released.wait_for};
    };
    const Lsn end = machine_.allocator->journal().last_lsn();
    ASSERT_GT(end, machine_.durable());
    EXPECT_EQ(waits(), std::vector<Lsn>(6, end));
    ASSERT_TRUE(machine_.flush());
    EXPECT_EQ(waits(), std::vector<Lsn>(6, 0));
}

// Nor of one for which there was no room in the journal yet.
TEST_F(HoldersTest, NobodyHearsOfAnEndThatIsStillToBeRecorded) {
    ASSERT_STARTS(machine_);
    const Bound mine = bound(7, {.binding = Binding::connection, .secret = secret(1)});
    const Lease lease = leased(1, 1, as(7, mine.ref));
    const Bound other = bound(8, {.binding = Binding::ttl, .secret = secret(2), .ttl_ms = 1'000});
    ASSERT_TRUE(machine_.flush());
    NoGuard nobody_else;
    while (machine_.allocator->has_room())
        ASSERT_TRUE(machine_.allocator->renew(other.ref).result);
    machine_.allocator->end(mine.ref);
    ASSERT_TRUE(machine_.allocator->holders().contains(mine.ref));
    const auto said = [&] {
        Allocator& allocator = *machine_.allocator;
        const BindRequest again{.binding = Binding::connection, .key = mine.key};
        return std::vector<Errc>{
            allocator.allocate(nobody_else, 0, Wish{}, as(7, mine.ref)).result.error().code,
            allocator.renew(mine.ref).result.error().code,
            allocator.release(1, lease.range, 1, as(7, mine.ref)).result.error().code,
            allocator.bind(as(7), again).result.error().code,
            allocator.release_all(mine.ref).result.error().code};
    };
    EXPECT_EQ(said(), std::vector<Errc>(5, Errc::block_pending));
    ASSERT_TRUE(machine_.flush());
    EXPECT_EQ(said(), (std::vector<Errc>{Errc::holder_ended, Errc::holder_ended, Errc::released,
                                         Errc::holder_unknown, Errc::holder_unknown}));
}

TEST_F(HoldersTest, NoIdOfAHolderIsEverAnothers) {
    ASSERT_STARTS(machine_);
    HolderId highest = 0;
    for (int life = 0; life < 4; ++life) {
        for (int i = 0; i < 3; ++i) {
            const Bound one = bound(7, {.binding = Binding::connection, .secret = secret(1)});
            EXPECT_GT(one.ref.id, highest);
            highest = one.ref.id;
            if (i != 1) machine_.allocator->end(one.ref);
        }
        restart(0, life % 2 == 0 ? boot_two : boot_one);
    }
}

// It came and went while a snapshot was written, in front of the piece that would have had it.
TEST_F(HoldersTest, NoIdOfOneThatASnapshotNeverSawIsAnothers) {
    machine_.journal.snapshot_size_per_group = 512;
    ASSERT_STARTS(machine_);
    for (std::uint32_t uid = 1; uid <= 200; ++uid)
        bound(uid, {.name = "somebody"});
    ASSERT_TRUE(machine_.flush());
    machine_.allocator->request_snapshot();
    ASSERT_TRUE(machine_.flush());
    ASSERT_TRUE(machine_.allocator->journal().snapshot_under_way());
    const Bound brief = bound(7, {.name = "brief"});
    ASSERT_TRUE(machine_.flush());
    ASSERT_TRUE(machine_.allocator->release_all(brief.ref).result);
    while (machine_.allocator->has_work())
        ASSERT_TRUE(machine_.flush());
    ASSERT_TRUE(machine_.allocator->close());
    ASSERT_STARTS(machine_);
    EXPECT_GT(bound(7, {.name = "next"}).ref.id, brief.ref.id);
}

TEST_F(HoldersTest, ARefusedRequestLeavesNoHolderBehind) {
    ASSERT_STARTS(machine_);
    EXPECT_EQ(allocate(1, 2'000, as(9)).result.error().code, Errc::pool_exhausted);
    EXPECT_EQ(machine_.allocator->holders().size(), 0U);
    EXPECT_FALSE(machine_.allocator->has_work());
    EXPECT_EQ(bound(9, {.name = "next"}).ref.id, 1U) << "nor a number used up";
}

TEST_F(HoldersTest, OneWithATimeLimitEndsWhenItIsNotRenewed) {
    ASSERT_STARTS(machine_);
    const Bound mine = bound(7, {.binding = Binding::ttl, .secret = secret(1), .ttl_ms = 1'000});
    leased(1, 3, as(7, mine.ref));
    EXPECT_EQ(machine_.allocator->next_deadline(), 1'000U);
    machine_.allocator->set_time(999);
    EXPECT_EQ(looked_up(1, 2), Errc::ok) << "never early";
    const auto renewed = machine_.allocator->renew(mine.ref);
    ASSERT_TRUE(renewed.result);
    EXPECT_GT(renewed.wait_for, machine_.durable()) << "a renewal outlasts a crash";
    machine_.allocator->set_time(1'998);
    EXPECT_EQ(looked_up(1, 2), Errc::ok);
    machine_.allocator->set_time(1'999);
    EXPECT_EQ(looked_up(1, 2), Errc::released);
    EXPECT_EQ(machine_.allocator->renew(mine.ref).result.error().code, Errc::holder_ended);
    EXPECT_EQ(machine_.allocator->next_deadline(), std::nullopt);
}

TEST_F(HoldersTest, ATimeLimitGoesOnOverARestartAndBeginsAnewOverAReboot) {
    machine_.restart_grace_ms = 100;
    ASSERT_STARTS(machine_);
    const BindRequest request{.binding = Binding::ttl, .secret = secret(1), .ttl_ms = 10'000};
    const Bound mine = bound(7, request);
    leased(1, 3, as(7, mine.ref));
    restart(4'000);
    EXPECT_EQ(machine_.allocator->next_deadline(), 10'000U);
    restart(9'990);
    EXPECT_EQ(machine_.allocator->next_deadline(), 10'090U) << "a moment to come back";
    restart(50, boot_two);
    EXPECT_EQ(machine_.allocator->next_deadline(), 10'050U);
    restart(60, boot_two);
    EXPECT_EQ(machine_.allocator->next_deadline(), 10'050U);
    EXPECT_EQ(looked_up(1, 2), Errc::ok);
    const auto again = bind(7, {.binding = Binding::ttl, .key = mine.key, .ttl_ms = 10'000});
    ASSERT_TRUE(again.result);
    EXPECT_EQ(again.result->ref.id, mine.ref.id);
    machine_.allocator->set_time(10'060);
    EXPECT_EQ(looked_up(1, 2), Errc::released);
}

TEST_F(HoldersTest, OneOfAConnectionHasAMomentToComeBackAfterARestart) {
    machine_.restart_grace_ms = 1'000;
    ASSERT_STARTS(machine_);
    const Bound comes = bound(7, {.binding = Binding::connection, .secret = secret(1)});
    const Bound stays = bound(7, {.binding = Binding::connection, .secret = secret(2)});
    leased(1, 3, as(7, comes.ref));
    leased(1, 3, as(7, stays.ref));
    const BindRequest return_of{.binding = Binding::connection, .key = comes.key};
    EXPECT_EQ(bind(7, return_of).result.error().code, Errc::holder_unknown)
        << "its connection is there";
    restart(5'000);
    EXPECT_EQ(bind(8, return_of).result.error().code, Errc::holder_unknown) << "another user";
    HolderKey guessed = comes.key;
    guessed.words[0] ^= 1U;
    EXPECT_EQ(bind(7, {.binding = Binding::connection, .key = guessed}).result.error().code,
              Errc::holder_unknown);
    EXPECT_EQ(bound(7, return_of).ref.id, comes.ref.id);
    machine_.allocator->set_time(6'000);
    EXPECT_EQ(looked_up(1, 2), Errc::ok);
    EXPECT_EQ(looked_up(1, 5), Errc::released);
    machine_.allocator->set_time(100'000);
    EXPECT_EQ(looked_up(1, 2), Errc::ok) << "it has its connection";
}

TEST_F(HoldersTest, AfterARebootProcessesAndConnectionsAreGone) {
    ASSERT_STARTS(machine_);
    const ProcessIdentity process{.pid = 77, .inode = 5, .start_time = 6};
    const Bound of_process = bound(7, {.binding = Binding::process, .process = process});
    EXPECT_EQ(bound(7, {.binding = Binding::process, .process = process}).ref, of_process.ref);
    const Bound of_connection = bound(7, {.binding = Binding::connection, .secret = secret(1)});
    leased(1, 1, as(7, of_process.ref));
    leased(1, 1, as(7, of_connection.ref));
    leased(1, 1, as(7));
    restart(10);
    EXPECT_EQ(looked_up(1, 1), Errc::ok) << "whether it lives is found out by whoever can";
    EXPECT_EQ(machine_.allocator->holders()[of_process.ref.index].process, process);
    restart(10, boot_two);
    EXPECT_EQ(looked_up(1, 1), Errc::released);
    EXPECT_EQ(looked_up(1, 2), Errc::released);
    EXPECT_EQ(looked_up(1, 3), Errc::ok);
    restart(10, boot_two);
    EXPECT_EQ(looked_up(1, 1), Errc::released);
}

TEST_F(HoldersTest, AReleaseOfAllCountsWhatItFreed) {
    ASSERT_STARTS(machine_);
    leased(0, 10, as(7));
    leased(1, 5, as(7));
    const HolderRef own{.index = *machine_.allocator->holders().find(Holder{.uid = 7}),
                        .id = machine_.allocator->lookup(0, 1, 0).result->holder.id};
    const auto released = machine_.allocator->release_all(own);
    EXPECT_EQ(*released.result, 15U);
    EXPECT_GT(released.wait_for, machine_.durable());
    EXPECT_EQ(machine_.allocator->release_all(own).result.error().code, Errc::holder_unknown);
    const Lease next = leased(0, 1, as(7));
    EXPECT_EQ(next.range.first, 11U);
    EXPECT_NE(machine_.allocator->lookup(0, 11, 0).result->holder.id, own.id);
}

// A snapshot is written piece by piece while holders come and go.
TEST_F(HoldersTest, ComeBackFromASnapshotWithWhatHappenedMeanwhile) {
    machine_.journal.segment_size = std::size_t{256} * 1024;
    ASSERT_STARTS(machine_);
    std::mt19937_64 random(5);
    std::vector<Bound> bounds;
    const auto change = [&] {
        switch (random() % 4) {
            case 0:
                if (!bounds.empty()) {
                    const std::size_t at = random() % bounds.size();
                    machine_.allocator->end(bounds[at].ref);
                    bounds.erase(bounds.begin() + static_cast<std::ptrdiff_t>(at));
                }
                break;
            case 1:
                bounds.push_back(
                    bound(7, {.binding = Binding::connection, .secret = secret(random())}));
                break;
            default:
                if (!bounds.empty()) {
                    (void)allocate(random() % 2, 1 + random() % 3,
                                   as(7, bounds[random() % bounds.size()].ref));
                }
        }
    };
    for (int round = 0; round < 20; ++round) {
        for (int i = 0; i < 300; ++i) {
            if (!machine_.allocator->has_room()) {
                ASSERT_TRUE(machine_.flush());
            }
            change();
        }
        machine_.allocator->request_snapshot();
        while (machine_.allocator->has_work()) {
            ASSERT_TRUE(machine_.flush());
            for (int i = 0; i < 5; ++i)
                change();
            if (random() % 6 == 0) break;
        }
        ASSERT_TRUE(machine_.flush());
        const std::string before = machine_.state();
        // In the same boot, with time to come back: all are there.
        machine_.crash();
        ASSERT_STARTS(machine_);
        ASSERT_EQ(machine_.allocator->verify().value_or("sound"), "sound");
        for (const Bound& one : bounds)
            ASSERT_TRUE(machine_.allocator->holders().contains(one.ref));
        const auto leases = [](const std::string& state) {
            std::string lines;
            for (std::size_t at = 0; at < state.size();) {
                const std::size_t end = state.find('\n', at);
                if (state[at] == ' ') lines += state.substr(at, end - at) + "\n";
                at = end + 1;
            }
            return lines;
        };
        ASSERT_EQ(leases(machine_.state()), leases(before));
    }
}

// A thousand at once come to their end some at a time, and whoever needs a number waits for all of them. The
// last ones have all numbers.
TEST_F(HoldersTest, ManyThatAreOverdueEndByAndByAndAFullPoolWaitsForThem) {
    ASSERT_STARTS(machine_);
    for (std::uint64_t i = 0; i < 1'000; ++i) {
        const Bound one =
            bound(7, {.binding = Binding::ttl, .secret = secret(i + 1), .ttl_ms = 1'000});
        if (i >= 900) leased(1, 10, as(7, one.ref));
    }
    ASSERT_TRUE(machine_.flush());
    machine_.allocator->set_time(1'000);
    EXPECT_LT(machine_.allocator->holders().size(), 1'000U) << "some at once";
    EXPECT_GT(machine_.allocator->holders().size(), 100U) << "and not all";
    NoGuard nobody_else;
    const auto ask = [&] {
        return machine_.allocator->allocate(nobody_else, 1, Wish{.count = 1'000}, as(8));
    };
    // Its holder apart, who is there as long as he is refused nothing.
    std::size_t left = machine_.allocator->holders().size();
    while (left > 0) {
        EXPECT_EQ(ask().result.error().code, Errc::sweep_pending) << left << " are left";
        ASSERT_TRUE(machine_.allocator->wants_sweep());
        machine_.allocator->sweep();
        ASSERT_TRUE(machine_.flush());
        const std::size_t before = std::exchange(left, machine_.allocator->holders().size());
        ASSERT_LT(left, before);
    }
    while (machine_.allocator->wants_sweep())
        machine_.allocator->sweep();
    const auto all = machine_.insist(ask);
    ASSERT_TRUE(all.result) << name(all.result.error().code);
    EXPECT_EQ(ask().result.error().code, Errc::pool_exhausted);
    EXPECT_EQ(machine_.allocator->verify().value_or("sound"), "sound");
}

// What an end takes grows with the pools that the holder had something of.
TEST(Holders, ThoseWhoHaveSomethingOfManyPoolsEndFewAtATime) {
    constexpr PoolIndex pools = 64;
    constexpr std::size_t holders = 100;
    std::vector<PoolSpec> specs;
    while (specs.size() < pools)
        specs.push_back({.name = "p" + std::to_string(specs.size()), .range = {1, 1'000}});
    Machine machine(std::move(specs));
    ASSERT_STARTS(machine);
    NoGuard nobody_else;
    for (std::uint64_t i = 0; i < holders; ++i) {
        const auto one = machine.insist([&] {
            return machine.allocator->bind(
                as(7), {.binding = Binding::ttl, .secret = secret(i + 1), .ttl_ms = 1'000});
        });
        ASSERT_TRUE(one.result);
        for (PoolIndex pool = 0; pool < pools; ++pool) {
            const auto leased = machine.insist([&] {
                return machine.allocator->allocate(nobody_else, pool, Wish{.count = 1},
                                                   as(7, one.result->ref));
            });
            ASSERT_TRUE(leased.result);
        }
        ASSERT_TRUE(machine.flush());
    }
    const auto ended_by = [&](auto call) {
        const std::size_t before = machine.allocator->holders().size();
        call();
        return before - machine.allocator->holders().size();
    };
    constexpr std::size_t at_once = 512 / pools;
    EXPECT_EQ(ended_by([&] { machine.allocator->set_time(1'000); }), at_once);
    while (machine.allocator->holders().size() > 0) {
        const std::size_t ended = ended_by([&] { machine.allocator->sweep(); });
        ASSERT_GT(ended, 0U);
        ASSERT_LE(ended, at_once);
        ASSERT_TRUE(machine.flush());
    }
    EXPECT_EQ(machine.allocator->verify().value_or("sound"), "sound");
}

TEST_F(HoldersTest, SweepingGoesInSlicesAndAFullPoolWaitsForIt) {
    ASSERT_STARTS(machine_);
    const Bound mine = bound(7, {.binding = Binding::connection, .secret = secret(1)});
    leased(1, 500, as(7, mine.ref));
    leased(1, 500, as(8));
    machine_.allocator->end(mine.ref);
    EXPECT_FALSE(machine_.allocator->wants_sweep()) << "not for so little";
    NoGuard nobody_else;
    const auto ask = [&] {
        return machine_.allocator->allocate(nobody_else, 1, Wish{.count = 500}, as(8));
    };
    EXPECT_EQ(ask().result.error().code, Errc::sweep_pending);
    ASSERT_TRUE(machine_.allocator->wants_sweep());
    while (machine_.allocator->wants_sweep())
        machine_.allocator->sweep();
    EXPECT_EQ(ask().result->range, (Range{1, 500}));
    EXPECT_EQ(machine_.allocator->verify().value_or("sound"), "sound");
}

}  // namespace
}  // namespace inod
