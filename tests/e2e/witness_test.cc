// The witness as the daemon keeps it: where it is, and what a start is refused for.
#include "lib/journal/witness.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "lib/base/posix_storage.h"
#include "tests/e2e/daemon_process.h"
#include "tests/e2e/support.h"

namespace inod::e2e {
namespace {

namespace fs = std::filesystem;

WitnessRecord witness_in(const std::string& directory) {
    const auto storage = PosixStorage::open_directory(directory).value();
    return Witness(*storage).load().value().value();
}

void expect_refused(DaemonProcess& daemon, const std::vector<std::string>& says) {
    ASSERT_FALSE(daemon.start());
    EXPECT_EQ(daemon.wait_for_end(), (Exit{.status = 1})) << daemon.log();
    for (const std::string& words : says)
        EXPECT_NE(daemon.log().find(words), std::string::npos) << words << " in " << daemon.log();
}

TEST(WitnessDir, IsBesideTheStateByDefault) {
    DaemonProcess daemon(three_pools);
    const std::string directory = daemon.state_dir() + ".witness";
    ASSERT_TRUE(daemon.start()) << daemon.log();
    EXPECT_EQ(fs::status(directory).permissions(), fs::perms::owner_all);
    const WitnessRecord record = witness_in(directory);
    EXPECT_NE(record.facts.store, StoreId{});
    EXPECT_EQ(record.facts.run, 1U);
    EXPECT_EQ(daemon.terminate(), (Exit{.status = 0}));
    ASSERT_TRUE(daemon.start()) << daemon.log();
    EXPECT_EQ(witness_in(directory).facts.store, record.facts.store);
    EXPECT_EQ(witness_in(directory).facts.run, 2U);
}

TEST(WitnessDir, IsWhereConfigurationOrCommandLineSay) {
    DaemonProcess daemon(three_pools);
    const std::string configured = daemon.folder() + "/configured";
    const std::string commanded = daemon.folder() + "/commanded";
    std::ofstream(daemon.config_file())
        << R"({"pools": [{"name": "a", "policy": "unique", "min": 1, "max": 9}], "witness_dir": ")"
        << configured << "\"}";
    ASSERT_TRUE(daemon.start()) << daemon.log();
    EXPECT_EQ(witness_in(configured).facts.run, 1U);
    EXPECT_EQ(daemon.terminate(), (Exit{.status = 0}));

    daemon.launch().arguments = {"--witness-dir", commanded};
    expect_refused(daemon, {"state_stale", "there is no witness in " + commanded});
    fs::remove_all(commanded);
    fs::rename(configured, commanded);
    ASSERT_TRUE(daemon.start()) << daemon.log();
    EXPECT_EQ(witness_in(commanded).facts.run, 2U);
    EXPECT_FALSE(fs::exists(daemon.state_dir() + ".witness"));
}

TEST(WitnessDir, IsNotSharedByTwoStores) {
    DaemonProcess first(three_pools);
    const std::string directory = first.folder() + "/w";
    first.launch().arguments = {"--witness-dir", directory};
    ASSERT_TRUE(first.start()) << first.log();

    DaemonProcess second(three_pools);
    second.launch().arguments = {"--witness-dir", directory};
    expect_refused(second, {"state_in_use", directory, "each store needs one of its own"});
    EXPECT_EQ(first.terminate(), (Exit{.status = 0}));
    const WitnessRecord record = witness_in(directory);
    expect_refused(second, {"state_stale", directory, "it is empty"});
    second.launch().arguments.clear();
    ASSERT_TRUE(second.start()) << second.log();
    EXPECT_EQ(second.terminate(), (Exit{.status = 0}));
    second.launch().arguments = {"--witness-dir", directory};
    expect_refused(second, {"state_stale", directory, "no two stores share a witness"});
    EXPECT_EQ(witness_in(directory), record) << "a refusal changes nothing";
}

TEST(WitnessDir, RefusesADamagedWitness) {
    DaemonProcess daemon(three_pools);
    const std::string file = daemon.state_dir() + ".witness/witness";
    ASSERT_TRUE(daemon.start()) << daemon.log();
    EXPECT_EQ(daemon.terminate(), (Exit{.status = 0}));
    fs::resize_file(file, fs::file_size(file) / 2);
    expect_refused(daemon, {"journal_damaged", daemon.state_dir() + ".witness",
                            "inoctl adopt " + daemon.state_dir()});
}

TEST(WitnessDir, RefusesAPlaceThatCannotBeMeant) {
    struct Case {
        std::string directory;  // below the test's folder
        std::vector<std::string> says;
    };
    const Case cases[] = {
        {"state", {"config_invalid", "lies in state directory"}},
        {"state/w", {"config_invalid", "lies in state directory"}},
        {"no/such/w", {"io_error", "No such file or directory", "the directory above"}},
        {"inod.json", {"io_error", "Not a directory"}},
        {".", {"state_in_use", "no witness"}},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.directory);
        DaemonProcess daemon(three_pools);
        daemon.launch().arguments = {"--witness-dir", daemon.folder() + "/" + c.directory};
        expect_refused(daemon, c.says);
    }
}

// As under systemd, which makes both directories: the daemon may not write beside its state.
TEST(WitnessDir, IsTakenAsItWasMadeForAnotherUser) {
    if (geteuid() != 0) GTEST_SKIP() << "only root can start the daemon as somebody else";
    constexpr uid_t nobody = 65'534;
    DaemonProcess daemon(three_pools, {.uid = nobody});
    fs::create_directory(daemon.state_dir());
    ASSERT_EQ(chown(daemon.state_dir().c_str(), nobody, nobody), 0);
    daemon.use_socket(daemon.state_dir() + "/../state/socket");
    expect_refused(daemon, {"witness directory", "Permission denied", "writable by UID 65534"});

    const std::string directory = daemon.state_dir() + ".witness";
    fs::create_directory(directory);
    ASSERT_EQ(chown(directory.c_str(), nobody, nobody), 0);
    ASSERT_TRUE(daemon.start()) << daemon.log();
    EXPECT_EQ(witness_in(directory).facts.run, 1U);
}

}  // namespace
}  // namespace inod::e2e
