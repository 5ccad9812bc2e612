// Who holds a number, and until when: connections that close, processes that are killed, time limits,
// users at their limits; with the daemon killed and started in between.

#include <algorithm>
#include <csignal>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/owned_fd.h"
#include "tests/e2e/daemon_process.h"
#include "tests/e2e/support.h"

namespace inod::e2e {
namespace {

using proto::Binding;

// Until the daemon says so of this ID, which is to come by itself.
bool comes_to(Client& client, PoolRef pool, Id id, Errc code) {
    const Deadline deadline = soon();
    while (std::chrono::steady_clock::now() < deadline) {
        const auto found = client.lookup(pool, id);
        if ((found ? Errc::ok : found.error().code) == code) return true;
        std::this_thread::yield();
    }
    return false;
}

// A process that does what is said and then waits to be killed.
class Child {
public:
    // `work` returns what the parent is told.
    template <class Work>
    explicit Child(Work work) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
        told_ = OwnedFd(ends[0]);
        const OwnedFd tells(ends[1]);
        pid_ = fork();
        if (pid_ != 0) return;
        const auto told = work();
        if (write(tells.get(), &told, sizeof(told)) != sizeof(told)) _exit(1);
        for (;;)
            pause();
    }
    Child(Child&& other) noexcept
        : told_(std::move(other.told_)), pid_(std::exchange(other.pid_, 0)) {}
    Child& operator=(Child&& other) noexcept {
        std::swap(told_, other.told_);
        std::swap(pid_, other.pid_);
        return *this;
    }
    ~Child() { kill9(); }

    // Waits for it. Nothing if the child ended first.
    template <class Told>
    std::optional<Told> told() {
        Told told{};
        const auto size = read(told_.get(), &told, sizeof(told));
        return size == sizeof(told) ? std::optional(told) : std::nullopt;
    }
    void kill9() {
        if (pid_ <= 0) return;
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }
    [[nodiscard]] pid_t pid() const { return pid_; }

private:
    OwnedFd told_;
    pid_t pid_ = 0;
};

class Holders : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(daemon_.start()) << daemon_.log(); }
    void restart() {
        daemon_.kill9();
        ASSERT_TRUE(daemon_.start()) << daemon_.log();
    }

    // One ID that is held for as long as this process lives; 0 if there is none.
    Id lease_to_this_process() {
        Client client = daemon_.connect();
        if (!client.bind({.binding = Binding::process})) return 0;
        const auto lease = client.allocate("pid");
        return lease ? lease->range.first : 0;
    }

    DaemonProcess daemon_{three_pools};
};

TEST_F(Holders, OfAConnectionEndWithIt) {
    Client watcher = daemon_.connect();
    std::optional<Client> client = daemon_.connect();
    ASSERT_TRUE(client->bind({.binding = Binding::connection}));
    const auto lease = client->allocate("pid", 5);
    ASSERT_TRUE(lease);
    const auto found = watcher.lookup_lease("pid", lease->range.first);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->binding, Binding::connection);
    client.reset();
    EXPECT_TRUE(comes_to(watcher, "pid", lease->range.first, Errc::released));
    EXPECT_EQ(watcher.lookup("pid", lease->range.last).error().code, Errc::released);
}

TEST_F(Holders, OfAConnectionComeBackWithTheirKeyAfterARestart) {
    Client client = daemon_.connect();
    const auto bound = client.bind({.binding = Binding::connection});
    ASSERT_TRUE(bound);
    const auto lease = client.allocate("pid", 2);
    ASSERT_TRUE(lease);
    restart();
    // The client library shows the key by itself when it connects again.
    ASSERT_TRUE(client.reconnect());
    const auto found = client.lookup_lease("pid", lease->range.first);
    ASSERT_TRUE(found) << client.error_text();
    EXPECT_EQ(found->holder, bound->holder);
    EXPECT_TRUE(client.release("pid", lease->range, lease->generation)) << client.error_text();
}

TEST_F(Holders, OfAProcessEndWithIt) {
    Child child([this] { return lease_to_this_process(); });
    const auto id = child.told<Id>();
    ASSERT_TRUE(id && *id != 0);
    Client watcher = daemon_.connect();
    EXPECT_EQ(watcher.lookup_lease("pid", *id)->binding, Binding::process);
    restart();
    EXPECT_TRUE(watcher.lookup("pid", *id)) << "it lives, though the daemon was gone";
    child.kill9();
    EXPECT_TRUE(comes_to(watcher, "pid", *id, Errc::released));
}

TEST_F(Holders, OfAProcessThatEndsWhileTheDaemonIsGoneAreReclaimedAtItsStart) {
    Child child([this] { return lease_to_this_process(); });
    const auto id = child.told<Id>();
    ASSERT_TRUE(id && *id != 0);
    daemon_.kill9();
    child.kill9();
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    Client watcher = daemon_.connect();
    EXPECT_EQ(watcher.lookup("pid", *id).error().code, Errc::released);
}

TEST_F(Holders, WithATimeLimitEndByThemselves) {
    Client client = daemon_.connect();
    Client watcher = daemon_.connect();
    ASSERT_TRUE(client.bind({.binding = Binding::ttl, .ttl = std::chrono::milliseconds(200)}));
    const auto begun = std::chrono::steady_clock::now();
    const auto lease = client.allocate("pid");
    ASSERT_TRUE(lease);
    ASSERT_TRUE(client.renew());
    EXPECT_TRUE(comes_to(watcher, "pid", lease->range.first, Errc::released));
    EXPECT_GE(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(200));
    EXPECT_EQ(client.renew().error().code, Errc::holder_ended);
    EXPECT_EQ(client.allocate("pid").error().code, Errc::holder_ended);
}

// A pool is not exhausted by the dead, though nobody has noticed yet that they are.
TEST(HoldersOfAFullPool, AreFoundDeadWhenSomebodyNeedsTheirNumbers) {
    DaemonProcess daemon(
        R"({"pools": [{"name": "port", "policy": "lowest", "min": 1, "max": 100}]})");
    ASSERT_TRUE(daemon.start()) << daemon.log();
    Client client = daemon.connect();
    for (int round = 0; round < 20; ++round) {
        std::optional<Client> gone = daemon.connect();
        ASSERT_TRUE(gone->bind({.binding = Binding::connection}));
        ASSERT_TRUE(gone->allocate("port", 100)) << gone->error_text();
        gone.reset();
        const auto lease = client.allocate("port", 100);
        ASSERT_TRUE(lease) << client.error_text();
        ASSERT_TRUE(client.release("port", lease->range, lease->generation));
    }
}

// Nor by very many, who are not all looked at at once.
TEST(HoldersOfAFullPool, AreFoundDeadHoweverManyHaveDiedAtOnce) {
    constexpr std::size_t child_count = 600;
    DaemonProcess daemon(
        R"({"pools": [{"name": "port", "policy": "lowest", "min": 1, "max": 600}]})");
    ASSERT_TRUE(daemon.start()) << daemon.log();
    const auto work = [&daemon]() -> Id {
        auto client = Client::connect({.socket_path = daemon.socket(), .pools = {}});
        if (!client || !client->bind({.binding = Binding::process})) return 0;
        const auto lease = client->allocate("port");
        return lease ? lease->range.first : 0;
    };
    std::vector<Child> children;
    for (std::size_t i = 0; i < child_count; ++i)
        children.emplace_back(work);
    for (Child& child : children)
        ASSERT_GT(child.told<Id>().value_or(0), 0U) << daemon.log();
    Client client = daemon.connect();
    ASSERT_EQ(client.allocate("port").error().code, Errc::pool_exhausted);
    daemon.signal(SIGSTOP);
    children.clear();
    std::thread goes_on([&daemon] { daemon.signal(SIGCONT); });
    const auto all = client.allocate("port", child_count);
    EXPECT_TRUE(all) << client.error_text();
    goes_on.join();
}

// A daemon that may open 64 files keeps 16 of them for its journal, has 20 for 10 connections and watches
// 28 processes. One that it cannot watch keeps what it has, and nobody else is turned away.
TEST(HoldersOfProcesses, AreWatchedAsFarAsThereAreFileDescriptors) {
    constexpr std::size_t watched_max = 28;
    DaemonProcess daemon(
        R"({"pools": [{"name": "pid", "policy": "cyclic", "min": 1, "max": 1000}],
            "connections_max": 10, "threads": 1})");
    ASSERT_TRUE(daemon.start()) << daemon.log();
    const auto bind = [&](const Child& child) {
        auto client = Client::connect(
            {.socket_path = daemon.socket(), .pools = {}, .passes_descriptors = true});
        if (!client) throw std::runtime_error("no connection");
        const OwnedFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, child.pid(), 0)));
        const auto bound = client->bind({.binding = Binding::process}, pidfd.get());
        return std::pair(std::move(*client), bound ? Errc::ok : bound.error().code);
    };
    std::vector<Child> children;
    std::vector<Id> ids;
    for (std::size_t i = 0; i < watched_max + 1; ++i) {
        children.emplace_back([] { return 0; });
        auto [client, code] = bind(children.back());
        ASSERT_EQ(code, Errc::ok);
        ids.push_back(client.allocate("pid").value().range.first);
    }
    daemon.kill9();
    daemon.launch().wrapper = {"prlimit", "--nofile=32:64"};
    ASSERT_TRUE(daemon.start()) << daemon.log();
    EXPECT_NE(daemon.log().find("limit=64 connections=10 processes=28"), std::string::npos)
        << daemon.log();
    auto [client, code] = bind(children.back());
    EXPECT_EQ(code, Errc::out_of_memory);
    EXPECT_NE(client.error_text().find("LimitNOFILE"), std::string::npos) << client.error_text();
    EXPECT_EQ(bind(children.front()).second, Errc::ok) << "it is watched already";
    for (const Id id : ids)
        EXPECT_TRUE(client.lookup("pid", id)) << id << " was taken from the living";
    children.front().kill9();
    ASSERT_TRUE(comes_to(client, "pid", ids.front(), Errc::released));
    EXPECT_EQ(bind(children.back()).second, Errc::ok);
    children.back().kill9();
    EXPECT_TRUE(comes_to(client, "pid", ids.back(), Errc::released));
}

// What each child was told that it has, and what it may have besides, from a request whose reply was
// lost: all is its own as long as it lives, and nobody's when it is dead.
TEST(HoldersOfProcesses, LoseNothingWhileTheyLiveAndKeepNothingWhenTheyAreDead) {
    struct Told {
        Id first;
        Id last;
        std::uint64_t generation;
    };
    const bool is_long = std::getenv("INOD_TEST_LONG") != nullptr;
    const std::size_t child_count = is_long ? 1'000 : 100;
    const int kills = is_long ? 20 : 5;
    DaemonProcess daemon(three_pools);
    ASSERT_TRUE(daemon.start()) << daemon.log();
    const auto work = [&daemon]() -> Told {
        // Until the daemon is there for long enough.
        for (;;) {
            auto client = Client::connect({.socket_path = daemon.socket(), .pools = {}});
            if (!client || !client->bind({.binding = Binding::process})) continue;
            const auto lease = client->allocate("pid", 3);
            if (lease) return {lease->range.first, lease->range.last, lease->generation};
        }
    };
    std::mt19937_64 random(7);
    std::vector<std::pair<Child, std::optional<Told>>> children;
    std::vector<pid_t> dead;
    std::set<std::pair<Id, std::uint64_t>> seen;
    for (int round = 0; round < kills; ++round) {
        while (children.size() < child_count)
            children.emplace_back(Child(work), std::nullopt);
        for (std::size_t i = 0; i < child_count / 10; ++i) {
            const std::size_t at = random() % children.size();
            dead.push_back(children[at].first.pid());
            children[at].first.kill9();
            children.erase(children.begin() + static_cast<std::ptrdiff_t>(at));
        }
        daemon.kill9();
        ASSERT_TRUE(daemon.start()) << daemon.log();
    }
    for (auto& [child, told] : children) {
        told = child.told<Told>();
        ASSERT_TRUE(told);
        for (Id id = told->first; id <= told->last; ++id)
            EXPECT_TRUE(seen.emplace(id, told->generation).second) << "twice: " << id;
    }
    Client client = daemon.connect();
    std::set<pid_t> living;
    for (const auto& [child, told] : children)
        living.insert(child.pid());
    // Ends are noticed by and by.
    std::map<std::uint64_t, pid_t> holders;
    const Deadline deadline = soon();
    for (bool any_dead = true; any_dead && std::chrono::steady_clock::now() < deadline;) {
        holders.clear();
        any_dead = false;
        for (std::uint32_t from = 0;;) {
            const auto page = client.holders(from);
            ASSERT_TRUE(page) << client.error_text();
            for (const auto& holder : page->holders) {
                const auto pid = static_cast<pid_t>(holder.record.pid);
                holders[holder.record.holder] = pid;
                any_dead = any_dead || (pid != 0 && !living.contains(pid));
            }
            if (!page->more) break;
            from = page->holders.back().record.index + 1;
        }
    }
    std::set<Id> live;
    for (const auto& lease : list_all(client, "pid")) {
        EXPECT_TRUE(living.contains(holders[lease.holder]))
            << lease.range.first << " is of the dead";
        for (Id id = lease.range.first; id <= lease.range.last; ++id)
            live.insert(id);
    }
    for (const auto& [child, told] : children) {
        for (Id id = told->first; id <= told->last; ++id)
            EXPECT_TRUE(live.contains(id)) << id << " was taken from the living";
    }
}

TEST(Users, HaveNoMoreThanTheirLimits) {
    if (geteuid() != 0) GTEST_SKIP() << "only root can ask as another user";
    DaemonProcess daemon(R"({
        "pools": [{"name": "pid", "policy": "cyclic", "min": 1, "max": 1000,
                   "grants": [{"everyone": true, "rights": ["allocate"]}],
                   "limits": [{"everyone": true, "ids": 5, "leases": 2}]}],
        "user_limits": [{"everyone": true, "connections": 3, "holders": 2}]})");
    ASSERT_TRUE(daemon.start()) << daemon.log();
    ASSERT_EQ(chmod(daemon.folder().c_str(), 0755), 0);
    const pid_t child = fork();
    if (child == 0) {
        if (setgid(12345) != 0 || setuid(12345) != 0) _exit(1);
        const ClientOptions options{.socket_path = daemon.socket(), .pools = {}};
        auto client = Client::connect(options);
        if (!client) _exit(2);
        // With what of it the administrator has to change.
        const auto refused = [&](const auto& result, Errc code, std::string_view names = "") {
            return !result && result.error().code == code &&
                   client->error_text().find(names) != std::string::npos;
        };
        if (!refused(client->allocate("pid", 6), Errc::quota_exceeded, "IDs of the pool")) _exit(3);
        const auto first = client->allocate("pid", 3);
        if (!first) _exit(4);
        if (!refused(client->allocate("pid", 3), Errc::quota_exceeded)) _exit(5);
        if (!client->release("pid", first->range, first->generation)) _exit(6);
        if (!client->allocate("pid", 1) || !client->allocate_at("pid", {100, 100})) _exit(7);
        if (!refused(client->allocate("pid"), Errc::quota_exceeded, "leases of the pool")) _exit(7);
        if (!refused(client->lookup("pid", 1), Errc::access_denied, "'lookup'")) _exit(8);
        if (!refused(client->reserve("pid", {900, 901}), Errc::access_denied, "'administer'")) {
            _exit(9);
        }
        if (!client->bind({.name = "one"})) _exit(10);
        if (!refused(client->bind({.name = "two"}), Errc::quota_exceeded, "holders")) _exit(11);
        auto second = Client::connect(options);
        auto third = Client::connect(options);
        if (!second || !third) _exit(12);
        const auto fourth = Client::connect(options);
        if (fourth || fourth.error().code != Errc::quota_exceeded) _exit(13);
        _exit(0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0) << "the step that failed";
    Client root = daemon.connect();
    EXPECT_TRUE(root.allocate("pid", 900)) << root.error_text();
}

}  // namespace
}  // namespace inod::e2e
