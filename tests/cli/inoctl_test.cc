// inoctl as shells and people meet it: what it prints, where, and with which status it ends.
#include "tests/cli/inoctl.h"

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <unistd.h>

namespace inod::e2e {
namespace {

TEST_F(Inoctl, PrintsWhatWasHandedOut) {
    expect("alloc inode", "1\n");
    expect("alloc inode --count 10", "2-11\n");
    expect("alloc inode --at 1000", "1000\n");
    expect("alloc inode --at 2000-2009", "2000-2009\n");
    expect("alloc pid", "2@1\n");
    expect("alloc pid --count 3", "3-5@1\n");
    expect("alloc last", "18446744073709551615\n");
}

TEST_F(Inoctl, LooksUpListsAndReleases) {
    run("alloc inode --count 5");
    run("alloc inode --at 100");
    expect("lookup inode 3", "1-5" + own());
    expect("next inode 6", "100" + own());
    expect("release inode 2 4-5", "");
    expect("list inode", "1" + own() + "3" + own() + "100" + own());
    expect("list inode --from 2 --limit 1", "3" + own());
    expect_refused("lookup inode 2", "released");
    expect_refused("lookup inode 101", "never_allocated");
    expect_refused("next inode 101", "no_more_leases");
}

TEST_F(Inoctl, NamesTheGenerationWhereThePoolWraps) {
    run("alloc pid --count 2");
    expect("lookup pid 2", "2-3@1" + own());
    expect("lookup pid 2@1", "2-3@1" + own());
    expect_refused("lookup pid 2@7", "stale_generation");
    expect_refused("release pid 2", "generation_required");
    expect_refused("release pid 2@7", "stale_generation");
    expect("release pid 2-3@1", "");
}

// One that cannot be released does not keep the others.
TEST_F(Inoctl, ReleasesWhatItCan) {
    run("alloc inode --count 3");
    expect_refused("release inode 1 9 3", "never_allocated");
    expect("list inode", "2" + own());
}

// Of several, each refusal says which.
TEST_F(Inoctl, RefusalsOfSeveralSayOfWhich) {
    run("alloc pid --count 3");
    EXPECT_EQ(run("release pid 2@7 3-4@1").err,
              "inoctl: stale_generation: the number is live with another generation (now 1), of "
              "2@7\ninoctl: released all the same: 3-4@1\n");
    EXPECT_EQ(run("release pid 2@7").err,
              "inoctl: stale_generation: the number is live with another generation (now 1)\n");
}

TEST_F(Inoctl, RefusalsHaveTheErrorsNameFirst) {
    run("alloc inode");
    expect_refused("alloc nosuch", "pool_unknown");
    expect_refused("alloc inode --count 0", "count_zero");
    expect_refused("alloc inode --count 65537", "lease_too_large");
    expect_refused("alloc inode --at 1", "id_taken");
    expect_refused("alloc inode --at 9-3", "range_reversed");
    expect_refused("alloc pid --at 1", "id_out_of_range");
    run("alloc last");
    expect_refused("alloc last", "pool_exhausted");
}

TEST_F(Inoctl, JsonKeepsEveryBit) {
    EXPECT_EQ(json("--json=short alloc last").dump(),
              R"({"count":1,"first":18446744073709551615,"generation":0,)"
              R"("last":18446744073709551615,"pool":"last"})");
    EXPECT_EQ(run("--json=short alloc pid --count 2").out,
              "{\"pool\":\"pid\",\"first\":2,\"last\":3,\"count\":2,\"generation\":1}\n");
    const auto listed = json("--json=pretty list last");
    ASSERT_EQ(listed.size(), 1U);
    EXPECT_EQ(listed[0]["uid"], geteuid());
    EXPECT_EQ(listed[0]["binding"], "persistent");
    EXPECT_GT(listed[0]["holder"], 0);
    EXPECT_EQ(json("--json=short pools").size(), 3U);
    EXPECT_EQ(json("--json=short pools")[2]["max"], id_max);
    EXPECT_EQ(json("--json=short stats pid")["live_ids"], 2);
    EXPECT_EQ(json("--json=short stats")["run"], 1);
    EXPECT_EQ(json("--json=short ping")["ok"], true);
    EXPECT_EQ(json("--json=short release pid 2-3@1").size(), 1U);
}

TEST_F(Inoctl, WrongUsageEndsWithStatus2) {
    const std::string some_key(32, 'a');
    for (const std::string& arguments :
         std::vector<std::string>{"",
                                  "nosuch",
                                  "alloc",
                                  "alloc inode --count x",
                                  "alloc inode --count -1",
                                  "alloc inode --count 1 --at 1",
                                  "alloc inode --at 1@1",
                                  "alloc inode --align 2 --at 2",
                                  "alloc inode --bind ttl",
                                  "alloc inode --bind ttl=1",
                                  "alloc inode --bind ttl=50d",
                                  "alloc inode --bind nosuch",
                                  "alloc inode --bind process --name web",
                                  "alloc inode --bind persistent --key " + some_key,
                                  "alloc inode --key 12",
                                  "alloc inode --key " + std::string(32, '0'),
                                  "alloc inode --name web --key " + some_key,
                                  "alloc inode --name ''",
                                  "alloc inode --pid 1",
                                  "alloc inode --bind process --pid 0",
                                  "alloc inode --bind process --pid 2147483648",
                                  "release",
                                  "release inode",
                                  "release inode 1 --all",
                                  "release inode 1 --holder 1",
                                  "release inode 1 --others --name web",
                                  "release --all --name web --holder 1",
                                  "release --all --holder 0",
                                  "renew",
                                  "renew --name web --key " + some_key,
                                  "run --pool inode",
                                  "run --pool inode --",
                                  "run -- true",
                                  "run --pool inode true",
                                  "reserve inode",
                                  "reserve inode 1@1",
                                  "advance inode",
                                  "lookup inode",
                                  "lookup inode 1-2",
                                  "lookup inode x",
                                  "next inode 1@1",
                                  "--json=nice ping",
                                  "adopt",
                                  "adopt x",
                                  "adopt x --skip-ahead some",
                                  "adopt x --skip-ahead -1",
                                  "adopt x --skip-ahead 0 --from ''",
                                  "backup",
                                  "backup ''",
                                  "backup x --state-dir ''",
                                  "check",
                                  "dump",
                                  "export",
                                  "import",
                                  "import x --skip-ahead -1"}) {
        SCOPED_TRACE(arguments);
        const Outcome outcome = run(arguments);
        EXPECT_EQ(outcome.status, 2);
        EXPECT_NE(outcome.err, "");
    }
}

TEST_F(Inoctl, WrongUsageSaysWhatIsWrongAndWhereToRead) {
    const auto complains = [this](const std::string& arguments, const std::string& what,
                                  const std::string& verb) {
        SCOPED_TRACE(arguments);
        EXPECT_EQ(run(arguments).err,
                  "inoctl: " + what + "; inoctl " + verb + "--help says what there is\n");
    };
    complains("nosuch", "unknown: 'nosuch'", "");
    complains("alloc inode --nosuch", "unknown: '--nosuch'", "alloc ");
    complains("alloc inode --count -1",
              "--count: '-1' is not a number from 0 to 18446744073709551615", "alloc ");
    complains("watch inode --from x", "--from: 'x' is neither an LSN nor now", "watch ");
    complains("run --pool inode true", "unknown: 'true'; a command goes behind --", "run ");
    complains("--json alloc inode", "--json: 'alloc' is none of off, pretty and short", "");
}

// The number is leased all the same, so it is told on stderr.
TEST_F(Inoctl, AnAnswerThatCannotBePrintedEndsWithStatus4) {
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe(ends.data()), 0);
    close(ends[0]);
    const std::string err = daemon_.folder() + "/err";
    Id id = 0;
    for (const std::string& output :
         {">&" + std::to_string(ends[1]), std::string(">&-"), std::string(">/dev/full")}) {
        SCOPED_TRACE(output);
        std::string command = INOD_CTL_PROGRAM;
        command.append(" --socket ").append(daemon_.socket()).append(" alloc inode ");
        command.append(output).append(" 2>").append(err);
        const int status = std::system(command.c_str());
        ASSERT_TRUE(WIFEXITED(status)) << "killed";
        EXPECT_EQ(WEXITSTATUS(status), 4);
        ++id;
        EXPECT_NE(content_of(err).find("leased in pool 'inode': " + std::to_string(id)),
                  std::string::npos)
            << content_of(err);
    }
    close(ends[1]);
    EXPECT_EQ(json("--json=short stats inode")["live_ids"], id);
}

TEST_F(Inoctl, AdoptsAStateWhoseDaemonIsStopped) {
    run("alloc inode --count 3");
    expect_refused("adopt " + daemon_.state_dir() + " --skip-ahead 0", "state_in_use");
    ASSERT_EQ(daemon_.terminate(), (Exit{.status = 0}));
    expect_refused("adopt " + daemon_.folder() + "/nosuch --skip-ahead 0", "io_error");
    const std::string empty = daemon_.folder() + "/empty";
    std::filesystem::create_directory(empty);
    expect_refused("adopt " + empty + " --skip-ahead 0", "state_stale");
    EXPECT_TRUE(std::filesystem::is_empty(empty)) << "a mistyped path is left as it was";
    EXPECT_FALSE(std::filesystem::exists(empty + ".witness"));
    const std::string inside = " --skip-ahead 0 --witness-dir " + daemon_.state_dir() + "/w";
    expect_refused("adopt " + daemon_.state_dir() + inside, "config_invalid");
    const auto adopted = json("--json=short adopt " + daemon_.state_dir() + " --skip-ahead 100");
    EXPECT_EQ(adopted["run"], 2);
    ASSERT_EQ(adopted["pools"].size(), 3U);
    const auto& inode = adopted["pools"][0];
    EXPECT_EQ(inode["pool"], "inode");
    EXPECT_EQ(inode["to"].get<Id>(), inode["from"].get<Id>() + 100);
    const auto& pid = adopted["pools"][1];
    EXPECT_EQ(pid["to"], pid["from"].get<std::uint64_t>() + 100);
    const Outcome lines = run("adopt " + daemon_.state_dir() + " --skip-ahead auto");
    EXPECT_EQ(lines.status, 0) << lines.err;
    EXPECT_EQ(lines.out.substr(0, lines.out.find(' ')), "inode:");

    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    EXPECT_GT(json("--json=short alloc inode")["first"], inode["to"]);
    EXPECT_EQ(json("--json=short lookup inode 2")["first"], 1) << "leases stay";
}

// A daemon that hangs answers nobody, and its files are there all the same.
TEST_F(Inoctl, BacksUpAStateWhoseDaemonHangs) {
    run("alloc inode --count 3");
    const std::string folder = daemon_.folder() + "/backups";
    std::filesystem::create_directory(folder);
    const std::string file = folder + "/b";
    const std::string backup = "backup " + file + " --state-dir " + daemon_.state_dir();
    daemon_.signal(SIGSTOP);
    const auto made = json("--json=short " + backup);
    expect_refused(backup, "config_invalid");
    const std::string first = content_of(file);
    const Outcome again = run(backup + " --force");
    daemon_.signal(SIGCONT);
    EXPECT_EQ(again.out.substr(0, again.out.find(' ')), file + ":") << again.err;
    EXPECT_EQ(content_of(file), first);
    EXPECT_EQ(made["file"], file);
    EXPECT_EQ(made["size"], first.size());
    EXPECT_EQ(made["run"], 1);
    EXPECT_EQ(std::filesystem::status(file).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        EXPECT_EQ(entry.path(), file) << "it is all there is";
    expect("ping", run("ping").out);
}

TEST_F(Inoctl, BacksUpToAFileOutsideTheState) {
    const std::string of = " --state-dir " + daemon_.state_dir();
    expect_refused("backup " + daemon_.state_dir() + "/b" + of, "config_invalid");
    expect_refused("backup --force " + daemon_.folder() + of, "io_error");
    expect_refused("backup " + daemon_.folder() + "/none/b" + of, "io_error");
    expect_refused("backup " + daemon_.folder() + "/b --state-dir " + daemon_.folder() + "/none",
                   "io_error");
}

TEST_F(Inoctl, AdoptsABackupIntoAnEmptyDirectoryAlone) {
    run("alloc inode --count 3");
    const std::string file = daemon_.folder() + "/b";
    ASSERT_EQ(run("backup " + file + " --state-dir " + daemon_.state_dir()).status, 0);
    ASSERT_EQ(daemon_.terminate(), (Exit{.status = 0}));
    const std::string from = " --skip-ahead 0 --from ";
    const std::string fresh = daemon_.folder() + "/fresh";
    expect_refused("adopt " + daemon_.state_dir() + from + file, "state_in_use");
    expect_refused("adopt " + fresh + from + daemon_.folder() + "/none", "io_error");
    const Outcome damaged = run("adopt " + fresh + from + daemon_.config_file());
    EXPECT_EQ(damaged.status, 5);
    EXPECT_EQ(damaged.err.substr(0, 25), "inoctl: journal_damaged: ") << damaged.err;
    EXPECT_FALSE(std::filesystem::exists(fresh)) << "what is refused has made nothing";
    std::filesystem::create_symlink(file, daemon_.folder() + "/latest");
    EXPECT_EQ(run("adopt " + fresh + from + daemon_.folder() + "/latest").status, 0);
    daemon_.use_state_dir(fresh);
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    EXPECT_EQ(json("--json=short lookup inode 2")["first"], 1);
}

TEST_F(Inoctl, AlignsWhatIsAskedFor) {
    expect("alloc inode --align 8", "8\n");
    expect("alloc inode --align 8 --count 3", "16-18\n");
    expect_refused("alloc inode --align 0", "align_invalid");
    EXPECT_NE(run("alloc inode --align 0").err.find(" (at most "), std::string::npos);
}

TEST_F(Inoctl, KeepsNumbersOutOfCirculation) {
    expect("reserve inode 3-4 9", "");
    expect("alloc inode --count 2", "1-2\n");
    expect("alloc inode", "5\n");
    expect_refused("lookup inode 3", "released");
    expect_refused("reserve inode 9", "id_taken");
    expect_refused("unreserve inode 20", "not_reserved");
    EXPECT_EQ(json("--json=short unreserve inode 9").size(), 1U);
    expect("advance inode --above 100", "");
    expect("alloc inode", "101\n");
    expect_refused("advance pid --above 1", "id_out_of_range");
}

TEST_F(Inoctl, NoDaemonEndsWithStatus3) {
    const Outcome none = run_at(daemon_.folder() + "/nobody", "ping");
    EXPECT_EQ(none.status, 3);
    EXPECT_EQ(none.err.substr(0, 23), "inoctl: not_connected: ");
    daemon_.kill9();
    EXPECT_EQ(run("alloc inode").status, 3);
}

}  // namespace
}  // namespace inod::e2e
