// inoctl on a state directory without its daemon: what it prints, and that looking changes nothing.
#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>

#include "tests/cli/inoctl.h"

namespace inod::e2e {
namespace {

namespace fs = std::filesystem;

class InoctlOffline : public Inoctl {
protected:
    // Of every file of the state directory.
    std::map<std::string, std::string> state() {
        std::map<std::string, std::string> content;
        for (const auto& entry : fs::directory_iterator(daemon_.state_dir()))
            content[entry.path().filename()] = content_of(entry.path());
        return content;
    }

    // A daemon that was in use, and stopped.
    void stop_used() {
        run("alloc inode --count 10");
        run("release inode 3");
        run("alloc pid --count 2");
        ASSERT_EQ(daemon_.terminate(), (Exit{.status = 0}));
    }

    // The file in use, of which there is one; a byte of its first frame is turned round.
    void damage() {
        const std::string file = daemon_.state_dir() + "/journal-0000000000000002";
        std::fstream content(file, std::ios::in | std::ios::out | std::ios::binary);
        content.seekg(4096 + 40);
        const int byte = content.get();
        content.seekp(4096 + 40);
        content.put(static_cast<char>(byte ^ 1));
        ASSERT_TRUE(content.good());
    }

    std::string on_state(const std::string& verb) { return verb + " " + daemon_.state_dir(); }
};

TEST_F(InoctlOffline, ChecksAState) {
    expect_refused(on_state("check"), "state_in_use");
    stop_used();
    const auto before = state();
    const auto report = json(on_state("--json=short check"));
    EXPECT_EQ(report["sound"], true);
    EXPECT_EQ(report["run"], 1);
    EXPECT_EQ(report["last_stop"], "clean");
    EXPECT_EQ(report["torn_tail"], nullptr);
    EXPECT_EQ(report["holders"], 1);
    ASSERT_EQ(report["pools"].size(), 3U);
    EXPECT_EQ(report["pools"][0]["live_ids"], 9);
    EXPECT_EQ(report["pools"][0]["max"], id_max);
    const Outcome text = run(on_state("check"));
    EXPECT_EQ(text.status, 0);
    EXPECT_EQ(text.out.substr(0, 6), "sound\n");
    EXPECT_NE(text.out.find("\nlast_stop: clean\n"), std::string::npos) << text.out;
    EXPECT_NE(text.out.find("\npool: pool=inode policy=unique"), std::string::npos) << text.out;
    EXPECT_EQ(state(), before);
}

TEST_F(InoctlOffline, ADamagedStateEndsWithStatus5) {
    stop_used();
    ASSERT_NO_FATAL_FAILURE(damage());
    const auto before = state();
    const Outcome outcome = run(on_state("--json=short check"));
    EXPECT_EQ(outcome.status, 5);
    const auto report = nlohmann::json::parse(outcome.out);
    EXPECT_EQ(report["sound"], false);
    EXPECT_FALSE(report.contains("pools")) << "of what cannot be taken back nothing is told";
    EXPECT_EQ(outcome.err.substr(0, 25), "inoctl: journal_damaged: ");
    EXPECT_EQ(state(), before);
}

TEST_F(InoctlOffline, DumpsAState) {
    expect_refused(on_state("dump"), "state_in_use");
    stop_used();
    const auto before = state();
    const Outcome text = run(on_state("dump"));
    EXPECT_EQ(text.status, 0);
    EXPECT_EQ(text.out.substr(0, 51), "file=journal-0000000000000002 offset=0 lsn=1 segmen");
    EXPECT_NE(text.out.find(" record=Allocated pool=inode first=1 last=10 holder=0 "
                            "binding=persistent uid="),
              std::string::npos)
        << text.out;
    EXPECT_NE(text.out.find(" record=Released pool=inode first=3 last=3\n"), std::string::npos);
    const Outcome lines = run(on_state("--json=short dump"));
    EXPECT_EQ(lines.status, 0);
    std::istringstream in(lines.out);
    std::string line;
    nlohmann::json last;
    while (std::getline(in, line))
        last = nlohmann::json::parse(line);
    EXPECT_EQ(last["end"], "clean stop");
    EXPECT_EQ(state(), before);

    ASSERT_NO_FATAL_FAILURE(damage());
    const Outcome cut = run(on_state("dump"));
    EXPECT_EQ(cut.status, 5);
    EXPECT_EQ(cut.err.substr(0, 25), "inoctl: journal_damaged: ");
    EXPECT_EQ(std::count(cut.out.begin(), cut.out.end(), '\n'), 1) << "the segment";
}

TEST_F(InoctlOffline, ExportsAState) {
    expect_refused(on_state("export"), "state_in_use");
    stop_used();
    const auto before = state();
    const Outcome lines = run(on_state("export"));
    EXPECT_EQ(lines.status, 0) << lines.err;
    EXPECT_EQ(lines.out.substr(0, 34), R"({"format":"inod-state","version":2)");
    EXPECT_NE(
        lines.out.find(R"({"type":"live","pool":"inode","first":4,"last":10,"generation":0,)"),
        std::string::npos)
        << lines.out;
    EXPECT_NE(lines.out.find("\"max\":18446744073709551615,"), std::string::npos);
    EXPECT_TRUE(lines.out.ends_with("}\n"));
    EXPECT_EQ(state(), before);
    // Where it is printed to is full.
    const std::string command = INOD_CTL_PROGRAM + (" " + on_state("export")) + " >/dev/full 2>&1";
    const int status = std::system(command.c_str());
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 4);

    ASSERT_NO_FATAL_FAILURE(damage());
    const Outcome damaged = run(on_state("export"));
    EXPECT_EQ(damaged.status, 5);
    EXPECT_EQ(damaged.out, "");
}

TEST_F(InoctlOffline, LooksAtABackup) {
    run("alloc inode --count 10");
    const std::string file = daemon_.folder() + "/b";
    ASSERT_EQ(run("backup " + file + " --state-dir " + daemon_.state_dir()).status, 0);
    const std::string whole = content_of(file);
    const auto report = json("--json=short check " + file);
    EXPECT_EQ(report["sound"], true);
    EXPECT_EQ(report["spares"], 0);
    EXPECT_EQ(report["pools"][0]["live_ids"], 10);
    const Outcome dumped = run("dump " + file);
    EXPECT_EQ(dumped.status, 0) << dumped.err;
    EXPECT_NE(dumped.out.find(" record=Allocated pool=inode first=1 last=10 "), std::string::npos);
    const Outcome lines = run("export " + file);
    EXPECT_EQ(lines.status, 0) << lines.err;
    EXPECT_NE(lines.out.find(R"({"type":"live","pool":"inode","first":1,"last":10,)"),
              std::string::npos);
    EXPECT_EQ(content_of(file), whole);

    std::ofstream(file, std::ios::binary) << whole.substr(0, whole.size() / 2);
    for (const char* const verb : {"check ", "dump ", "export "}) {
        const Outcome outcome = run(verb + file);
        EXPECT_EQ(outcome.status, 5) << verb;
        EXPECT_EQ(outcome.out, "");
        EXPECT_EQ(outcome.err.find("inoctl: journal_damaged: backup " + file + ": "), 0U)
            << outcome.err;
    }
}

TEST_F(InoctlOffline, ABackupOfADamagedStateEndsWithStatus5) {
    stop_used();
    ASSERT_NO_FATAL_FAILURE(damage());
    const std::string file = daemon_.folder() + "/b";
    const Outcome outcome = run("backup " + file + " --state-dir " + daemon_.state_dir());
    EXPECT_EQ(outcome.status, 5);
    EXPECT_NE(outcome.err.find("journal-0000000000000002"), std::string::npos) << outcome.err;
    EXPECT_FALSE(fs::exists(file));
    // Whatever a start refuses, whether some copy could be made of it or not.
    for (const auto& segment : fs::directory_iterator(daemon_.state_dir())) {
        if (segment.path().filename() == "lock") continue;
        std::fstream(segment.path(), std::ios::in | std::ios::out).write("\xff\xff", 2);
    }
    EXPECT_EQ(run("check " + daemon_.state_dir()).status, 5);
    EXPECT_EQ(run("backup " + file + " --state-dir " + daemon_.state_dir()).status, 5);
    EXPECT_FALSE(fs::exists(file));
}

TEST_F(InoctlOffline, ImportsWhatWasExported) {
    stop_used();
    const std::string lines = daemon_.folder() + "/lines";
    const std::string again = daemon_.folder() + "/again";
    const std::string fresh = daemon_.folder() + "/fresh";
    ASSERT_EQ(run(on_state("export") + " >" + lines + " #").status, 0);
    const Outcome made = run("--json=short import " + fresh + " <" + lines);
    ASSERT_EQ(made.status, 0) << made.err;
    EXPECT_EQ(nlohmann::json::parse(made.out)["pools"], 3);
    ASSERT_EQ(run("export " + fresh + " >" + again + " #").status, 0);
    const auto behind_first = [](const std::string& text) { return text.substr(text.find('\n')); };
    EXPECT_EQ(behind_first(content_of(again)), behind_first(content_of(lines)));
    EXPECT_EQ(run("check " + fresh).status, 0);
    expect_refused("import " + fresh + " <" + lines, "state_in_use");

    // A daemon goes on with it.
    daemon_.use_state_dir(fresh);
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    expect("alloc inode", "11\n");
    expect("lookup inode 4", "4-11" + own());
    expect_refused("lookup inode 3", "released");
    expect_refused("import " + fresh + " <" + lines, "state_in_use");
}

TEST_F(InoctlOffline, ImportsFarAheadOfWhatWasHandedOutSince) {
    stop_used();
    const std::string lines = daemon_.folder() + "/lines";
    const std::string fresh = daemon_.folder() + "/fresh";
    ASSERT_EQ(run(on_state("export") + " >" + lines + " #").status, 0);
    fs::create_directory(fresh);
    ASSERT_EQ(run("import " + fresh + " --skip-ahead 100000 <" + lines).status, 0);
    daemon_.use_state_dir(fresh);
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    EXPECT_GT(json("--json=short alloc inode")["first"], 100'000);
    EXPECT_EQ(json("--json=short alloc pid")["generation"], 100'001);
}

TEST_F(InoctlOffline, AnImportThatIsRefusedLeavesNothing) {
    const std::string fresh = daemon_.folder() + "/fresh";
    expect_refused("import " + fresh + " </dev/null", "import_invalid");
    EXPECT_FALSE(fs::exists(fresh));
    expect_refused("import " + fresh + " <" + daemon_.folder(), "io_error");
    EXPECT_FALSE(fs::exists(fresh));
    fs::create_directory(fresh);
    expect_refused("import " + fresh + " <" + daemon_.config_file(), "import_invalid");
    for (const auto& entry : fs::directory_iterator(fresh))
        EXPECT_EQ(entry.path().filename(), "lock");
    EXPECT_EQ(run("import " + fresh + " --skip-ahead auto </dev/null").status, 2);
}

// A copy that nobody ever ran on has no lock, and gets none.
TEST_F(InoctlOffline, LooksAtWhatMayOnlyBeRead) {
    stop_used();
    const std::string copy = daemon_.folder() + "/copy";
    fs::copy(daemon_.state_dir(), copy);
    fs::remove(copy + "/lock");
    for (const auto& entry : fs::directory_iterator(copy))
        fs::permissions(entry.path(), fs::perms::owner_read);
    fs::permissions(copy, fs::perms::owner_read | fs::perms::owner_exec);
    EXPECT_EQ(run("check " + copy).status, 0);
    EXPECT_FALSE(fs::exists(copy + "/lock"));
    fs::permissions(copy, fs::perms::owner_all);
}

TEST_F(InoctlOffline, NoStoreIsRefused) {
    expect_refused("check " + daemon_.folder() + "/nosuch", "io_error");
    const std::string empty = daemon_.folder() + "/empty";
    fs::create_directory(empty);
    expect_refused("check " + empty, "io_error");
    EXPECT_TRUE(fs::is_empty(empty));
}

}  // namespace
}  // namespace inod::e2e
