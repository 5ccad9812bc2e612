// inoctl beside a daemon of its own.
#pragma once

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/e2e/daemon_process.h"

namespace inod::e2e {

inline const std::string pools = R"({
  "pools": [
    {"name": "inode", "policy": "unique", "min": 1, "max": 18446744073709551615},
    {"name": "pid", "policy": "cyclic", "min": 2, "max": 20000},
    {"name": "last", "policy": "unique", "min": 18446744073709551615, "max": 18446744073709551615}
  ],
  "journal": {"segment_size": 65536}
})";

inline std::string content_of(const std::string& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

// What a run of inoctl came to.
struct Outcome {
    int status;
    std::string out;
    std::string err;
};

class Inoctl : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(daemon_.start()) << daemon_.log(); }

    // `arguments` as a shell splits them.
    Outcome run(const std::string& arguments) { return run_at(daemon_.socket(), arguments); }

    Outcome run_at(const std::string& socket, const std::string& arguments) {
        const std::string out = daemon_.folder() + "/out";
        const std::string err = daemon_.folder() + "/err";
        const std::string command = std::string(INOD_CTL_PROGRAM) + " --socket " + socket + " " +
                                    arguments + " >" + out + " 2>" + err;
        const int status = std::system(command.c_str());
        EXPECT_TRUE(WIFEXITED(status)) << command;
        return {WEXITSTATUS(status), content_of(out), content_of(err)};
    }

    void expect(const std::string& arguments, const std::string& out) {
        SCOPED_TRACE(arguments);
        const Outcome outcome = run(arguments);
        EXPECT_EQ(outcome.status, 0);
        EXPECT_EQ(outcome.out, out);
        EXPECT_EQ(outcome.err, "");
    }

    // Refused: nothing on stdout, and the error's name first on stderr.
    void expect_refused(const std::string& arguments, const std::string& error) {
        SCOPED_TRACE(arguments);
        const Outcome outcome = run(arguments);
        EXPECT_EQ(outcome.status, 1);
        EXPECT_EQ(outcome.out, "");
        EXPECT_EQ(outcome.err.substr(0, outcome.err.find(": ", 8)), "inoctl: " + error);
    }

    nlohmann::json json(const std::string& arguments) {
        const Outcome outcome = run(arguments);
        EXPECT_EQ(outcome.status, 0) << outcome.err;
        return nlohmann::json::parse(outcome.out);
    }

    // What stands behind an ID of the user's own holder, which has something. Which number that has
    // is the daemon's business.
    std::string own() {
        for (const auto& holder : json("--json=short holders")) {
            if (holder["binding"] != "persistent" || !holder["name"].is_null()) continue;
            return user_ + " binding=persistent holder=" + holder["holder"].dump() + "\n";
        }
        ADD_FAILURE() << "there is none";
        return {};
    }

    // Is the number free before all patience is gone? Asks until it is.
    testing::AssertionResult becomes_released(const std::string& id) {
        const Deadline deadline = soon();
        Outcome outcome{};
        while (std::chrono::steady_clock::now() < deadline) {
            outcome = run("lookup " + id);
            if (outcome.err.starts_with("inoctl: released: ")) return testing::AssertionSuccess();
            if (outcome.status != 0) break;
        }
        return testing::AssertionFailure() << outcome.out << outcome.err;
    }

    const std::string user_ =
        " uid=" + std::to_string(geteuid()) + " gid=" + std::to_string(getegid());
    DaemonProcess daemon_{pools};
};

}  // namespace inod::e2e
