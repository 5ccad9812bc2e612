// Who holds a number, and until when, as inoctl's user says and sees it.
#include <chrono>
#include <string>

#include "tests/cli/child.h"
#include "tests/cli/inoctl.h"

namespace inod::e2e {
namespace {

class InoctlHolders : public Inoctl {
protected:
    // Leases one ID as a holder with a time limit, and returns the key.
    std::string key_of_lease(const std::string& arguments) {
        return json("--json=short alloc inode " + arguments)["key"];
    }

    nlohmann::json only_holder() {
        const auto holders = json("--json=short holders");
        EXPECT_EQ(holders.size(), 1U) << holders;
        return holders[0];
    }
};

TEST_F(InoctlHolders, NamesKeepThemApart) {
    expect("alloc inode --name web --count 3", "1-3\n");
    expect("alloc inode", "4\n");
    expect("alloc inode --bind persistent --name web", "5\n");
    expect("lookup inode 5", "5" + user_ + " binding=persistent holder=1\n");
    expect("lookup inode 4", "4" + own());
    expect_refused("release inode 1", "not_holder");
    expect_refused("release inode 1 --name nosuch", "holder_unknown");
    EXPECT_EQ(json("--json=short holders").size(), 2U) << "none is made by a release";
    expect("release inode 1 --name web", "");
    expect("release inode 2 4 --others", "");
    expect("release --all --name web", "2\n");
    expect_refused("release --all --name web", "holder_unknown");
    expect_refused("lookup inode 5", "released");
}

TEST_F(InoctlHolders, GiveBackAllThatTheyHave) {
    run("alloc inode --count 3");
    run("alloc pid --count 2");
    run("alloc inode --name web");
    expect("release --all", "5\n");
    expect("list pid", "");
    const std::string web = only_holder()["holder"].dump();
    EXPECT_EQ(json("--json=short release --all --holder " + web)["count"], 1);
    expect("list inode", "");
    expect_refused("release --all --holder " + web, "holder_unknown");
}

// Made for a lease that was then refused.
TEST_F(InoctlHolders, AreToldIfTheyStayWithoutALease) {
    const auto said = [this](const std::string& arguments) {
        const std::string text = run("alloc inode --count 0 " + arguments).err;
        return text.substr(text.find('\n') + 1);
    };
    const std::string stays = "inoctl: the holder stays: holder=";
    const std::string named = said("--name web");
    const auto all = json("--json=short holders");
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(named, stays + all[0]["holder"].dump() + "\n");
    EXPECT_NE(said("--bind ttl=1d").find(" key="), std::string::npos);
    EXPECT_EQ(said("--bind process"), "");
    EXPECT_EQ(said("--bind connection"), "");
    EXPECT_EQ(said(""), "");
}

TEST_F(InoctlHolders, AreListedWithWhatTheyHave) {
    run("alloc inode --count 3");
    run("alloc inode --bind ttl=10m --name 'a b'");
    const Outcome listed = run("holders");
    const std::string uid = std::to_string(geteuid());
    const std::string gid = std::to_string(getegid());
    EXPECT_EQ(listed.out.substr(0, listed.out.find('\n')),
              "HOLDER  BINDING     UID" + std::string(uid.size() > 3 ? uid.size() - 3 : 0, ' ') +
                  "  GID" + std::string(gid.size() > 3 ? gid.size() - 3 : 0, ' ') +
                  "  PID  IDS  LEFT  NAME");
    EXPECT_EQ(listed.out.substr(listed.out.size() - 5), " a b\n");
    const auto holders = json("--json=short holders");
    ASSERT_EQ(holders.size(), 2U);
    EXPECT_GT(holders[0]["holder"], 0);
    EXPECT_EQ(holders[0]["ids"], 3);
    EXPECT_TRUE(holders[0]["left_ms"].is_null());
    EXPECT_TRUE(holders[0]["pid"].is_null());
    EXPECT_EQ(holders[1]["binding"], "ttl");
    EXPECT_EQ(holders[1]["name"], "a b");
    EXPECT_LE(holders[1]["left_ms"], 600'000);
    EXPECT_GT(holders[1]["left_ms"], 0);
}

// Another user's text does not command the terminal of root.
TEST_F(InoctlHolders, NamesArePrintedWithoutControlCharacters) {
    run("alloc inode --name \"$(printf '\\033[31m\\377')\"");
    const std::string listed = run("holders").out;
    EXPECT_NE(listed.find("  \\x1b[31m\\xff\n"), std::string::npos) << listed;
    EXPECT_EQ(only_holder()["name"], "\033[31m\ufffd");
}

TEST_F(InoctlHolders, EndWithTheirTime) {
    const Outcome leased = run("alloc inode --bind ttl=100ms");
    EXPECT_EQ(leased.out.substr(0, 16), "1 holder=1 key=" + leased.out.substr(15, 1)) << leased.out;
    EXPECT_EQ(leased.out.size(), std::string("1 holder=1 key=\n").size() + 32) << leased.out;
    EXPECT_TRUE(becomes_released("inode 1"));
    expect_refused("renew --key " + leased.out.substr(15, 32), "holder_unknown");
    expect("holders", "HOLDER  BINDING  UID  GID  PID  IDS  LEFT  NAME\n");
}

TEST_F(InoctlHolders, AreRenewedByKeyOrName) {
    const std::string key = key_of_lease("--bind ttl=10m --name web");
    for (const std::string& by : {"--key " + key, std::string("--name web")}) {
        SCOPED_TRACE(by);
        // Something has passed, and then is there again.
        std::int64_t before = 0;
        do {
            before = only_holder()["left_ms"].get<std::int64_t>();
        } while (before > 599'000);
        std::int64_t after = 0;
        const Deadline deadline = soon();
        while (after <= before && std::chrono::steady_clock::now() < deadline) {
            expect("renew " + by, "holder=1\n");
            after = only_holder()["left_ms"].get<std::int64_t>();
        }
        EXPECT_GT(after, before);
    }
    expect_refused("renew --name nosuch", "holder_unknown");
    EXPECT_EQ(json("--json=short holders").size(), 1U) << "none is made by a renewal";
}

TEST_F(InoctlHolders, AreTakenOverByTheirKey) {
    const std::string key = key_of_lease("--bind ttl=10m");
    run("alloc inode");
    expect("alloc inode --key " + key, "3 holder=1 key=" + key + "\n");
    expect_refused("release inode 3", "not_holder");
    expect("release inode 3 --key " + key, "");
    expect("lookup inode 1", "1" + user_ + " binding=ttl holder=1\n");
    expect_refused("alloc inode --key " + std::string(32, 'a'), "holder_unknown");
    expect_refused("alloc inode --bind connection --key " + key, "holder_unknown");
}

TEST_F(InoctlHolders, EndWithAnotherProcess) {
    Child sleeper({"sleep", "1000"});
    const std::string pid = std::to_string(sleeper.pid());
    expect("alloc inode --bind process --pid " + pid, "1\n");
    expect("alloc inode --bind process --pid " + pid, "2\n");
    expect("lookup inode 1", "1-2" + user_ + " binding=process holder=1\n");
    EXPECT_EQ(only_holder()["pid"], sleeper.pid());
    sleeper.kill9();
    EXPECT_TRUE(becomes_released("inode 1"));
    expect_refused("alloc inode --bind process --pid " + pid, "process_unknown");
}

TEST_F(InoctlHolders, EndWithInoctlWhereThatIsAllThereIs) {
    for (const char* binding : {"connection", "process"}) {
        SCOPED_TRACE(binding);
        const auto leased = json("--json=short alloc inode --bind " + std::string(binding));
        EXPECT_TRUE(becomes_released("inode " + leased["first"].dump()));
    }
}

TEST_F(InoctlHolders, WithATimeOrANameOutliveTheDaemon) {
    const std::string key = key_of_lease("--bind ttl=10m");
    run("alloc inode --name web");
    daemon_.kill9();
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    expect("lookup inode 1", "1" + user_ + " binding=ttl holder=1\n");
    expect("renew --key " + key, "holder=1\n");
    expect("release inode 2 --name web", "");
}

}  // namespace
}  // namespace inod::e2e
