// A copy of the state directory that is put back: refused, and gone on with by the command that the
// refusal prints.
#include <filesystem>
#include <set>
#include <tuple>

#include <gtest/gtest.h>

#include "tests/e2e/daemon_process.h"
#include "tests/e2e/support.h"

namespace inod::e2e {
namespace {

namespace fs = std::filesystem;

class StaleCopy : public testing::Test {
protected:
    // A blank and a quote, so that the command has to be quoted right.
    void SetUp() override { daemon_.use_state_dir(daemon_.folder() + "/it's a state"); }

    void start() { ASSERT_TRUE(daemon_.start()) << daemon_.log(); }
    void stop() { ASSERT_EQ(daemon_.terminate(), (Exit{.status = 0})) << daemon_.log(); }
    void run(const std::string& command) { ASSERT_EQ(run_in_shell(command), 0) << command; }

    void copy() { run("cp -a \"" + daemon_.state_dir() + "\" \"" + copy_ + "\""); }
    void put_back() {
        run("rm -r \"" + daemon_.state_dir() + "\"");
        run("cp -a \"" + copy_ + "\" \"" + daemon_.state_dir() + "\"");
    }

    // So many of each pool, that nobody was told of before.
    void hand_out(std::uint64_t count) {
        Client client = daemon_.connect({"inode", "pid", "block"});
        for (const char* pool : {"inode", "pid", "block"}) {
            for (std::uint64_t i = 0; i < count; ++i) {
                const auto lease = client.allocate(pool);
                ASSERT_TRUE(lease) << name(lease.error().code);
                EXPECT_TRUE(told_.emplace(pool, lease->range.first, lease->generation).second)
                    << pool << " told of " << lease->range.first << " twice";
            }
        }
    }

    // What the log says behind "go on with this one: ", to the end of the line.
    [[nodiscard]] std::string command_in_log() const {
        const std::string log = daemon_.log();
        const auto at = log.find("inoctl adopt ");
        return at == std::string::npos ? "" : log.substr(at, log.find('\n', at) - at);
    }

    void expect_refused(const std::string& says) {
        ASSERT_FALSE(daemon_.start());
        EXPECT_EQ(daemon_.wait_for_end(), (Exit{.status = 1})) << daemon_.log();
        EXPECT_NE(daemon_.log().find("state_stale"), std::string::npos) << daemon_.log();
        EXPECT_NE(daemon_.log().find(says), std::string::npos) << daemon_.log();
    }

    DaemonProcess daemon_{three_pools};
    const std::string copy_ = daemon_.folder() + "/copy";
    std::set<std::tuple<std::string, Id, std::uint64_t>> told_;
};

TEST_F(StaleCopy, IsRefusedAndGoneOnWithByTheCommandThatIsPrinted) {
    ASSERT_NO_FATAL_FAILURE(start());
    ASSERT_NO_FATAL_FAILURE(hand_out(50));
    ASSERT_NO_FATAL_FAILURE(stop());
    ASSERT_NO_FATAL_FAILURE(copy());
    for (int life = 0; life < 2; ++life) {
        ASSERT_NO_FATAL_FAILURE(start());
        ASSERT_NO_FATAL_FAILURE(hand_out(200));
        daemon_.kill9();
    }
    ASSERT_NO_FATAL_FAILURE(put_back());
    ASSERT_NO_FATAL_FAILURE(expect_refused("it ends in run 1"));
    ASSERT_NO_FATAL_FAILURE(expect_refused("knows of run 3"));
    const std::string command = command_in_log();
    ASSERT_NE(command.find("--skip-ahead auto"), std::string::npos) << daemon_.log();
    ASSERT_NO_FATAL_FAILURE(run(command + " >/dev/null"));
    ASSERT_NO_FATAL_FAILURE(start());
    ASSERT_NO_FATAL_FAILURE(hand_out(200));
    // What the copy had is still there.
    Client client = daemon_.connect({"inode"});
    EXPECT_EQ(list_all(client, "inode").front().range.first, 1U);
    ASSERT_NO_FATAL_FAILURE(stop());
    ASSERT_NO_FATAL_FAILURE(start());
    ASSERT_NO_FATAL_FAILURE(hand_out(50));
}

TEST_F(StaleCopy, IsNotAdoptedWhileADaemonRuns) {
    ASSERT_NO_FATAL_FAILURE(start());
    EXPECT_EQ(run_in_shell(std::string("inoctl adopt \"") + daemon_.state_dir() +
                           "\" --skip-ahead 0 2>/dev/null"),
              1);
    ASSERT_NO_FATAL_FAILURE(hand_out(1));
}

// Two daemons would hand out the same numbers.
TEST_F(StaleCopy, IsNotAdoptedElsewhereByTheWitnessOfADaemonThatRuns) {
    ASSERT_NO_FATAL_FAILURE(start());
    ASSERT_NO_FATAL_FAILURE(hand_out(1));
    ASSERT_NO_FATAL_FAILURE(stop());
    ASSERT_NO_FATAL_FAILURE(copy());
    const std::string adopt = "inoctl adopt \"" + copy_ + "\" --skip-ahead auto --witness-dir \"" +
                              daemon_.state_dir() + ".witness\" >/dev/null 2>&1";
    ASSERT_NO_FATAL_FAILURE(start());
    EXPECT_EQ(run_in_shell(adopt), 1);
    ASSERT_NO_FATAL_FAILURE(hand_out(1));
    ASSERT_NO_FATAL_FAILURE(stop());
    EXPECT_EQ(run_in_shell(adopt), 0) << "nobody uses it any more";
}

TEST_F(StaleCopy, AStateThatIsGoneIsNotBegunAnew) {
    ASSERT_NO_FATAL_FAILURE(start());
    ASSERT_NO_FATAL_FAILURE(hand_out(1));
    ASSERT_NO_FATAL_FAILURE(stop());
    fs::remove_all(daemon_.state_dir());
    ASSERT_NO_FATAL_FAILURE(expect_refused("it is empty"));
}

TEST_F(StaleCopy, AStoreWhoseWitnessIsGoneGoesOnByANumber) {
    ASSERT_NO_FATAL_FAILURE(start());
    ASSERT_NO_FATAL_FAILURE(hand_out(5));
    ASSERT_NO_FATAL_FAILURE(stop());
    fs::remove_all(daemon_.state_dir() + ".witness");
    ASSERT_NO_FATAL_FAILURE(expect_refused("there is no witness"));
    const std::string command = command_in_log();
    const std::string choice = " --skip-ahead ";
    const auto at = command.find(choice);
    ASSERT_NE(at, std::string::npos) << command;
    ASSERT_NO_FATAL_FAILURE(run(command.substr(0, at + choice.size()) + "0 >/dev/null"));
    ASSERT_NO_FATAL_FAILURE(start());
    ASSERT_NO_FATAL_FAILURE(hand_out(5));
}

}  // namespace
}  // namespace inod::e2e
