// Going on with an old copy: after an adoption nobody is told of what was told since the copy was
// made, however the adoption ended.
#include "lib/allocator/adopt.h"

#include <functional>

#include "tests/allocator/witnessed.h"

namespace inod {
namespace {

Result<Adoption, Failure> adopt_copy(WitnessedMachine& machine, Storage& copy, SkipAhead skip) {
    machine.allocator.reset();
    return adopt(copy, machine.witness_disk,
                 {.pools = {}, .journal = machine.journal, .memory_max = machine.memory_max}, skip,
                 machine.here);
}

std::string said(const Result<Adoption, Failure>& adoption) {
    return adoption ? "adopted"
                    : std::string(name(adoption.error().code)) + ": " + adoption.error().message;
}

// A copy, what was told before and after it, and a start that makes it old.
struct Story {
    // `groups` after the copy, of `count` leases in each pool.
    explicit Story(std::uint64_t count = 40, int groups = 6) {
        EXPECT_EQ(inod::said(machine.start()), "recovered");
        EXPECT_TRUE(told.hand_out(machine, 10));
        copy = machine.disk.clone();
        for (int group = 0; group < groups; ++group)
            EXPECT_TRUE(told.hand_out(machine, count));
        EXPECT_EQ(inod::said(machine.start()), "recovered");
        EXPECT_TRUE(told.hand_out(machine, count));
        EXPECT_TRUE(machine.allocate_at(1, {50'000, 50'010}).result);
        EXPECT_TRUE(machine.flush());
        machine.allocator.reset();
    }
    ~Story() { machine.allocator.reset(); }
    Story(const Story&) = delete;
    Story& operator=(const Story&) = delete;

    [[nodiscard]] Errc start() {
        const auto started = machine.start_on(*copy);
        return started ? Errc::ok : started.error().code;
    }

    WitnessedMachine machine;
    Told told;
    std::unique_ptr<sim::MemStorage> copy;
};

TEST(Adopt, GoesOnAboveAllThatTheWitnessKnows) {
    Story story;
    EXPECT_EQ(story.start(), Errc::state_stale);
    const auto adoption = adopt_copy(story.machine, *story.copy, {});
    ASSERT_EQ(said(adoption), "adopted");
    EXPECT_EQ(adoption->run, 3U);
    EXPECT_EQ(adoption->pools_missing, 0U);
    ASSERT_EQ(adoption->pools.size(), 4U);
    EXPECT_EQ(adoption->pools[1].name, "small");
    EXPECT_GT(adoption->pools[1].to, 50'010U) << "above the claim";
    ASSERT_EQ(story.start(), Errc::ok);
    EXPECT_TRUE(story.told.hand_out(story.machine, 40));
    EXPECT_FALSE(story.machine.allocate_at(1, {50'005, 50'005}).result) << "it is burned";
    EXPECT_EQ(story.machine.allocator->verify().value_or("sound"), "sound");
    EXPECT_TRUE(story.machine.allocator->close());
    EXPECT_EQ(story.start(), Errc::ok) << "once is enough";
}

TEST(Adopt, RepeatsNothingHoweverMuchWasHandedOutSince) {
    for (const std::uint64_t count : {1U, 7U, 100U, 1000U}) {
        for (const int groups : {0, 1, 9}) {
            SCOPED_TRACE(std::to_string(count) + " times " + std::to_string(groups));
            Story story(count, groups);
            ASSERT_EQ(said(adopt_copy(story.machine, *story.copy, {})), "adopted");
            ASSERT_EQ(story.start(), Errc::ok);
            EXPECT_TRUE(story.told.hand_out(story.machine, 100));
            // The copy is put back a second time.
            Story twice(count, groups);
            const auto again = twice.copy->clone();
            ASSERT_EQ(said(adopt_copy(twice.machine, *twice.copy, {})), "adopted");
            ASSERT_EQ(twice.start(), Errc::ok);
            EXPECT_TRUE(twice.told.hand_out(twice.machine, 100));
            ASSERT_EQ(said(adopt_copy(twice.machine, *again, {})), "adopted");
            ASSERT_EQ(inod::said(twice.machine.start_on(*again)), "recovered");
            EXPECT_TRUE(twice.told.hand_out(twice.machine, 100));
            twice.machine.allocator.reset();  // before its disk
        }
    }
}

TEST(Adopt, SkipsSoManyAsAreAskedFor) {
    Story story;
    const auto adoption =
        adopt_copy(story.machine, *story.copy, {.count = 5000, .may_stay_below_witness = true});
    ASSERT_EQ(said(adoption), "adopted");
    for (const Adoption::SkippedPool& pool : adoption->pools)
        EXPECT_EQ(pool.to - pool.from, 5000U) << pool.name;
    ASSERT_EQ(story.start(), Errc::ok);
    EXPECT_EQ(story.machine.allocate(1).result->range.first, adoption->pools[1].to + 1);
    EXPECT_TRUE(story.told.hand_out(story.machine, 40));
}

TEST(Adopt, KeepsTheLeasesOfTheCopy) {
    Story story;
    const auto lease = story.copy->clone();
    WitnessedMachine before;
    before.has_witness = false;
    ASSERT_EQ(inod::said(before.start_on(*lease)), "recovered");
    const auto held = before.allocator->next(0, 0).result;
    ASSERT_TRUE(held);
    before.allocator.reset();
    ASSERT_EQ(said(adopt_copy(story.machine, *story.copy, {})), "adopted");
    ASSERT_EQ(story.start(), Errc::ok);
    EXPECT_EQ(story.machine.allocator->next(0, 0).result.value(), *held);
}

TEST(Adopt, ByTheWitnessIsRefusedWhereThatCannotTell) {
    struct Case {
        std::function<void(Story&)> spoil;
        std::string says;
    };
    const std::vector<Case> cases{
        {[](Story& s) { ASSERT_TRUE(s.machine.witness_disk.remove("witness")); }, "there is none"},
        {[](Story& s) {
             const std::size_t size = s.machine.witness_disk.content("witness").size();
             s.machine.witness_disk.flip("witness", 50, std::byte{1});
             s.machine.witness_disk.flip("witness", size / 2 + 50, std::byte{1});
         },
         "there is none that reads back"},
        {[](Story& s) {
             WitnessedMachine other;
             other.journal.fresh_id.fill(std::byte{9});
             ASSERT_STARTS(other);
             s.machine.witness_disk.set_content("witness", other.witness_disk.content("witness"));
         },
         "it is of another store"},
        {[](Story& s) {
             s.machine.specs.push_back(unique_pool("later"));
             ASSERT_STARTS(s.machine);
         },
         "pools that were made after"},
        {[](Story& s) {
             s.machine.specs[1].range.last = 90'000;
             ASSERT_STARTS(s.machine);
         },
         "after its max was raised"},
    };
    for (const Case& c : cases) {
        Story story;
        ASSERT_NO_FATAL_FAILURE(c.spoil(story));
        const auto refused = adopt_copy(story.machine, *story.copy, {});
        ASSERT_FALSE(refused) << c.says;
        EXPECT_EQ(refused.error().code, Errc::state_stale);
        EXPECT_NE(refused.error().message.find(c.says), std::string::npos)
            << refused.error().message;
        const bool is_widened = c.says == std::string("after its max was raised");
        const auto by_number = adopt_copy(story.machine, *story.copy, {.count = 3'000'000});
        EXPECT_EQ(by_number.has_value(), !is_widened) << said(by_number);
        const SkipAhead knowingly{.count = 3'000'000, .may_stay_below_witness = true};
        EXPECT_EQ(said(adopt_copy(story.machine, *story.copy, knowingly)), "adopted");
        EXPECT_EQ(story.start(), Errc::ok);
    }
}

TEST(Adopt, NothingIsRefused) {
    WitnessedMachine machine;
    const auto refused = adopt_copy(machine, machine.disk, {.count = 1});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::state_stale);
    EXPECT_TRUE(machine.witness_disk.names().empty());
}

TEST(Adopt, CutOffAnywhereItLeavesACopyThatIsStaleOrAdopted) {
    for (const bool at_witness : {false, true}) {
        bool ended = false;
        int stale = 0;
        for (std::uint64_t call = 1; !ended; ++call) {
            SCOPED_TRACE(std::string(at_witness ? "witness" : "state") + " call " +
                         std::to_string(call));
            Story story(20, 2);
            sim::MemStorage& dying = at_witness ? story.machine.witness_disk : *story.copy;
            dying.die_at_call(call);
            ended = adopt_copy(story.machine, *story.copy, {}).has_value();
            std::mt19937_64 random(call);
            story.copy->crash(random);
            story.machine.witness_disk.crash(random);
            const Errc started = story.start();
            if (started != Errc::ok) {
                ++stale;
                ASSERT_FALSE(ended);
                ASSERT_EQ(started, Errc::state_stale);
                ASSERT_EQ(said(adopt_copy(story.machine, *story.copy, {})), "adopted");
                ASSERT_EQ(story.start(), Errc::ok);
            }
            ASSERT_TRUE(story.told.hand_out(story.machine, 30));
        }
        EXPECT_GT(stale, 3);
    }
}

// A store whose pools are such, and a copy of it that is made before `later` happens.
void expect_repeats_nothing(std::vector<PoolSpec> pools,
                            const std::function<bool(Machine&, Told&)>& before,
                            const std::function<bool(Machine&, Told&)>& later, SkipAhead skip) {
    WitnessedMachine machine;
    machine.specs = std::move(pools);
    Told told;
    ASSERT_STARTS(machine);
    ASSERT_TRUE(before(machine, told));
    const auto copy = machine.disk.clone();
    ASSERT_TRUE(later(machine, told));
    machine.allocator.reset();
    const auto started = machine.start_on(*copy);
    ASSERT_FALSE(started) << "the copy is not noticed";
    EXPECT_EQ(started.error().code, Errc::state_stale);
    const auto adopted = adopt_copy(machine, *copy, skip);
    ASSERT_EQ(said(adopted), "adopted");
    ASSERT_EQ(inod::said(machine.start_on(*copy)), "recovered");
    EXPECT_TRUE(told.hand_out(machine, 5));
    machine.allocator.reset();  // before its disk
}

bool claim(Machine& machine, Id id) {
    return machine.allocate_at(0, {id, id}).result && machine.flush();
}

// A claim far up says nothing of how far the pool itself has come.
TEST(Adopt, AClaimFarUpHidesNothingOfWhatComesBelow) {
    const auto claims_far_up = [](Machine& machine, Told& told) {
        return told.hand_out(machine, 3) && claim(machine, id_max);
    };
    const auto hands_out_two_strides = [](Machine& machine, Told& told) {
        for (int lease = 0; lease < 40; ++lease) {
            if (!machine.allocate(0, 65'536).result || !machine.flush()) return false;
        }
        return told.hand_out(machine, 3);
    };
    expect_repeats_nothing({unique_pool("inode")}, claims_far_up, hands_out_two_strides,
                           {.count = 10'000'000, .may_stay_below_witness = true});
}

// Each hand-out is witnessed where few are left, the first one too, and that of the number 0.
TEST(Adopt, ANumberZeroIsKnownOfAsAnyOther) {
    const auto nothing = [](Machine&, Told&) { return true; };
    const std::vector<PoolSpec> pools = {unique_pool("few", {0, 900})};
    for (const std::uint64_t count : {1U, 10U}) {
        const auto some = [count](Machine& machine, Told& told) {
            return told.hand_out(machine, count);
        };
        expect_repeats_nothing(pools, nothing, some, {});
        expect_repeats_nothing(pools, nothing, some, {.count = count});
    }
}

// What the copy knows of is not passed over: one claim far up does not use up the pool.
TEST(Adopt, AClaimThatIsInTheCopyBurnsNothing) {
    WitnessedMachine machine;
    machine.specs = {unique_pool("inode")};
    Told told;
    ASSERT_STARTS(machine);
    ASSERT_TRUE(told.hand_out(machine, 3));
    ASSERT_TRUE(claim(machine, id_max));
    const auto copy = machine.disk.clone();
    const auto adopted = adopt_copy(machine, *copy, {});
    ASSERT_EQ(said(adopted), "adopted");
    EXPECT_LT(adopted->pools[0].to, 2'000'000U);
    ASSERT_EQ(inod::said(machine.start_on(*copy)), "recovered");
    EXPECT_TRUE(told.hand_out(machine, 5));
    EXPECT_FALSE(machine.allocate_at(0, {id_max, id_max}).result) << "the lease is there";
    machine.allocator.reset();  // before its disk
}

// One that is not in it is passed over, unless that would leave nothing: then somebody has to say so.
TEST(Adopt, AClaimThatIsNotInTheCopyIsNotHandedOut) {
    for (const Id id : {Id{5'000'000'000}, id_max}) {
        WitnessedMachine machine;
        machine.specs = {unique_pool("inode")};
        Told told;
        ASSERT_STARTS(machine);
        ASSERT_TRUE(told.hand_out(machine, 3));
        const auto copy = machine.disk.clone();
        ASSERT_TRUE(claim(machine, id));
        const auto adopted = adopt_copy(machine, *copy, {});
        EXPECT_EQ(adopted.has_value(), id != id_max) << said(adopted);
        if (adopted) {
            EXPECT_GE(adopted->pools[0].to, id);
            continue;
        }
        EXPECT_NE(said(adopted).find("--below-witness"), std::string::npos) << said(adopted);
        EXPECT_FALSE(adopt_copy(machine, *copy, {.count = 100}));
        const SkipAhead knowingly{.count = 100, .may_stay_below_witness = true};
        EXPECT_EQ(said(adopt_copy(machine, *copy, knowingly)), "adopted");
    }
}

// On a full disk too, and whatever the size of segments that the tool would take for a new store.
TEST(Adopt, TakesNothingOfWhatIsSetAside) {
    WitnessedMachine machine;
    Told told;
    ASSERT_STARTS(machine);
    ASSERT_TRUE(told.hand_out(machine, 100));
    machine.allocator.reset();
    const auto copy = machine.disk.clone();
    copy->set_capacity(copy->used());
    const std::uint64_t used = copy->used();
    const auto adopted =
        adopt(*copy, machine.witness_disk,
              {.pools = {}, .journal = {}, .memory_max = machine.memory_max}, {}, machine.here);
    ASSERT_EQ(said(adopted), "adopted");
    EXPECT_EQ(copy->used(), used);
    ASSERT_EQ(inod::said(machine.start_on(*copy)), "recovered");
    EXPECT_TRUE(machine.allocator->journal().has_space_for({}));
    machine.allocator.reset();  // before its disk
}

// Whoever names a number need not know what the witness knows; but it is held against it.
TEST(Adopt, ByANumberThatComesBelowTheWitnessIsRefused) {
    Story story;
    const auto refused = adopt_copy(story.machine, *story.copy, {.count = 0});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::state_stale);
    const std::string& message = refused.error().message;
    const std::size_t at = message.find("Give auto, or ");
    ASSERT_NE(at, message.npos) << message;
    const std::uint64_t enough = std::stoull(message.substr(at + 14));
    ASSERT_GT(enough, 0U);
    EXPECT_FALSE(adopt_copy(story.machine, *story.copy, {.count = enough - 1}));
    ASSERT_EQ(said(adopt_copy(story.machine, *story.copy, {.count = enough})), "adopted");
    ASSERT_EQ(inod::said(story.machine.start_on(*story.copy)), "recovered");
    EXPECT_TRUE(story.told.hand_out(story.machine, 40));
}

// What the copy has as reserved may have been claimed since.
TEST(Adopt, BurnsWhatIsReservedInWhatItSkips) {
    for (const std::optional<std::uint64_t> count : {std::optional<std::uint64_t>(150), {}}) {
        SCOPED_TRACE(count ? "a number" : "auto");
        WitnessedMachine machine;
        machine.specs = {unique_pool("inode", {1, 10'000})};
        machine.specs[0].reserved = {{100, 199}};
        ASSERT_STARTS(machine);
        ASSERT_TRUE(machine.allocate(0, 10).result);
        ASSERT_TRUE(machine.flush());
        const auto copy = machine.disk.clone();
        NoGuard nobody_else;
        const Asker administrator{.takes_reserved = true};
        const auto claim = [&] {
            return machine.allocator->allocate_at(nobody_else, 0, {150, 150}, administrator).result;
        };
        ASSERT_TRUE(claim());
        ASSERT_TRUE(machine.flush());
        ASSERT_STARTS(machine);
        ASSERT_EQ(said(adopt_copy(machine, *copy, {.count = count})), "adopted");
        for (int life = 0; life < 2; ++life) {
            ASSERT_EQ(inod::said(machine.start_on(*copy)), "recovered");
            EXPECT_EQ(claim().error(), Error(Errc::id_burned, 150));
            EXPECT_EQ(machine.allocator->verify().value_or("sound"), "sound");
        }
        machine.allocator.reset();  // before its disk
    }
}

// A copy of a clean stop has no end of a journal that could be missing.
TEST(Adopt, GivesNoHolderAnIdThatOneHadSince) {
    for (const std::optional<std::uint64_t> count : {std::optional<std::uint64_t>(0), {}}) {
        SCOPED_TRACE(count ? "a number" : "auto");
        WitnessedMachine machine;
        machine.specs = {unique_pool("inode")};
        const auto bind = [&](std::string_view name) {
            const auto ask = [&] { return machine.allocator->bind(user(7), {.name = name}); };
            return machine.insist(ask).result->ref.id;
        };
        ASSERT_STARTS(machine);
        bind("before");
        ASSERT_TRUE(machine.allocator->close());
        const auto copy = machine.disk.clone();
        ASSERT_STARTS(machine);
        const HolderId since = bind("since");
        ASSERT_TRUE(machine.allocator->close());
        ASSERT_EQ(said(adopt_copy(machine, *copy, {.count = count})), "adopted");
        ASSERT_EQ(inod::said(machine.start_on(*copy)), "recovered");
        EXPECT_GT(bind("next"), since);
        machine.allocator.reset();  // before its disk
    }
}

}  // namespace
}  // namespace inod
