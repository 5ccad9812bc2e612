// Everything that a start can be refused for: exit status 1, a message that names the place, never
// a signal. And what is not in the way of a start.

#include <filesystem>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/e2e/daemon_process.h"
#include "tests/e2e/raw_connection.h"
#include "tests/e2e/support.h"

namespace inod::e2e {
namespace {

namespace fs = std::filesystem;

constexpr uid_t nobody = 65'534;

// It does not start, and says all of this.
void expect_refused(DaemonProcess& daemon, const std::vector<std::string>& says) {
    ASSERT_FALSE(daemon.start());
    EXPECT_EQ(daemon.wait_for_end(), (Exit{.status = 1})) << daemon.log();
    for (const std::string& words : says)
        EXPECT_NE(daemon.log().find(words), std::string::npos) << words << " in " << daemon.log();
}

// A Unix socket bound to the path.
OwnedFd bind_socket(const std::string& path, int type = SOCK_STREAM) {
    OwnedFd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        throw std::runtime_error("bind " + path);
    }
    return socket;
}

TEST(Start, RefusesASecondDaemonOnTheSameState) {
    DaemonProcess first(three_pools);
    ASSERT_TRUE(first.start()) << first.log();
    DaemonProcess second(three_pools);
    second.use_state_dir(first.state_dir());
    expect_refused(second, {"state_in_use", first.state_dir(), "another inod runs on it"});
    EXPECT_TRUE(first.connect().ping().has_value());
}

TEST(Start, RefusesASecondDaemonOnTheSameSocket) {
    DaemonProcess first(three_pools);
    ASSERT_TRUE(first.start()) << first.log();
    DaemonProcess second(three_pools);
    second.use_socket(first.socket());
    expect_refused(second, {"state_in_use", first.socket(), "another inod serves it"});
    EXPECT_TRUE(first.connect().ping().has_value()) << "its socket is still there";
}

TEST(Start, RefusesASocketThatSomebodyElseServes) {
    DaemonProcess daemon(three_pools);
    const OwnedFd other = bind_socket(daemon.socket());
    ASSERT_EQ(listen(other.get(), 0), 0);
    expect_refused(daemon, {"state_in_use", daemon.socket(), "somebody else serves it"});
    // Now its queue has a connection in it, and takes no more.
    expect_refused(daemon, {"state_in_use", daemon.socket(), "somebody else serves it"});
    EXPECT_TRUE(fs::exists(daemon.socket()));
}

TEST(Start, RefusesASocketOfAnotherKind) {
    DaemonProcess daemon(three_pools);
    const OwnedFd other = bind_socket(daemon.socket(), SOCK_DGRAM);
    expect_refused(daemon, {"state_in_use", daemon.socket(), "somebody else's"});
    EXPECT_TRUE(fs::exists(daemon.socket()));
}

// As systemd hands it over: it is there before the daemon, and stays when the daemon ends.
TEST(Start, ServesTheSocketThatItWasPassed) {
    DaemonProcess daemon(three_pools);
    const OwnedFd passed = bind_socket(daemon.socket());
    ASSERT_EQ(listen(passed.get(), 16), 0);
    daemon.launch().passed_socket = passed.get();
    RawConnection early(daemon.socket());
    for (Id id = 1; id <= 2; ++id) {
        ASSERT_TRUE(daemon.start()) << daemon.log();
        EXPECT_EQ(daemon.connect().allocate("inode").value().range, (Range{id, id}));
        if (id == 1) early.greet();
        EXPECT_EQ(daemon.terminate(), (Exit{.status = 0})) << daemon.log();
        EXPECT_TRUE(fs::exists(daemon.socket()));
    }
}

TEST(Start, RefusesToServeWhatIsNoListeningSocket) {
    DaemonProcess daemon(three_pools);
    const OwnedFd deaf = bind_socket(daemon.folder() + "/deaf");
    const OwnedFd datagrams = bind_socket(daemon.folder() + "/datagrams", SOCK_DGRAM);
    const OwnedFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
    for (const int fd : {deaf.get(), datagrams.get(), null.get()}) {
        daemon.launch().passed_socket = fd;
        expect_refused(daemon, {"not a listening Unix stream socket", "ListenStream="});
    }
}

// A volume of its own for the state.
TEST(Start, TakesTheRootOfAFileSystem) {
    DaemonProcess daemon(three_pools);
    fs::create_directories(daemon.state_dir() + "/lost+found");
    ASSERT_TRUE(daemon.start()) << daemon.log();
    EXPECT_TRUE(daemon.connect().ping().has_value());
}

TEST(Start, ReplacesTheSocketOfADeadDaemon) {
    DaemonProcess daemon(three_pools);
    ASSERT_TRUE(daemon.start()) << daemon.log();
    daemon.kill9();
    ASSERT_TRUE(fs::is_socket(daemon.socket())) << "nobody could remove it";
    ASSERT_TRUE(daemon.start()) << daemon.log();
    EXPECT_TRUE(daemon.connect().ping().has_value());

    EXPECT_EQ(daemon.terminate(), (Exit{.status = 0}));
    EXPECT_FALSE(fs::exists(daemon.socket())) << "this time it could";
}

TEST(Start, LeavesAFileAloneThatIsNoSocket) {
    DaemonProcess daemon(three_pools);
    std::ofstream(daemon.socket()) << "a letter";
    expect_refused(daemon, {"state_in_use", daemon.socket(), "no socket"});
    std::string text;
    std::getline(std::ifstream(daemon.socket()), text);
    EXPECT_EQ(text, "a letter");
}

TEST(Start, RefusesASocketPathThatIsTooLong) {
    DaemonProcess daemon(three_pools);
    daemon.use_socket(daemon.folder() + "/" + std::string(108, 's'));
    expect_refused(daemon, {"socket path", "longer than 107 bytes"});
}

TEST(Start, RefusesAStateDirectoryThatIsNone) {
    DaemonProcess daemon(three_pools);
    std::ofstream(daemon.state_dir()) << "a letter";
    expect_refused(daemon, {daemon.state_dir(), "Not a directory"});
    EXPECT_EQ(fs::file_size(daemon.state_dir()), 8U);

    daemon.use_state_dir(daemon.folder() + "/no/such/place");
    expect_refused(daemon, {daemon.state_dir(), "No such file or directory"});
}

TEST(Start, RefusesAStateDirectoryThatItMayNotUse) {
    if (geteuid() != 0) GTEST_SKIP() << "only root can start the daemon as somebody else";
    DaemonProcess daemon(three_pools, {.uid = nobody});
    fs::create_directory(daemon.state_dir());
    fs::permissions(daemon.state_dir(), fs::perms::owner_all);
    expect_refused(daemon, {daemon.state_dir(), "Permission denied"});
}

// A mistyped path: the files of somebody else are no state directory, and stay alone.
TEST(Start, RefusesADirectoryOfSomebodyElse) {
    DaemonProcess daemon(three_pools);
    fs::create_directory(daemon.state_dir());
    std::ofstream(daemon.state_dir() + "/thesis.txt") << "all my work";
    expect_refused(daemon, {daemon.state_dir(), "thesis.txt", "no journal"});
    std::ofstream(daemon.state_dir() + "/lock") << "";
    expect_refused(daemon, {daemon.state_dir(), "thesis.txt", "no journal"});
    std::filesystem::rename(daemon.state_dir() + "/thesis.txt",
                            daemon.state_dir() + "/import-new-0000000000000001");
    expect_refused(daemon, {daemon.state_dir(), "import-new", "an import was cut off"});
    fs::remove(daemon.state_dir() + "/lock");
    EXPECT_EQ(std::distance(fs::directory_iterator(daemon.state_dir()), {}), 1);
}

TEST(Start, TakesARestoredStateDirectoryThatLacksItsLock) {
    DaemonProcess daemon(three_pools);
    ASSERT_TRUE(daemon.start()) << daemon.log();
    EXPECT_EQ(daemon.terminate(), (Exit{.status = 0}));
    ASSERT_TRUE(fs::remove(daemon.state_dir() + "/lock"));
    EXPECT_TRUE(daemon.start()) << daemon.log();
}

TEST(Start, MakesAStateDirectoryThatNobodyElseMayRead) {
    DaemonProcess daemon(three_pools);
    ASSERT_TRUE(daemon.start()) << daemon.log();
    EXPECT_EQ(fs::status(daemon.state_dir()).permissions(), fs::perms::owner_all);
}

TEST(Start, RefusesABadConfiguration) {
    struct Case {
        const char* name;
        const char* config;
        const char* says;
    };
    const Case cases[] = {
        {"empty", "", "config_invalid"},
        {"no pools", "{}", "pools"},
        {"unknown key", R"({"pools": [], "x": 1})", "x"},
        {"segment size",
         R"({"pools": [{"name": "a", "policy": "unique", "min": 1, "max": 9}],
             "journal": {"segment_size": 1073741824}})",
         "segment_size"},
        {"cyclic block",
         R"({"pools": [{"name": "a", "policy": "cyclic", "min": 1, "max": 9,
                        "durability": "block"}]})",
         "durability"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        DaemonProcess daemon(c.config);
        expect_refused(daemon, {"config_invalid", c.says});
        EXPECT_FALSE(fs::exists(daemon.state_dir())) << "nothing was begun";
        std::string output;
        EXPECT_EQ(run_inod({"--check-config", "--config", daemon.config_file()}, output),
                  (Exit{.status = 1}));
        EXPECT_NE(output.find(c.says), std::string::npos) << output;
    }
}

// The largest segments that the configuration allows are also some that the journal can have.
TEST(Start, AcceptsTheLargestSegments) {
    DaemonProcess daemon(R"({"pools": [{"name": "a", "policy": "unique", "min": 1, "max": 9}],
                             "journal": {"segment_size": 268435456}})");
    ASSERT_TRUE(daemon.start()) << daemon.log();
    EXPECT_TRUE(daemon.connect().allocate("a").has_value());
    daemon.kill9();
    ASSERT_TRUE(daemon.start()) << daemon.log();
    EXPECT_EQ(daemon.connect().allocate("a").value().range.first, 2U);
}

TEST(Start, RefusesToServeNobodyForLackOfFileDescriptors) {
    DaemonProcess daemon(R"({"pools": [{"name": "a", "policy": "unique", "min": 1, "max": 9}],
                             "threads": 64})",
                         {.wrapper = {"prlimit", "--nofile=200:200"}});
    expect_refused(daemon, {"out_of_memory", "of 200 file descriptors none are left",
                            "raise LimitNOFILE", "lower threads"});
    daemon.launch().wrapper = {"prlimit", "--nofile=300:300"};
    ASSERT_TRUE(daemon.start()) << daemon.log();
    EXPECT_TRUE(daemon.connect().allocate("a"));
}

TEST(Start, RefusesAPoolThatTheConfigurationChanged) {
    DaemonProcess daemon(R"({"pools": [{"name": "a", "policy": "unique", "min": 1, "max": 9}]})");
    ASSERT_TRUE(daemon.start()) << daemon.log();
    ASSERT_EQ(daemon.terminate(), (Exit{.status = 0}));
    std::ofstream(daemon.config_file())
        << R"({"pools": [{"name": "a", "policy": "cyclic", "min": 1, "max": 9}]})";
    expect_refused(daemon, {"pool_changed", "'a'", "its policy was unique"});
}

TEST(Start, ChecksAConfigurationWithoutStarting) {
    const DaemonProcess daemon(three_pools);
    std::string output;
    EXPECT_EQ(run_inod({"--check-config", "--config", daemon.config_file()}, output),
              (Exit{.status = 0}));
    EXPECT_NE(output.find("3 pools"), std::string::npos) << output;
    EXPECT_FALSE(fs::exists(daemon.state_dir()));

    EXPECT_EQ(run_inod({"--check-config", "--config", daemon.folder() + "/nothing.json"}, output),
              (Exit{.status = 1}));
    EXPECT_NE(output.find("nothing.json"), std::string::npos) << output;
}

TEST(Start, KnowsItsVersionAndItsCommandLine) {
    std::string output;
    EXPECT_EQ(run_inod({"--version"}, output), (Exit{.status = 0}));
    EXPECT_TRUE(output.starts_with("inod 0.")) << output;
    EXPECT_EQ(run_inod({"--help"}, output), (Exit{.status = 0}));
    EXPECT_NE(output.find("--state-dir"), std::string::npos) << output;
    EXPECT_EQ(run_inod({"--no-such-option"}, output), (Exit{.status = 2}));
    EXPECT_EQ(run_inod({"pools"}, output), (Exit{.status = 2}));
}

}  // namespace
}  // namespace inod::e2e
