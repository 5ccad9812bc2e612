// inoctl run: the number lives exactly as long as the command, however that ends.
#include <chrono>
#include <string>

#include "tests/cli/child.h"
#include "tests/cli/inoctl.h"

namespace inod::e2e {
namespace {

class InoctlRun : public Inoctl {
protected:
    // Waits until the process has become that program.
    static testing::AssertionResult becomes(pid_t pid, const std::string& program) {
        const Deadline deadline = soon();
        std::string name;
        while (std::chrono::steady_clock::now() < deadline) {
            name = content_of("/proc/" + std::to_string(pid) + "/comm");
            if (name == program + "\n") return testing::AssertionSuccess();
            if (name.empty()) break;
        }
        return testing::AssertionFailure() << "it is '" << name << "'";
    }
};

TEST_F(InoctlRun, TellsTheCommandItsNumbers) {
    expect(
        "run --pool pid --count 3 --align 4 -- sh -c "
        "'echo $INOD_POOL $INOD_ID $INOD_LAST_ID $INOD_COUNT $INOD_GENERATION'",
        "pid 4 6 3 1\n");
    EXPECT_TRUE(becomes_released("pid 4"));
    EXPECT_TRUE(becomes_released("pid 6"));
}

TEST_F(InoctlRun, LeavesTheCommandsArgumentsAsTheyAre) {
    expect("run --pool inode -- printf '<%s>' '[a,b]' --help -- '' run --json=nice",
           "<[a,b]><--help><--><><run><--json=nice>");
    expect("--json=short run --pool inode -- echo --", "--\n");
}

TEST_F(InoctlRun, EndsAsTheCommandDoes) {
    EXPECT_EQ(run("run --pool inode -- sh -c 'exit 7'").status, 7);
    EXPECT_TRUE(becomes_released("inode 1"));
    const Outcome none = run("run --pool inode -- /nosuch/command");
    EXPECT_EQ(none.status, 127);
    EXPECT_EQ(none.err, "inoctl: cannot run '/nosuch/command': No such file or directory\n");
    EXPECT_TRUE(becomes_released("inode 2"));
    EXPECT_EQ(run("run --pool inode -- " + daemon_.folder()).status, 126);
    EXPECT_TRUE(becomes_released("inode 3"));
}

TEST_F(InoctlRun, RunsNothingWithoutANumber) {
    const std::string touch = " -- touch " + daemon_.folder() + "/ran";
    expect_refused("run --pool nosuch" + touch, "pool_unknown");
    expect_refused("run --pool inode --count 0" + touch, "count_zero");
    EXPECT_EQ(run_at(daemon_.folder() + "/nobody", "run --pool inode" + touch).status, 3);
    EXPECT_EQ(content_of(daemon_.folder() + "/ran"), "");
    EXPECT_NE(::access((daemon_.folder() + "/ran").c_str(), F_OK), 0);
}

// Nothing stands between the number and the command: neither a process that could outlive it, nor a
// socket that it could pass on.
TEST_F(InoctlRun, TheCommandHoldsTheNumberItself) {
    Child command({INOD_CTL_PROGRAM, "--socket", daemon_.socket(), "run", "--pool", "inode", "--",
                   "sleep", "1000"});
    ASSERT_TRUE(becomes(command.pid(), "sleep"));
    expect("lookup inode 1", "1" + user_ + " binding=process holder=1\n");
    const auto holders = json("--json=short holders");
    ASSERT_EQ(holders.size(), 1U);
    EXPECT_EQ(holders[0]["pid"], command.pid());
    EXPECT_EQ(holders[0]["ids"], 1);
    command.kill9();
    EXPECT_TRUE(becomes_released("inode 1"));
}

TEST_F(InoctlRun, PassesOnNoSocketAndNoIgnoredSignal) {
    const Outcome files =
        run("run --pool inode -- sh -c 'for f in /proc/$$/fd/*; do readlink $f; done; true'");
    EXPECT_EQ(files.status, 0);
    EXPECT_EQ(files.out.find("socket:"), std::string::npos) << files.out;
    // Killed, as the shell around it says, and not status 3.
    EXPECT_EQ(run("run --pool inode -- sh -c 'kill -PIPE $$; exit 3'; exit $?").status,
              128 + SIGPIPE);
}

}  // namespace
}  // namespace inod::e2e
