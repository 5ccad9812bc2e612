// wait and watch, as inoctl's user sees them.
#include <chrono>
#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "tests/cli/child.h"
#include "tests/cli/inoctl.h"

namespace inod::e2e {
namespace {

class InoctlWatch : public Inoctl {
protected:
    // Everything that is known of the pool, once `count` events are.
    std::string events(const std::string& pool, int count) {
        const Outcome outcome = run("watch " + pool + " --from 0 --limit " + std::to_string(count));
        EXPECT_EQ(outcome.status, 0) << outcome.err;
        return outcome.out;
    }
    // The LSN in front of each line.
    static std::string without_lsns(const std::string& lines) {
        std::string rest;
        std::uint64_t before = 0;
        for (std::size_t at = 0; at < lines.size();) {
            const std::size_t space = lines.find(' ', at);
            const std::size_t end = lines.find('\n', at);
            const std::uint64_t lsn = std::stoull(lines.substr(at, space - at));
            EXPECT_GT(lsn, before);
            before = lsn;
            rest += lines.substr(space + 1, end - space);
            at = end + 1;
        }
        return rest;
    }
};

TEST_F(InoctlWatch, PrintsALineForEachEvent) {
    expect("alloc pid --count 3 --name web", "2-4@1\n");
    expect("alloc pid --at 100 --name web", "100@1\n");
    expect("release pid 3@1 --name web", "");
    expect("reserve pid 200-209", "");
    expect("unreserve pid 205", "");
    expect("release --all --name web", "3\n");
    const std::string who = " uid=" + std::to_string(geteuid()) + " holder=1\n";
    EXPECT_EQ(without_lsns(events("pid", 6)),
              "missed\n"
              "allocated 2-4@1" +
                  who + "claimed 100@1" + who + "released 3@1" + who +
                  "reserved 200-209\nunreserved 205\nholder_ended" + who);
}

TEST_F(InoctlWatch, PrintsAnObjectForEachEvent) {
    run("alloc inode --count 3");
    run("release --all");
    const Outcome outcome = run("--json=short watch inode --from 0 --limit 2");
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    std::vector<nlohmann::json> lines;
    std::istringstream in(outcome.out);
    for (std::string line; std::getline(in, line);)
        lines.push_back(nlohmann::json::parse(line));
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_EQ(lines[0]["event"], "missed");
    EXPECT_EQ(lines[1]["event"], "allocated");
    EXPECT_EQ(lines[1]["count"], 3);
    EXPECT_EQ(lines[1]["pool"], "inode");
    EXPECT_GT(lines[1]["lsn"], lines[0]["lsn"]);
    EXPECT_EQ(lines[2]["event"], "holder_ended");
    EXPECT_TRUE(lines[2]["first"].is_null());
    EXPECT_EQ(lines[2]["holder"], lines[1]["holder"]);
}

TEST_F(InoctlWatch, GoesOnFromAnLsn) {
    run("alloc inode");
    run("alloc inode");
    const std::string lines = events("inode", 1);
    const std::string last = lines.substr(lines.find('\n') + 1);
    const std::string lsn = last.substr(0, last.find(' '));
    EXPECT_EQ(without_lsns(run("watch inode --limit 1 --from " + lsn).out),
              "allocated 2 uid=" + std::to_string(geteuid()) + own().substr(own().rfind(' ')));
}

// What nobody reads it does not print for ever.
TEST_F(InoctlWatch, EndsWithItsReader) {
    run("alloc inode");
    const std::string command = std::string(INOD_CTL_PROGRAM) + " --socket " + daemon_.socket() +
                                " watch inode --from 0 >/dev/full 2>/dev/null";
    const int status = std::system(command.c_str());
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 4);
}

TEST_F(InoctlWatch, EndsWithTheDaemon) {
    const std::string out = daemon_.folder() + "/watched";
    const std::string command = "exec " + std::string(INOD_CTL_PROGRAM) + " --socket " +
                                daemon_.socket() + " watch inode --from 0 >" + out;
    run("alloc inode");
    Child watcher({"sh", "-c", command});
    // It has asked once when it has printed what was there.
    for (const Deadline deadline = soon(); content_of(out).find("allocated") == std::string::npos;)
        ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    daemon_.terminate();
    EXPECT_EQ(watcher.wait_for_end(), 3);
}

TEST_F(InoctlWatch, WaitsUntilANumberIsFree) {
    run("alloc pid --count 2");
    expect_refused("wait pid 2 --timeout 1ms", "timed_out");
    expect_refused("wait pid 4000", "never_allocated");
    Child waiter({INOD_CTL_PROGRAM, "--socket", daemon_.socket(), "wait", "pid", "2@1"});
    expect("release pid 2-3@1", "");
    EXPECT_EQ(waiter.wait_for_end(), 0);
    expect("wait pid 2", "");
    const auto free = json("--json=short wait pid 3@1");
    EXPECT_EQ(free["first"], 3);
    EXPECT_EQ(free["generation"], 1);
    EXPECT_EQ(run("wait pid 2 --timeout soon").status, 2);
    EXPECT_EQ(run("wait pid 2-3").status, 2);
    EXPECT_EQ(run("watch pid --from then").status, 2);
}

}  // namespace
}  // namespace inod::e2e
