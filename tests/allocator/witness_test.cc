// What a store's witness notices, and that no crash makes it notice what is not so.
#include <functional>

#include "tests/allocator/witnessed.h"

namespace inod {
namespace {

std::string content_of(const sim::MemStorage& disk) {
    std::string text;
    for (const std::string& file : disk.names()) {
        text += file + ":";
        for (const std::byte byte : disk.content(file))
            text += static_cast<char>(byte);
    }
    return text;
}

// The start is refused with this code and all these words, and changes nothing.
void expect_refused(WitnessedMachine& machine, sim::MemStorage& disk, Errc code,
                    const std::vector<std::string>& words) {
    const std::string before = content_of(disk) + content_of(machine.witness_disk);
    const auto started = machine.start_on(disk);
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, code) << started.error().message;
    for (const std::string& word : words) {
        EXPECT_NE(started.error().message.find(word), std::string::npos)
            << word << " in " << started.error().message;
    }
    EXPECT_EQ(content_of(disk) + content_of(machine.witness_disk), before);
    machine.allocator.reset();  // before its disk
}

TEST(StoreWitness, NoticesACopyFromBeforeTheLatestStart) {
    for (const bool is_clean : {false, true}) {
        SCOPED_TRACE(is_clean);
        WitnessedMachine machine;
        Told told;
        ASSERT_STARTS(machine);
        ASSERT_TRUE(told.hand_out(machine, 3));
        if (is_clean) {
            ASSERT_TRUE(machine.allocator->close());
        }
        const auto copy = machine.disk.clone();
        ASSERT_STARTS(machine);
        EXPECT_EQ(machine.witnessed().facts.run, 2U);
        machine.allocator.reset();
        expect_refused(machine, *copy, Errc::state_stale,
                       {"run 1", "run 2", "inoctl adopt /state --skip-ahead auto"});
    }
}

TEST(StoreWitness, NoticesACopyOfTheRunOnceItIsAStrideBehind) {
    WitnessedMachine machine;
    Told told;
    ASSERT_STARTS(machine);
    ASSERT_TRUE(told.hand_out(machine, 3));
    const auto copy = machine.disk.clone();
    const auto witness = machine.witness_disk.clone();
    const Lsn copied_at = machine.durable();
    constexpr PoolIndex endless = 0;
    while (machine.durable() < copied_at + 2 * witness_lsn_stride) {
        for (int i = 0; i < 500; ++i) {
            const auto lease = machine.allocate(endless).result;
            ASSERT_TRUE(lease);
            ASSERT_TRUE(machine.release(endless, lease->range).result);
        }
        ASSERT_TRUE(machine.flush());
        EXPECT_LT(machine.durable() - machine.witnessed().facts.lsn, witness_lsn_stride);
    }
    machine.allocator.reset();
    expect_refused(machine, *copy, Errc::state_stale,
                   {"LSN " + std::to_string(copied_at), "in run 1", "--skip-ahead auto"});

    // Beside the witness of its own time it is just a store that was killed.
    WitnessedMachine then;
    for (const std::string& file : witness->names())
        then.witness_disk.set_content(file, witness->content(file));
    EXPECT_EQ(said(then.start_on(*copy)), "recovered");
    then.allocator.reset();
}

TEST(StoreWitness, RefusesAWitnessThatIsNotThisStores) {
    WitnessedMachine machine;
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocator->close());
    WitnessedMachine other;
    other.journal.fresh_id.fill(std::byte{7});
    ASSERT_STARTS(other);
    ASSERT_TRUE(other.allocator->close());
    other.allocator.reset();
    expect_refused(other, machine.disk, Errc::state_stale,
                   {"no two stores share a witness", "--skip-ahead N"});
    sim::MemStorage empty;
    expect_refused(other, empty, Errc::state_stale, {"it is empty", "run 1"});
}

TEST(StoreWitness, RefusesAStoreThatLostItsWitness) {
    WitnessedMachine machine;
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocator->close());
    machine.allocator.reset();
    ASSERT_TRUE(machine.witness_disk.remove("witness"));
    expect_refused(machine, machine.disk, Errc::state_stale, {"there is no witness", "N"});
}

TEST(StoreWitness, TakesAStoreThatNeverHadOne) {
    WitnessedMachine machine;
    machine.has_witness = false;
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocator->close());
    machine.has_witness = true;
    ASSERT_STARTS(machine);
    EXPECT_EQ(machine.witnessed().facts.run, 2U);
}

TEST(StoreWitness, RefusesAnotherMachineAndAnotherGenerationOfIt) {
    const auto with = [](std::uint8_t machine, std::uint8_t generation) {
        MachineIdentity identity;
        identity.machine.fill(std::byte{machine});
        identity.vm_generation.fill(std::byte{generation});
        return identity;
    };
    struct Case {
        MachineIdentity was;
        MachineIdentity is;
        std::string says;  // empty: it is started
    };
    const std::vector<Case> cases{
        {with(1, 1), with(1, 1), ""},
        {with(1, 1), with(2, 1), "machine with ID 01010101"},
        {with(1, 1), with(1, 2), "VM generation 01010101"},
        {with(0, 0), with(2, 2), ""},
        {with(1, 1), with(0, 0), ""},
    };
    for (const Case& c : cases) {
        WitnessedMachine machine;
        machine.here.machine = c.was;
        ASSERT_STARTS(machine);
        ASSERT_TRUE(machine.allocator->close());
        machine.here.machine = c.is;
        if (c.says.empty()) {
            ASSERT_STARTS(machine);
            EXPECT_EQ(machine.witnessed().facts.machine, c.is);
        } else {
            machine.allocator.reset();
            expect_refused(machine, machine.disk, Errc::state_stale, {c.says, "--skip-ahead auto"});
        }
    }
}

TEST(StoreWitness, ReadsOneOfTwoSlotsAndRefusesNone) {
    for (const std::uint64_t slot : {0U, 1U}) {
        WitnessedMachine machine;
        ASSERT_STARTS(machine);
        ASSERT_TRUE(machine.allocator->close());
        const std::size_t slot_size = machine.witness_disk.content("witness").size() / 2;
        machine.witness_disk.flip("witness", slot * slot_size + 50, std::byte{1});
        ASSERT_STARTS(machine);
        ASSERT_TRUE(machine.allocator->close());
        machine.allocator.reset();
        machine.witness_disk.flip("witness", 50, std::byte{1});
        machine.witness_disk.flip("witness", slot_size + 50, std::byte{1});
        expect_refused(machine, machine.disk, Errc::journal_damaged,
                       {"witness directory /state.witness", "inoctl adopt /state --skip-ahead N"});
    }
}

// What --skip-ahead auto promises.
TEST(StoreWitness, NoPoolIsEverTellingOfMoreThanAStrideAboveIt) {
    WitnessedMachine machine;
    Told told;
    ASSERT_STARTS(machine);
    std::uint64_t changes = 0;
    for (std::uint64_t group = 0; group < 300; ++group) {
        ASSERT_TRUE(told.hand_out(machine, 1 + group % 60 * 7));
        if (group % 50 == 0) {
            const Id claim = 50'000 + group * 20;
            ASSERT_TRUE(machine.allocate_at(1, {claim, claim}).result);
            ASSERT_TRUE(machine.flush());
        }
        const auto seen = decode_marks(machine.witnessed().marks).value();
        for (const PoolMark& now : machine.allocator->marks()) {
            const auto mark = std::find_if(seen.begin(), seen.end(),
                                           [&](const PoolMark& m) { return m.pool == now.pool; });
            const PoolMark witnessed = mark == seen.end() ? PoolMark{} : *mark;
            const PoolSpec& spec = machine.specs[now.pool];
            ASSERT_LE(now.mark, witness_limit(spec, witnessed.mark)) << now.pool;
            ASSERT_LE(now.claim, witness_limit(spec, std::max(witnessed.mark, witnessed.claim)))
                << now.pool;
            changes += witnessed.mark != now.mark ? 1U : 0U;
        }
    }
    EXPECT_GT(changes, 30U) << "it is written in strides, not each time";
    ASSERT_TRUE(machine.allocator->close());
    EXPECT_EQ(decode_marks(machine.witnessed().marks).value(), machine.allocator->marks());
    EXPECT_EQ(machine.witnessed().facts.lsn, machine.durable());
}

TEST(StoreWitness, ThatCannotBeWrittenEndsTheLife) {
    WitnessedMachine machine;
    Told told;
    ASSERT_STARTS(machine);
    machine.witness_disk.fail_call(1, Errc::io_error);
    bool went_on = true;
    for (int group = 0; group < 300 && went_on; ++group)
        went_on = told.hand_out(machine, 200);
    EXPECT_FALSE(went_on);
    EXPECT_EQ(machine.witness_disk.failures(), 1U);
    EXPECT_TRUE(machine.allocator->journal().sealed());
    EXPECT_EQ(machine.allocate_now(0).result.error().code, Errc::journal_sealed);
    machine.crash();
    ASSERT_STARTS(machine);
    EXPECT_TRUE(told.hand_out(machine, 200));
}

// A life that is cut off at each call of the one disk or the other, in which the power fails then.
void cut_off_everywhere(const std::function<sim::MemStorage&(WitnessedMachine&)>& dying,
                        const std::function<void(WitnessedMachine&)>& before) {
    bool ended = false;
    for (std::uint64_t call = 1; !ended; ++call) {
        SCOPED_TRACE(call);
        WitnessedMachine machine;
        Told told;
        before(machine);
        dying(machine).die_at_call(call);
        const auto live = [&] {
            if (!machine.start()) return false;
            for (int group = 0; group < 3; ++group) {
                if (!told.hand_out(machine, 150, true)) return false;
            }
            return machine.allocator->close().has_value();
        };
        ended = live();
        machine.crash(call);
        ASSERT_STARTS(machine);
        ASSERT_TRUE(told.hand_out(machine, 20));
        ASSERT_EQ(machine.allocator->verify().value_or("sound"), "sound");
    }
}

sim::MemStorage& state(WitnessedMachine& machine) {
    return machine.disk;
}
sim::MemStorage& witness(WitnessedMachine& machine) {
    return machine.witness_disk;
}
void nothing(WitnessedMachine& /*machine*/) {}
void one_life(WitnessedMachine& machine) {
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocator->close());
}
void one_life_without(WitnessedMachine& machine) {
    machine.has_witness = false;
    one_life(machine);
    machine.has_witness = true;
}
// Whose witness has no room for the marks of all pools.
void one_life_with_less(WitnessedMachine& machine) {
    const auto pools = machine.specs;
    machine.specs.resize(1);
    one_life(machine);
    machine.specs = pools;
    for (int i = 0; i < 400; ++i)
        machine.specs.push_back(unique_pool("more" + std::to_string(i)));
}

TEST(StoreWitness, NoCrashMakesAStoreStale) {
    for (const auto& dying : {state, witness}) {
        for (const auto& before : {nothing, one_life, one_life_without}) {
            ASSERT_NO_FATAL_FAILURE(cut_off_everywhere(dying, before));
        }
    }
}

TEST(StoreWitness, MakesRoomForMorePoolsInOneStep) {
    WitnessedMachine machine;
    one_life_with_less(machine);
    const std::size_t size = machine.witness_disk.content("witness").size();
    ASSERT_STARTS(machine);
    EXPECT_GT(machine.witness_disk.content("witness").size(), size);
    machine.allocator.reset();
    for (std::uint64_t call = 1;; ++call) {
        SCOPED_TRACE(call);
        WitnessedMachine cut_off;
        one_life_with_less(cut_off);
        cut_off.witness_disk.die_at_call(call);
        const bool ended = cut_off.start().has_value();
        cut_off.crash(call);
        ASSERT_STARTS(cut_off);
        EXPECT_GT(cut_off.witness_disk.content("witness").size(), size);
        if (ended) break;
    }
}

// However many pools there are: a start with the same configuration takes no space for the witness.
TEST(StoreWitness, AsksTheDiskForNothingWhereNothingIsNew) {
    for (const int pools : {1, 30, 100, 200}) {
        SCOPED_TRACE(pools);
        WitnessedMachine machine;
        machine.specs.clear();
        for (int i = 0; i < pools; ++i)
            machine.specs.push_back(unique_pool("pool" + std::to_string(i)));
        ASSERT_STARTS(machine);
        const std::uint64_t used = machine.witness_disk.used();
        machine.witness_disk.set_capacity(used);
        ASSERT_STARTS(machine);
        machine.specs.resize(machine.specs.size() / 2 + 1);
        ASSERT_STARTS(machine);
        for (int i = 0; i < 200; ++i)
            machine.specs.push_back(unique_pool("more" + std::to_string(i)));
        const auto refused = machine.start();
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Errc::no_space);
        EXPECT_EQ(machine.witness_disk.names(), std::vector<std::string>{"witness"});
        machine.allocator.reset();  // before its disk
    }
}

TEST(WitnessMarks, ReadBackAsTheyWereWritten) {
    const std::vector<PoolMark> marks{{0, id_max, {}, id_max},
                                      {1, {}, {}, 5},
                                      {7, 1, 8, 9},
                                      {9, {}, id_max, id_max},
                                      {65'534, 0, 0, 1}};
    std::vector<std::byte> memory(marks_size_max(marks.size()));
    ByteWriter out(memory);
    encode_marks(marks, out);
    EXPECT_EQ(decode_marks(out.written()).value(), marks);
    EXPECT_EQ(decode_marks(out.written().first(1)).value(), std::vector<PoolMark>{});
}

TEST(WitnessMarks, AnythingElseIsNone) {
    const auto code = [](std::initializer_list<std::uint8_t> list) {
        std::vector<std::byte> bytes;
        for (const std::uint8_t byte : list)
            bytes.push_back(std::byte{byte});
        const auto decoded = decode_marks(bytes);
        return decoded ? Errc::ok : decoded.error().code;
    };
    EXPECT_EQ(code({2, 3, 1, 5, 9, 4, 0, 9}), Errc::ok);
    EXPECT_EQ(code({}), Errc::journal_damaged);
    EXPECT_EQ(code({1, 3, 5, 9}), Errc::record_unknown);
    EXPECT_EQ(code({2, 3, 1, 5}), Errc::journal_damaged) << "half an entry";
    EXPECT_EQ(code({2, 3, 1, 5, 9, 3, 1, 6, 9}), Errc::journal_damaged) << "the same pool again";
    EXPECT_EQ(code({2, 3, 1, 5, 9, 2, 1, 6, 9}), Errc::journal_damaged) << "out of order";
    EXPECT_EQ(code({2, 0x80, 0x80, 0x04, 1, 6, 9}), Errc::journal_damaged) << "no such pool";
    EXPECT_EQ(code({2, 3, 4, 9}), Errc::journal_damaged) << "an unknown flag";
}

TEST(WitnessMarks, TheStrideIsAThousandthOfWhatIsLeft) {
    EXPECT_EQ(witness_mark_stride(0, id_max), 1U << 20U);
    EXPECT_EQ(witness_mark_stride(0, 1'000'000), 1000U);
    EXPECT_EQ(witness_mark_stride(999'000, 1'000'000), 1U);
    EXPECT_EQ(witness_mark_stride(999'001, 1'000'000), 0U);
    EXPECT_EQ(witness_mark_stride(id_max, id_max), 0U);
    EXPECT_EQ(witness_limit(cyclic_pool("c", {1, 2}), id_max - 5), id_max);
    EXPECT_EQ(witness_limit(cyclic_pool("c", {1, 2}), 1), 1025U);
    EXPECT_EQ(witness_limit(unique_pool("u", {0, 900}), std::nullopt), std::nullopt);
    EXPECT_EQ(witness_limit(unique_pool("u", {0, 900}), 0), 0U);
    EXPECT_EQ(witness_limit(unique_pool("u", {0, 2000}), std::nullopt), 1U);
    EXPECT_EQ(witness_limit(unique_pool("u", {0, id_max}), id_max), id_max);
}

}  // namespace
}  // namespace inod
