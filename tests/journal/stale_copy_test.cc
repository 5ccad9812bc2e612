// The table of stale_copy.h, a row per rule and edge, and the words of each refusal.
#include "lib/journal/stale_copy.h"

#include <gtest/gtest.h>

namespace inod {
namespace {

Id128 id_of(unsigned number) {
    Id128 id{};
    id.fill(std::byte(number));
    return id;
}

const Id128 none{};

StoreFacts store(std::uint64_t run, Lsn lsn, bool had_witness = true) {
    return {.id = id_of(1), .run = run, .last_lsn = lsn, .machine = {}, .had_witness = had_witness};
}

StoreFacts store_on(const MachineIdentity& machine, bool had_witness = true) {
    StoreFacts facts = store(5, 50, had_witness);
    facts.machine = machine;
    return facts;
}

WitnessRecord witness(std::uint64_t run, Lsn lsn, unsigned store_number = 1) {
    WitnessRecord record;
    record.facts = {
        .store = id_of(store_number), .run = run, .lsn = lsn, .machine = {id_of(99), id_of(98)}};
    return record;
}

Surroundings here(const MachineIdentity& machine = {}) {
    return {.machine = machine, .state_dir = "/s", .witness_dir = "/s.witness"};
}

constexpr const char* automatic = "inoctl adopt /s --skip-ahead auto";
constexpr const char* by_number = "inoctl adopt /s --skip-ahead N";

TEST(StaleCopy, TheTable) {
    struct Case {
        const char* name;
        std::optional<StoreFacts> store;
        std::optional<WitnessRecord> witness;
        MachineIdentity here;
        std::vector<std::string> says;  // nothing: it may go on
    };
    const std::optional<StoreFacts> no_store;
    const std::optional<WitnessRecord> no_witness;
    const MachineIdentity a{id_of(0xa1), id_of(0xa2)};
    const MachineIdentity other_machine{id_of(0xb1), id_of(0xa2)};
    const MachineIdentity other_generation{id_of(0xa1), id_of(0xb2)};
    const MachineIdentity no_machine{none, id_of(0xa2)};
    const MachineIdentity no_generation{id_of(0xa1), none};
    const std::string one = "01010101-0101-0101-0101-010101010101";
    const std::string two = "02020202-0202-0202-0202-020202020202";
    // clang-format off
    const Case cases[] = {
        {"a new store",                        no_store, no_witness, {}, {}},
        {"a new store, begun before",          no_store, witness(0, 0), {}, {}},
        {"the state is gone",                  no_store, witness(1, 0), {},
         {"it is empty", one, "run 1", "rm /s.witness/witness"}},

        {"never witnessed",                    store(5, 50, false), no_witness, {}, {}},
        {"the witness is gone",                store(5, 50), no_witness, {},
         {"run 5", "no witness in /s.witness", by_number}},
        {"the witness tells of no store",      store(5, 50), witness(0, 0), {},
         {"no witness in /s.witness", by_number}},
        {"about to be made, then a crash",     store(1, 1), witness(0, 0), {}, {}},
        {"about to be made, by another",       store(5, 50, false), witness(0, 0, 2), {}, {}},
        {"first witness, then a crash",        store(5, 50, false), witness(5, 50), {}, {}},

        {"of another store",                   store(5, 50), witness(1, 1, 2), {},
         {one, two, by_number}},
        {"of another store, never witnessed",  store(5, 50, false), witness(1, 1, 2), {},
         {one, two, by_number}},

        {"just as the witness says",           store(5, 50), witness(5, 50), {}, {}},
        {"one run behind",                     store(4, 50), witness(5, 50), {},
         {"run 4", "run 5", automatic}},
        {"one run behind, more records",       store(4, 99), witness(5, 50), {},
         {"run 4", "run 5", automatic}},
        {"one run ahead",                      store(6, 50), witness(5, 50), {}, {}},
        {"many runs ahead",                    store(9, 70), witness(5, 50), {}, {}},
        {"one record behind",                  store(5, 49), witness(5, 50), {},
         {"LSN 49 in run 5", "LSN 50 in run 5", automatic}},
        {"one record ahead",                   store(5, 51), witness(5, 50), {}, {}},
        {"a run ahead, a record behind",       store(6, 49), witness(5, 50), {},
         {"LSN 49 in run 6", "LSN 50 in run 5", automatic}},
        {"an old copy that lost the mark of a witness", store(4, 50, false), witness(5, 50), {},
         {"run 4", "run 5", automatic}},

        {"the same machine",                   store_on(a), witness(5, 50), a, {}},
        {"another machine",                    store_on(a), witness(5, 50), other_machine,
         {"a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1",
          "b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1", automatic}},
        {"another machine, never witnessed",   store_on(a, false), no_witness, other_machine,
         {"a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1", by_number}},
        {"another generation",                 store_on(a), witness(5, 50), other_generation,
         {"a2a2a2a2-a2a2-a2a2-a2a2-a2a2a2a2a2a2", "b2b2b2b2-b2b2-b2b2-b2b2-b2b2b2b2b2b2",
          automatic}},
        {"both others: the machine is named",  store_on(a), witness(5, 50), {id_of(8), id_of(9)},
         {"on the machine with ID", automatic}},
        {"machine not known here",             store_on(a), witness(5, 50), no_machine, {}},
        {"generation not known here",          store_on(a), witness(5, 50), no_generation, {}},
        {"neither known before",               store(5, 50), witness(5, 50), a, {}},
        {"stale, and on another machine",      store_on(a), witness(6, 50), other_machine,
         {"run 5", "run 6", automatic}},
    };
    // clang-format on
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        const auto checked = check_not_stale(c.store, c.witness, here(c.here));
        EXPECT_EQ(!checked, !c.says.empty()) << (checked ? "" : checked.error().message);
        if (checked) continue;
        EXPECT_EQ(checked.error().code, Errc::state_stale);
        EXPECT_EQ(checked.error().message.find("state directory /s: "), 0U);
        for (const std::string& words : c.says) {
            EXPECT_NE(checked.error().message.find(words), std::string::npos)
                << words << " in " << checked.error().message;
        }
    }
}

TEST(StaleCopy, ARefusalReadsLikeThis) {
    const auto checked = check_not_stale(store(3, 50), witness(7, 90), here());
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().message,
              "state directory /s: it is an old copy: it ends in run 3, and the witness in "
              "/s.witness knows of run 7. Put the newest state back, or go on with this one: "
              "inoctl adopt /s --skip-ahead auto");
}

// A shell that is given the command gets the very paths.
TEST(StaleCopy, TheCommandNamesWhatItNeeds) {
    struct Case {
        std::string state_dir;
        std::string witness_dir;
        bool is_default;
        std::string want;
    };
    const Case cases[] = {
        {"/var/lib/inod", "/var/lib/inod.witness", true,
         "inoctl adopt /var/lib/inod --skip-ahead auto"},
        {"/var/lib/inod", "/mnt/w", false,
         "inoctl adopt /var/lib/inod --witness-dir /mnt/w --skip-ahead auto"},
        {"/a b", "/it's", false,
         R"(inoctl adopt '/a b' --witness-dir '/it'\''s' --skip-ahead auto)"},
        {"/$x", "/$x.witness", true, "inoctl adopt '/$x' --skip-ahead auto"},
    };
    for (const Case& c : cases) {
        const auto checked = check_not_stale(store(3, 50), witness(7, 90),
                                             {.machine = {},
                                              .state_dir = c.state_dir,
                                              .witness_dir = c.witness_dir,
                                              .witness_dir_is_default = c.is_default});
        ASSERT_FALSE(checked);
        EXPECT_TRUE(checked.error().message.ends_with(": " + c.want)) << checked.error().message;
    }
}

TEST(StaleCopy, ADamagedWitnessComesWithTheCommand) {
    const Failure damaged = witness_refused({Errc::journal_damaged, "witness: bad"}, here());
    EXPECT_EQ(damaged.code, Errc::journal_damaged);
    EXPECT_EQ(damaged.message.find("witness directory /s.witness: witness: bad. "), 0U);
    EXPECT_NE(damaged.message.find(by_number), std::string::npos) << damaged.message;
    const Failure unreadable = witness_refused({Errc::io_error, "pread: no"}, here());
    EXPECT_EQ(unreadable.message, "witness directory /s.witness: pread: no");
}

}  // namespace
}  // namespace inod
