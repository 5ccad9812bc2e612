// What shells complete of a command line of inoctl: what its --help has, and what its daemon knows.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/cli/inoctl.h"

namespace inod::e2e {
namespace {

using Words = std::set<std::string>;

struct Shell {
    std::string name;
    std::string command;  // runs tests/cli/complete.<name>
};

std::ostream& operator<<(std::ostream& out, const Shell& shell) {
    return out << shell.name;
}

// The first groups of all lines that match.
Words found(const std::string& text, const std::string& pattern) {
    Words words;
    const std::regex regex(pattern);
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
        std::smatch match;
        if (std::regex_search(line, match, regex)) words.insert(match[1]);
    }
    return words;
}

class Completion : public Inoctl, public testing::WithParamInterface<Shell> {
protected:
    void SetUp() override {
        const std::string probe = "command -v " + GetParam().name + " >/dev/null";
        if (std::system(probe.c_str()) != 0) GTEST_SKIP() << "there is no " << GetParam().name;
        Inoctl::SetUp();
    }

    // What the shell offers behind each of these lines, in words without quoting.
    std::vector<Words> complete(const std::vector<std::string>& lines) {
        const std::string folder = daemon_.folder();
        {
            std::ofstream in(folder + "/lines");
            for (const std::string& line : lines)
                in << line << "\n";
        }
        const std::string program = INOD_CTL_PROGRAM;
        // What a shell writes when it starts goes into the folder, too.
        const std::string command = "cd " + folder + " && HOME=" + folder +
                                    " TERM=dumb PATH=" + program.substr(0, program.rfind('/')) +
                                    ":$PATH timeout 60 " + GetParam().command +
                                    " " INOD_SOURCE_DIR "/tests/cli/complete." + GetParam().name +
                                    " " INOD_SOURCE_DIR "/cli/completions <lines >matches 2>errors";
        EXPECT_EQ(std::system(command.c_str()), 0) << command;
        EXPECT_EQ(content_of(folder + "/errors"), "");
        std::vector<Words> all(1);
        std::istringstream out(content_of(folder + "/matches"));
        for (std::string match; std::getline(out, match);) {
            if (match == ".") {
                all.emplace_back();
                continue;
            }
            std::erase(match, '\\');
            // Some shells offer the option with its value.
            if (const auto equals = match.find('=');
                match.starts_with("--") && equals != std::string::npos)
                match.erase(0, equals + 1);
            all.back().insert(match);
        }
        all.pop_back();
        EXPECT_EQ(all.size(), lines.size());
        all.resize(lines.size());
        return all;
    }

    Words complete(const std::string& line) { return complete(std::vector{line}).front(); }

    // `inoctl` with the socket of this test's daemon.
    [[nodiscard]] std::string inoctl() const { return "inoctl --socket " + daemon_.socket(); }
};

TEST_P(Completion, HasSubcommandsAndOptionsAsTheHelp) {
    const std::string help = run("--help").out;
    const Words subcommands = found(help.substr(help.find("Subcommands:")), "^  ([a-z]+)(?: |$)");
    EXPECT_GT(subcommands.size(), 20U);
    const std::string option = "^  (?:-[a-z],)?(--[a-z-]+)";
    std::vector<std::string> lines{"inoctl ", "inoctl --"};
    std::vector<Words> want{subcommands, found(help, option)};
    for (const std::string& subcommand : subcommands) {
        lines.push_back("inoctl " + subcommand + " --");
        want.push_back(found(run(subcommand + " --help").out, option));
        // They are taken there, too.
        want.back().insert({"--socket", "--json"});
    }
    const auto got = complete(lines);
    for (std::size_t i = 0; i < lines.size(); ++i)
        EXPECT_EQ(got[i], want[i]) << lines[i];
}

TEST_P(Completion, AsksTheDaemonOfTheLineForPools) {
    const Words pools{"inode", "last", "pid"};
    const std::vector<std::string> lines{
        inoctl() + " alloc ",
        "inoctl --socket=" + daemon_.socket() + " list ",
        "inoctl lookup --socket " + daemon_.socket() + " ",
        inoctl() + " --json short release ",
        inoctl() + " alloc --count 3 ",
        inoctl() + " run --pool ",
        inoctl() + " watch l",
    };
    const auto got = complete(lines);
    for (std::size_t i = 0; i + 1 < lines.size(); ++i)
        EXPECT_EQ(got[i], pools) << lines[i];
    EXPECT_EQ(got.back(), Words{"last"});
}

TEST_P(Completion, AsksTheDaemonOfTheLineForHolders) {
    run("alloc inode --name web");
    run("alloc inode --name 'my db'");
    run("alloc inode --bind ttl=1h --name worker");
    run("alloc inode");
    Words numbers;
    for (const auto& holder : json("--json=short holders"))
        numbers.insert(holder["holder"].dump());
    EXPECT_EQ(numbers.size(), 4U);
    const auto got = complete({inoctl() + " release --all --holder ", inoctl() + " renew --name ",
                               inoctl() + " release --name w"});
    EXPECT_EQ(got[0], numbers);
    EXPECT_EQ(got[1], (Words{"my db", "web", "worker"}));
    EXPECT_EQ(got[2], (Words{"web", "worker"}));
}

TEST_P(Completion, KnowsTheValuesOfOptions) {
    const auto got = complete({"inoctl --json ", "inoctl --json=s", "inoctl alloc inode --bind p",
                               "inoctl watch pid --from ", "inoctl adopt --skip-ahead "});
    EXPECT_EQ(got[0], (Words{"off", "pretty", "short"}));
    EXPECT_EQ(got[1], Words{"short"});
    EXPECT_EQ(got[2], (Words{"persistent", "process"}));
    EXPECT_EQ(got[3], Words{"now"});
    EXPECT_EQ(got[4], Words{"auto"});
}

// Whoever types waits, and an error would stand in the middle of the line.
TEST_P(Completion, IsSilentAndFastWhereNoDaemonAnswers) {
    EXPECT_EQ(complete("inoctl --socket /nosuch alloc "), Words{});
    daemon_.signal(SIGSTOP);
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(complete(inoctl() + " alloc "), Words{});
    // A client itself would wait 5 s.
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(4500));
    daemon_.signal(SIGCONT);
}

INSTANTIATE_TEST_SUITE_P(Shells, Completion,
                         testing::Values(Shell{"bash", "bash --norc"}, Shell{"zsh", "zsh -f"},
                                         Shell{"fish", "fish --no-config"}),
                         [](const auto& shell) { return shell.param.name; });

}  // namespace
}  // namespace inod::e2e
