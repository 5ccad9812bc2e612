// Going on with a backup: however the adoption ended, nothing starts on what it left before one is
// done, and nobody is told of what was told since.
#include "lib/allocator/adopt.h"
#include "lib/journal/backup.h"
#include "tests/allocator/witnessed.h"

namespace inod {
namespace {

const BackupName as{.name = "backup", .temporary = "backup.new"};

std::string said(const Result<Adoption, Failure>& adoption) {
    return adoption ? "adopted"
                    : std::string(name(adoption.error().code)) + ": " + adoption.error().message;
}

// A store of which a backup was made while it ran, and that is gone. Its witness is still there.
struct Loss {
    // So many groups after the backup. Without any the witness is not ahead of it.
    explicit Loss(int groups = 3) {
        EXPECT_EQ(inod::said(machine.start()), "recovered");
        EXPECT_TRUE(told.hand_out(machine, 10));
        const auto made = back_up(machine.disk, directory, as);
        EXPECT_TRUE(made) << made.error().message;
        held = machine.allocator->next(0, 0).result.value();
        for (int group = 0; group < groups; ++group)
            EXPECT_TRUE(told.hand_out(machine, 40));
        machine.allocator.reset();
    }
    ~Loss() { machine.allocator.reset(); }
    Loss(const Loss&) = delete;
    Loss& operator=(const Loss&) = delete;

    Result<Adoption, Failure> adopt(Storage& state, SkipAhead skip = {}) {
        machine.allocator.reset();
        const auto backup = BackupFile::open(directory, as.name);
        return adopt_backup(**backup, state, machine.witness_disk, options(), skip, machine.here);
    }
    Result<Adoption, Failure> adopt_what_is_there(Storage& state) {
        machine.allocator.reset();
        return inod::adopt(state, machine.witness_disk, options(), {}, machine.here);
    }
    [[nodiscard]] AllocatorOptions options() const {
        return {.pools = {}, .journal = machine.journal, .memory_max = machine.memory_max};
    }
    [[nodiscard]] Errc start(Storage& state) {
        const auto started = machine.start_on(state);
        if (!started) return started.error().code;
        EXPECT_GT(started->run, 2U) << "an adoption is a life of its own";
        return Errc::ok;
    }

    WitnessedMachine machine;
    Told told;
    sim::MemStorage directory;
    std::optional<Held> held;
};

TEST(AdoptBackup, GoesOnAboveAllThatTheWitnessKnows) {
    Loss loss;
    sim::MemStorage state;
    const auto adoption = loss.adopt(state);
    ASSERT_EQ(said(adoption), "adopted");
    EXPECT_EQ(adoption->pools.size(), 4U);
    ASSERT_EQ(loss.start(state), Errc::ok);
    EXPECT_EQ(loss.machine.allocator->next(0, 0).result.value(), *loss.held) << "leases stay";
    EXPECT_TRUE(loss.told.hand_out(loss.machine, 40));
    EXPECT_TRUE(loss.machine.allocator->close());
    loss.machine.allocator.reset();
}

TEST(AdoptBackup, ByANumberWhereTheWitnessIsGoneToo) {
    Loss loss;
    ASSERT_TRUE(loss.machine.witness_disk.remove("witness"));
    sim::MemStorage state;
    const auto refused = loss.adopt(state);
    EXPECT_EQ(refused.error().code, Errc::state_stale) << said(refused);
    EXPECT_TRUE(state.names().empty()) << "what is refused has written nothing";
    EXPECT_TRUE(loss.machine.witness_disk.names().empty());
    ASSERT_EQ(said(loss.adopt(state, {.count = 10'000})), "adopted");
    ASSERT_EQ(loss.start(state), Errc::ok);
    EXPECT_TRUE(loss.told.hand_out(loss.machine, 40));
    loss.machine.allocator.reset();
}

TEST(AdoptBackup, IsForAnEmptyDirectory) {
    Loss loss;
    const auto witness = loss.machine.witness_disk.content("witness");
    const auto refused = loss.adopt(loss.machine.disk);
    EXPECT_EQ(refused.error().code, Errc::state_in_use) << said(refused);
    EXPECT_NE(refused.error().message.find("/state: it holds journal-"), std::string::npos)
        << refused.error().message;
    EXPECT_EQ(loss.machine.witness_disk.content("witness"), witness);
}

// Done once more the way that the refusal names.
void finish(Loss& loss, sim::MemStorage& state) {
    const auto again = loss.adopt(state);
    if (again) return;
    ASSERT_EQ(again.error().code, Errc::state_in_use) << said(again);
    if (loss.adopt_what_is_there(state)) return;
    for (const std::string& file : state.names())
        ASSERT_TRUE(state.remove(file));
    ASSERT_EQ(said(loss.adopt(state)), "adopted");
}

void cut_off_anywhere(bool at_witness, int groups) {
    bool ended = false;
    int begun = 0;  // something was there, and was not to be started on
    for (std::uint64_t call = 1; !ended; ++call) {
        SCOPED_TRACE(std::string(at_witness ? "witness" : "state") + " call " +
                     std::to_string(call));
        Loss loss(groups);
        sim::MemStorage state;
        (at_witness ? loss.machine.witness_disk : state).die_at_call(call);
        ended = loss.adopt(state).has_value();
        std::mt19937_64 random(call);
        state.crash(random);
        loss.machine.witness_disk.crash(random);
        const bool is_empty = state.names().empty();
        const Errc started = loss.start(state);
        if (started != Errc::ok) {
            ASSERT_FALSE(ended);
            ASSERT_TRUE(started == Errc::state_stale || started == Errc::journal_damaged);
            begun += is_empty ? 0 : 1;
            ASSERT_NO_FATAL_FAILURE(finish(loss, state));
            ASSERT_EQ(loss.start(state), Errc::ok);
        } else {
            ASSERT_FALSE(is_empty);
        }
        ASSERT_TRUE(loss.told.hand_out(loss.machine, 30));
        loss.machine.allocator.reset();
    }
    EXPECT_GT(begun, at_witness ? 0 : 10);
}

TEST(AdoptBackup, CutOffAnywhereItLeavesNothingThatStarts) {
    for (const bool at_witness : {false, true}) {
        for (const int groups : {0, 3}) {
            SCOPED_TRACE(std::to_string(groups) + " groups behind");
            ASSERT_NO_FATAL_FAILURE(cut_off_anywhere(at_witness, groups));
        }
    }
}

}  // namespace
}  // namespace inod
