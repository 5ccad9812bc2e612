// The witness's file: what reads back after damage, after a crash at any call, on a full disk.
#include "lib/journal/witness.h"

#include <algorithm>
#include <functional>
#include <random>

#include <gtest/gtest.h>

#include "lib/base/bytes.h"
#include "lib/base/crc32c.h"
#include "tests/sim/mem_storage.h"

namespace inod {
namespace {

using sim::MemStorage;

constexpr std::size_t marks_size = 40;

StoreId id_of(unsigned number) {
    StoreId id{};
    id.fill(std::byte(number));
    return id;
}

// The record with this number: no two have a field in common but the store, and each has a run.
WitnessRecord record(std::uint64_t number, std::size_t size = marks_size) {
    WitnessRecord made;
    made.facts = {.store = id_of(7),
                  .run = 100 + number,
                  .lsn = 1000 + number,
                  .machine = {.machine = id_of(static_cast<unsigned>(number % 100 + 1)),
                              .vm_generation = id_of(static_cast<unsigned>(number % 100 + 101))}};
    made.marks.assign(size, std::byte(number % 251));
    return made;
}

Result<void, Failure> write(Witness& witness, const WitnessRecord& r) {
    return witness.write(r.facts, r.marks);
}
Result<void, Failure> write_both(Witness& witness, const WitnessRecord& r) {
    return witness.write_both(r.facts, r.marks);
}
Result<void, Failure> prepare(Witness& witness, const WitnessRecord& r,
                              std::size_t size_max = marks_size) {
    return witness.prepare(r.facts, r.marks, size_max);
}

Result<std::optional<WitnessRecord>, Failure> loaded(MemStorage& storage) {
    return Witness(storage).load();
}

// A witness that was written with records 1 and 2, of which 2 is the newest.
void make_two(MemStorage& storage) {
    Witness witness(storage);
    ASSERT_TRUE(witness.load().value() == std::nullopt);
    ASSERT_TRUE(prepare(witness, record(0)));
    ASSERT_TRUE(write(witness, record(1)));
    ASSERT_TRUE(write(witness, record(2)));
}

TEST(Witness, TheNewestRecordReadsBack) {
    MemStorage storage;
    make_two(storage);
    EXPECT_EQ(storage.list().value(), std::vector<std::string>{"witness"});
    EXPECT_EQ(loaded(storage).value(), record(2));
    Witness witness(storage);
    ASSERT_TRUE(witness.load());
    ASSERT_TRUE(prepare(witness, record(2)));
    for (std::uint64_t number = 3; number < 10; ++number) {
        ASSERT_TRUE(write(witness, record(number, number)));
        EXPECT_EQ(loaded(storage).value(), record(number, number));
    }
}

TEST(Witness, NoneIsThereBeforeTheFirst) {
    MemStorage storage;
    EXPECT_EQ(loaded(storage).value(), std::nullopt);
    storage.set_content("witness.new", std::vector<std::byte>(77));
    storage.set_content("notes", {});
    EXPECT_EQ(loaded(storage).value(), std::nullopt);
    Witness witness(storage);
    ASSERT_TRUE(witness.load());
    ASSERT_TRUE(prepare(witness, record(1)));
    EXPECT_EQ(loaded(storage).value(), record(1));
}

// What a slot says is at these places: a change of the format needs a new version.
TEST(Witness, TheFormatIsTheOneInTheHeader) {
    MemStorage storage;
    make_two(storage);
    const auto content = storage.content("witness");
    ASSERT_EQ(content.size(), 8192U);
    // Records 0, 0, 1 and 2 have the serials 1 to 4.
    ByteReader reader(content);
    EXPECT_EQ(reader.get_text(8), "inodwtns");
    const auto crc = reader.get<std::uint32_t>();
    EXPECT_EQ(crc, crc32c(std::span(content).subspan(12, 104 + marks_size - 12)));
    EXPECT_EQ(reader.get<std::uint16_t>(), 1U);
    EXPECT_EQ(reader.get<std::uint16_t>(), 0U);
    EXPECT_EQ(reader.get<std::uint64_t>(), 104 + marks_size);
    EXPECT_EQ(reader.get<std::uint64_t>(), 4096U);
    EXPECT_EQ(reader.get<std::uint64_t>(), 4U);
    const auto same = [](std::span<const std::byte> one, std::span<const std::byte> other) {
        return std::equal(one.begin(), one.end(), other.begin(), other.end());
    };
    EXPECT_TRUE(same(reader.get_bytes(16), record(2).facts.store));
    EXPECT_EQ(reader.get<std::uint64_t>(), 102U);
    EXPECT_EQ(reader.get<std::uint64_t>(), 1002U);
    EXPECT_TRUE(same(reader.get_bytes(16), record(2).facts.machine.machine));
    EXPECT_TRUE(same(reader.get_bytes(16), record(2).facts.machine.vm_generation));
    EXPECT_TRUE(same(reader.get_bytes(marks_size), record(2).marks));
    ByteReader other{std::span(content).subspan(4096 + 32)};
    EXPECT_EQ(other.get<std::uint64_t>(), 3U);
}

TEST(Witness, EveryTruncationIsDamage) {
    MemStorage whole;
    make_two(whole);
    const auto content = whole.content("witness");
    for (std::size_t size = 0; size < content.size(); ++size) {
        MemStorage storage;
        storage.set_content("witness", {content.begin(), content.begin() + std::ptrdiff_t(size)});
        const auto found = loaded(storage);
        ASSERT_FALSE(found) << size;
        ASSERT_EQ(found.error().code, Errc::journal_damaged) << size;
    }
    for (const std::size_t size : {8193U, 8192U + 4096U, 2U * 8192U}) {
        MemStorage storage;
        auto longer = content;
        longer.resize(size);
        storage.set_content("witness", longer);
        const auto found = loaded(storage);
        ASSERT_FALSE(found) << size;
        EXPECT_EQ(found.error().code, Errc::journal_damaged) << size;
    }
}

// A flip in the newest leaves the one before it, any other flip the newest.
TEST(Witness, AnyFlippedBitLeavesOneOfTheTwo) {
    MemStorage storage;
    make_two(storage);
    const std::size_t used = witness_header_size + marks_size;
    for (std::uint64_t at = 0; at < 8192; ++at) {
        for (unsigned bit = 0; bit < 8; ++bit) {
            storage.flip("witness", at, std::byte(1U << bit));
            const auto found = loaded(storage);
            ASSERT_TRUE(found) << at << ": " << found.error().message;
            ASSERT_TRUE(*found == record(at < used ? 1 : 2)) << at;
            storage.flip("witness", at, std::byte(1U << bit));
        }
    }
}

TEST(Witness, AFlipInEachSlotIsDamage) {
    MemStorage storage;
    make_two(storage);
    storage.flip("witness", 40, std::byte{1});
    storage.flip("witness", 4096 + 103, std::byte{0x80});
    const auto found = loaded(storage);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, Errc::journal_damaged);
    EXPECT_EQ(found.error().message,
              "witness: neither of its two slots reads back as it was written");
}

// So a fresh run cannot be flipped away.
TEST(Witness, WriteBothSurvivesDamageToEitherSlot) {
    for (const std::uint64_t at : {50U, 4096U + 50U}) {
        MemStorage storage;
        make_two(storage);
        Witness witness(storage);
        ASSERT_TRUE(witness.load());
        ASSERT_TRUE(prepare(witness, record(2)));
        ASSERT_TRUE(write_both(witness, record(3)));
        storage.flip("witness", at, std::byte{1});
        EXPECT_EQ(loaded(storage).value(), record(3));
    }
}

// A slot of one witness copied into the other place, or into another witness, is not sound there.
TEST(Witness, ASlotInTheWrongPlaceIsUnsound) {
    MemStorage storage;
    make_two(storage);
    auto content = storage.content("witness");
    std::copy_n(content.begin(), 4096, content.begin() + 4096);
    std::fill_n(content.begin(), 4096, std::byte{0});
    storage.set_content("witness", content);
    EXPECT_EQ(loaded(storage).error().code, Errc::journal_damaged);
}

TEST(Witness, ANewerVersionIsRefusedByName) {
    for (const std::size_t slot : {0U, 4096U}) {
        MemStorage storage;
        make_two(storage);
        auto content = storage.content("witness");
        const auto bytes = std::span(content).subspan(slot, witness_header_size + marks_size);
        ByteWriter(bytes.subspan(12)).put(std::uint16_t{2});
        ByteWriter(bytes.subspan(8)).put(crc32c(bytes.subspan(12)));
        storage.set_content("witness", content);
        const auto found = loaded(storage);
        ASSERT_FALSE(found);
        EXPECT_EQ(found.error().code, Errc::record_unknown);
        EXPECT_NE(found.error().message.find("version 2"), std::string::npos);
    }
}

// A store that was about to be made, and another one: either takes the file over.
TEST(Witness, PrepareReplacesWhatTellsOfNoStoreOrOfAnother) {
    for (const bool is_begun : {false, true}) {
        SCOPED_TRACE(is_begun);
        MemStorage storage;
        {
            WitnessRecord other = record(1);
            other.facts.store = id_of(9);
            if (!is_begun) other.facts.run = 0;
            Witness witness(storage);
            ASSERT_TRUE(witness.load());
            ASSERT_TRUE(prepare(witness, other));
        }
        Witness witness(storage);
        ASSERT_TRUE(witness.load());
        ASSERT_TRUE(prepare(witness, record(2)));
        EXPECT_EQ(loaded(storage).value(), record(2));
        storage.flip("witness", 50, std::byte{1});
        EXPECT_EQ(loaded(storage).value(), record(2)) << "it is in both slots";
    }
}

TEST(Witness, PrepareReplacesADamagedOne) {
    MemStorage storage;
    storage.set_content("witness", std::vector<std::byte>(8192));
    Witness witness(storage);
    ASSERT_EQ(witness.load().error().code, Errc::journal_damaged);
    ASSERT_TRUE(prepare(witness, record(1)));
    ASSERT_TRUE(write(witness, record(2)));
    EXPECT_EQ(loaded(storage).value(), record(2));
}

TEST(Witness, PrepareExtendsAndKeepsCounting) {
    MemStorage storage;
    make_two(storage);
    Witness witness(storage);
    ASSERT_TRUE(witness.load());
    const auto before = storage.content("witness");
    ASSERT_TRUE(prepare(witness, record(2), 4096 - witness_header_size));
    EXPECT_TRUE(storage.content("witness") == before) << "it fits as it is";
    ASSERT_TRUE(prepare(witness, record(2), 4097 - witness_header_size));
    EXPECT_EQ(storage.content("witness").size(), 4U * 4096U);
    EXPECT_EQ(loaded(storage).value(), record(2));
    ASSERT_TRUE(write(witness, record(3, 4097 - witness_header_size)));
    EXPECT_EQ(loaded(storage).value(), record(3, 4097 - witness_header_size));
    // It never shrinks again.
    Witness later(storage);
    ASSERT_TRUE(later.load());
    ASSERT_TRUE(prepare(later, record(3), marks_size));
    EXPECT_EQ(storage.content("witness").size(), 4U * 4096U);
}

TEST(Witness, AFullDiskIsNotInTheWayOfAWrite) {
    MemStorage storage;
    Witness witness(storage);
    ASSERT_TRUE(witness.load());
    ASSERT_TRUE(prepare(witness, record(0), 5000));
    storage.set_capacity(storage.content("witness").size());
    const std::uint64_t calls = storage.calls();
    for (std::uint64_t number = 1; number < 6; ++number)
        ASSERT_TRUE(write(witness, record(number, 5000)));
    EXPECT_EQ(storage.calls() - calls, 10U) << "one write and one sync each";
    EXPECT_EQ(loaded(storage).value(), record(5, 5000));
}

TEST(Witness, AFullDiskRefusesToPrepareAndChangesNothing) {
    MemStorage storage;
    make_two(storage);
    storage.set_capacity(3 * 4096);
    Witness witness(storage);
    ASSERT_TRUE(witness.load());
    EXPECT_EQ(prepare(witness, record(2), 5000).error().code, Errc::no_space);
    EXPECT_EQ(loaded(storage).value(), record(2));
}

// Some lives on a witness, each step of which may fail. `reached` is what was acknowledged last,
// `tried` what may be there instead.
struct Script {
    std::optional<WitnessRecord> reached;
    std::optional<WitnessRecord> tried;

    Result<void, Failure> live(MemStorage& storage, std::uint64_t first, std::size_t size) {
        Witness witness(storage);
        auto found = witness.load();
        if (!found) return found.error();
        if (!*found || size != marks_size) tried = record(first, size);
        if (auto done = witness.prepare(record(first, size).facts, record(first, size).marks, size);
            !done) {
            return done;
        }
        if (tried) reached = std::exchange(tried, std::nullopt);
        for (std::uint64_t number = first + 1; number < first + 4; ++number) {
            tried = record(number, size);
            const auto done =
                number == first + 1 ? write_both(witness, *tried) : write(witness, *tried);
            if (!done) return done;
            reached = std::exchange(tried, std::nullopt);
        }
        return {};
    }

    Result<void, Failure> run(MemStorage& storage) {
        if (auto first = live(storage, 10, marks_size); !first) return first;
        if (auto second = live(storage, 20, marks_size); !second) return second;
        return live(storage, 30, 5000);  // more pools now
    }
};

// What is there after a crash or failure is what was acknowledged last, or what was under way.
void expect_one_of(MemStorage& storage, const Script& script) {
    const auto found = loaded(storage);
    ASSERT_TRUE(found) << found.error().message;
    ASSERT_TRUE(*found == script.reached || (*found && *found == script.tried))
        << (*found ? (*found)->facts.run : 0);
}

TEST(Witness, ACrashAtAnyCallLeavesTheLastAcknowledgedOrTheNext) {
    std::uint64_t calls = 0;
    {
        MemStorage storage;
        Script script;
        ASSERT_TRUE(script.run(storage));
        calls = storage.calls();
        EXPECT_EQ(loaded(storage).value(), record(33, 5000));
    }
    bool seen_new = false;
    bool seen_old = false;
    for (std::uint64_t call = 1; call <= calls; ++call) {
        for (std::uint64_t seed = 0; seed < 50; ++seed) {
            SCOPED_TRACE("call " + std::to_string(call) + " seed " + std::to_string(seed));
            std::mt19937_64 random(seed);
            MemStorage storage;
            storage.die_at_call(call);
            Script script;
            ASSERT_FALSE(script.run(storage));
            storage.crash(random);
            expect_one_of(storage, script);
            const auto found = loaded(storage).value();
            (found && found == script.tried ? seen_new : seen_old) = true;
            // The next start takes it from there.
            ASSERT_TRUE(script.live(storage, 40, 5000));
            EXPECT_EQ(loaded(storage).value(), record(43, 5000));
        }
    }
    EXPECT_TRUE(seen_new && seen_old) << "the crashes were too tame";
}

TEST(Witness, AFailedCallLeavesTheLastAcknowledgedOrTheNext) {
    std::uint64_t calls = 0;
    {
        MemStorage storage;
        Script script;
        ASSERT_TRUE(script.run(storage));
        calls = storage.calls();
    }
    for (const Errc code : {Errc::io_error, Errc::no_space}) {
        for (std::uint64_t call = 1; call <= calls; ++call) {
            SCOPED_TRACE(call);
            std::mt19937_64 random(call);
            MemStorage storage;
            storage.fail_call(call, code);
            Script script;
            const auto done = script.run(storage);
            ASSERT_FALSE(done);
            EXPECT_EQ(done.error().code, code);
            expect_one_of(storage, script);
            storage.crash(random);
            expect_one_of(storage, script);
        }
    }
}

// The slot that a torn write spoiled is the next to be written, so the sound one stays.
TEST(Witness, ATornSlotIsWrittenNext) {
    MemStorage storage;
    make_two(storage);
    storage.flip("witness", 20, std::byte{1});  // record 2
    Witness witness(storage);
    ASSERT_EQ(witness.load().value(), record(1));
    ASSERT_TRUE(prepare(witness, record(1)));
    storage.fail_call(1, Errc::io_error);
    ASSERT_FALSE(write(witness, record(3)));
    EXPECT_EQ(loaded(storage).value(), record(1));
}

}  // namespace
}  // namespace inod
