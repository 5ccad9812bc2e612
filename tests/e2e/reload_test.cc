// Promise: SIGHUP has the daemon read its configuration again, and what may change is so for all connections from the
// moment on at which it says READY=1; or nothing changes at all, and it says why.
#include <algorithm>
#include <atomic>
#include <csignal>
#include <fstream>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <grp.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/e2e/daemon_figures.h"
#include "tests/e2e/daemon_process.h"
#include "tests/e2e/held_thread.h"
#include "tests/e2e/support.h"

namespace inod::e2e {
namespace {

constexpr uid_t ann = 12'003;
constexpr gid_t readers = 12'100;  // a group that ann is in

const std::string inode_pool =
    R"({"name": "inode", "policy": "unique", "min": 1, "max": 1000000000000})";
const std::string port_pool = R"({"name": "port", "policy": "lowest", "min": 1, "max": 1000})";

std::string with_pools(const std::string& pools, const std::string& settings = "") {
    return "{" + settings + R"("pools": [)" + pools + "]}";
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

bool is_refused(const auto& result, Errc code) {
    return !result && result.error().code == code;
}

// Connections are hers, and she is in the group, as long as there is one of these. The kernel keeps who connected.
class AsAnn {
public:
    AsAnn() {
        if (setgroups(1, &readers) != 0 || setegid(ann) != 0 || seteuid(ann) != 0) {
            throw std::runtime_error("seteuid");
        }
    }
    AsAnn(const AsAnn&) = delete;
    AsAnn& operator=(const AsAnn&) = delete;
    ~AsAnn() {
        EXPECT_EQ(seteuid(0), 0);
        EXPECT_EQ(setegid(own_gid_), 0);
        EXPECT_EQ(setgroups(0, nullptr), 0);
    }

private:
    const gid_t own_gid_ = getegid();
};

class Reloading : public testing::Test {
protected:
    explicit Reloading(const std::string& config = with_pools(inode_pool),
                       std::vector<std::pair<std::string, std::string>> environment = {})
        : daemon_(config, {.environment = std::move(environment)}) {}
    void SetUp() override { ASSERT_TRUE(daemon_.start()) << daemon_.log(); }
    void TearDown() override {
        if (!daemon_.has_ended()) {
            EXPECT_EQ(daemon_.terminate(), (Exit{.status = 0})) << daemon_.log();
        }
    }

    void configure(const std::string& config) { std::ofstream(daemon_.config_file()) << config; }
    // The next notice that has this in it; empty if none comes.
    std::string hear(const std::string& part) {
        const Deadline deadline = soon();
        for (std::string notice; !(notice = daemon_.await_notice()).empty();) {
            if (has(notice, part)) return notice;
            if (std::chrono::steady_clock::now() >= deadline) break;  // others come without end
        }
        return {};
    }
    // What the daemon says when it is done.
    std::string reload() {
        daemon_.signal(SIGHUP);
        EXPECT_NE(hear("RELOADING=1"), "") << daemon_.log();
        return hear("READY=1");
    }
    void expect_taken(const std::string& config, const std::string& what) {
        configure(config);
        const std::string notice = reload();
        EXPECT_FALSE(has(notice, "refused")) << notice;
        EXPECT_TRUE(has(daemon_.log(), "configuration reloaded: " + what)) << daemon_.log();
    }
    void expect_refused(const std::string& config, const std::string& why) {
        configure(config);
        const std::string notice = reload();
        EXPECT_TRUE(has(notice, "; reload refused: config_invalid: ")) << notice;
        EXPECT_TRUE(has(notice, why)) << notice;
        EXPECT_TRUE(
            has(daemon_.log(), "error reload refused, nothing has changed: config_invalid: "))
            << daemon_.log();
        EXPECT_TRUE(has(daemon_.log(), why)) << daemon_.log();
    }
    [[nodiscard]] Client connect_as_ann() const {
        const AsAnn as_ann;
        return daemon_.connect();
    }
    static std::optional<std::uint16_t> index_of(Client& client, const std::string& pool) {
        const auto pools = client.pools().value();
        const auto found = std::find_if(pools.begin(), pools.end(),
                                        [&](const PoolInfo& info) { return info.name == pool; });
        return found != pools.end() ? std::optional(found->index) : std::nullopt;
    }

    DaemonProcess daemon_;
};

TEST_F(Reloading, BringsNewPoolsForWhoIsThereAndForWhoComes) {
    Client old = daemon_.connect();
    ASSERT_TRUE(old.allocate("inode"));
    expect_taken(with_pools(inode_pool + "," + port_pool + R"(,
        {"name": "below", "policy": "cyclic", "min": 1, "max": 9, "parent": "port",
         "reserved": [{"first": 1, "last": 3}]})"),
                 "new pool 'port'; new pool 'below'");
    const auto below = index_of(old, "below");
    ASSERT_TRUE(below);
    EXPECT_EQ(old.allocate(*below).value().range.first, 4U);
    Client fresh = daemon_.connect({"below"});
    EXPECT_EQ(fresh.allocate("below").value().range.first, 5U);
    EXPECT_EQ(fresh.lookup_levels("below", 5).value().size(), 2U);
    ASSERT_TRUE(old.allocate("inode"));

    daemon_.kill9();
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    Client after = daemon_.connect();
    EXPECT_TRUE(after.lookup("below", 5));
    EXPECT_EQ(after.allocate("below").value().range.first, 6U);
}

TEST_F(Reloading, GivesBackTheMemoryOfConnectionsThatOutlastedIt) {
    Client asker = daemon_.connect();
    const auto used = [&] {
        return value_of(asker.daemon_stats().value(), proto::StatId::memory_used);
    };
    std::string pools = inode_pool;
    std::optional<std::uint64_t> before;
    for (int round = 0; round < 4; ++round) {
        std::vector<Client> clients;
        for (int i = 0; i < 8; ++i)
            clients.push_back(daemon_.connect());
        pools += R"(,{"name": "p)" + std::to_string(round) +
                 R"(", "policy": "unique", "min": 1, "max": 9})";
        const std::uint64_t with_clients = used();
        expect_taken(with_pools(pools), "new pool 'p" + std::to_string(round));
        EXPECT_GT(used(), with_clients) << "each may do something in one pool more";
        for (Client& client : clients)
            ASSERT_TRUE(client.ping());
        clients.clear();
        // It ends connections when it comes to it.
        while (value_of(asker.daemon_stats().value(), proto::StatId::connections) > 1) {
        }
        // The asker has one pool more in each round.
        const std::uint64_t of_asker = used();
        if (before) {
            EXPECT_LT(of_asker - *before, 100U);
        }
        before = of_asker;
    }
}

class ReloadingForAnn : public Reloading {
protected:
    ReloadingForAnn() : Reloading(granting(everything)) {}
    void SetUp() override {
        if (geteuid() != 0) GTEST_SKIP() << "only root can ask as another user";
        Reloading::SetUp();
    }

    static constexpr const char* everything = R"({"everyone": true})";
    static std::string granting(const std::string& grants, const std::string& settings = "",
                                const std::string& limits = "") {
        return with_pools(R"({"name": "inode", "policy": "unique", "min": 1, "max": 1000000,
                              "grants": [)" +
                              grants + R"(], "limits": [)" + limits + "]}",
                          settings);
    }
};

TEST_F(ReloadingForAnn, TakesGrantsAwayAndGivesThemToWhoIsConnected) {
    Client client = connect_as_ann();
    const Range range = client.allocate("inode").value().range;
    expect_taken(granting(""), "grants of pool 'inode'");
    EXPECT_TRUE(is_refused(client.allocate("inode"), Errc::access_denied));
    EXPECT_TRUE(is_refused(client.lookup("inode", range.first), Errc::access_denied));
    EXPECT_FALSE(index_of(client, "inode"));

    // By what the kernel still knows of her groups.
    expect_taken(granting(R"({"gid": 12100, "rights": ["lookup"]})"), "grants of pool 'inode'");
    EXPECT_TRUE(client.lookup("inode", range.first));
    EXPECT_TRUE(is_refused(client.allocate("inode"), Errc::access_denied));
    expect_taken(granting(R"({"gid": 12101})"), "grants of pool 'inode'");
    EXPECT_TRUE(is_refused(client.lookup("inode", range.first), Errc::access_denied));
    expect_taken(granting(R"({"uid": 12003})"), "grants of pool 'inode'");
    EXPECT_TRUE(client.release("inode", range));
}

TEST_F(ReloadingForAnn, TellsNothingMoreToWhoWaitsAndMayNotAnyMore) {
    Client root = daemon_.connect();
    Client client = connect_as_ann();
    const Range range = root.allocate("inode").value().range;
    const std::uint16_t pool = *index_of(client, "inode");
    ASSERT_TRUE(client.send({.pool = pool, .body = proto::WaitRequest{.id = range.first}}));
    const auto now = client.watch("inode").value().next;
    ASSERT_TRUE(client.send({.pool = pool, .body = proto::WatchRequest{.from = now}}));
    ASSERT_TRUE(client.ping()) << "both are parked";
    expect_taken(granting(""), "grants of pool 'inode'");
    ASSERT_TRUE(root.release("inode", range));
    for (int reply = 0; reply < 2; ++reply) {
        const auto late = client.receive(soon());
        ASSERT_TRUE(late.has_value());
        const auto* const error = std::get_if<proto::ErrorReply>(&late->body);
        ASSERT_NE(error, nullptr);
        EXPECT_EQ(error->error.code, Errc::access_denied);
    }
}

TEST_F(ReloadingForAnn, ChangesLimitsOfUsers) {
    Client client = connect_as_ann();
    ASSERT_TRUE(client.allocate("inode", 5));
    expect_taken(granting(everything, "", R"({"uid": 12003, "ids": 7})"), "limits of pool 'inode'");
    EXPECT_TRUE(is_refused(client.allocate("inode", 3), Errc::quota_exceeded));
    EXPECT_TRUE(client.allocate("inode", 2));
    expect_taken(
        granting(everything, R"("user_limits": [{"uid": 12003, "connections": 1, "holders": 1}],)"),
        "user_limits; limits of pool 'inode'");
    EXPECT_TRUE(client.allocate("inode", 3)) << "the limit of the pool is the one by default again";
    EXPECT_TRUE(
        is_refused(client.bind({.binding = proto::Binding::connection}), Errc::quota_exceeded));
    EXPECT_THROW(static_cast<void>(connect_as_ann()), std::exception)
        << "one is as many as she may have";
}

TEST_F(Reloading, ChangesLimitsOfAll) {
    Client client = daemon_.connect();
    expect_taken(with_pools(inode_pool, R"("connections_max": 2, "holders_max": 1,)"),
                 "connections_max 16384 -> 2; holders_max 1000000 -> 1");
    ASSERT_TRUE(client.allocate("inode"));
    EXPECT_TRUE(
        is_refused(client.bind({.binding = proto::Binding::connection}), Errc::quota_exceeded));
    const Client second = daemon_.connect();
    const auto third =
        Client::connect({.socket_path = daemon_.socket(), .pools = {}, .timeout = patience});
    EXPECT_TRUE(is_refused(third, Errc::too_many_connections));
    expect_taken(
        with_pools(inode_pool, R"("token_count_max": 0,)"),
        "connections_max 2 -> 16384; holders_max 1 -> 1000000; token_count_max 1000000 -> 0");
    EXPECT_TRUE(client.bind({.binding = proto::Binding::connection}));
    Client fresh = daemon_.connect();
    EXPECT_TRUE(is_refused(fresh.new_token(), Errc::not_offered));
    expect_taken(
        with_pools(inode_pool, R"("token_count_max": 9, "restart_grace": 3, "token_keep": 60,
                                           "journal": {"snapshot_age_max": 1},)"),
        "token_keep 3600 -> 60; token_count_max 0 -> 9; restart_grace 10 -> 3; "
        "journal.snapshot_age_max 3600 -> 1");
    Client newer = daemon_.connect();
    const auto token = newer.new_token();
    ASSERT_TRUE(token);
    EXPECT_TRUE(newer.allocate_once("inode", *token));
}

TEST_F(Reloading, ChangesHowMuchIsLogged) {
    expect_taken(with_pools(inode_pool, R"("log_level": "error",)"), "log_level info -> error");
    configure(with_pools(inode_pool + "," + port_pool, R"("log_level": "error",)"));
    reload();
    EXPECT_FALSE(has(daemon_.log(), "port"));
    expect_taken(with_pools(inode_pool + "," + port_pool), "log_level error -> info");
}

TEST_F(Reloading, IsRefusedAsAWholeWhateverTakesARestart) {
    Client client = daemon_.connect();
    const auto changed = [](const std::string& pool) { return pool + "," + port_pool; };
    const std::string with_port = changed(inode_pool);
    struct Case {
        std::string config;
        std::string why;
    };
    const Case cases[] = {
        {with_pools(with_port, R"("threads": 5,)"), " to 5"},
        {with_pools(with_port, R"("socket_mode": "0600",)"), "socket_mode from 0666 to 0600"},
        {with_pools(with_port, R"("memory_max": 100000000,)"), "memory_max from 0 to 100000000"},
        {with_pools(with_port, R"("poll_us": 7,)"), "poll_us from 0 to 7"},
        {with_pools(with_port, R"("witness_dir": "/nowhere",)"), "witness_dir from "},
        {with_pools(with_port, R"("journal": {"segment_size": 65536},)"),
         "journal.segment_size from 4194304 to 65536"},
        {with_pools(port_pool), "pool 'inode' is gone"},
        {with_pools(changed(R"({"name": "inode", "policy": "unique", "min": 1, "max": 9})")),
         "pool 'inode': max from 1000000000000 to 9"},
        {with_pools(changed(R"({"name": "inode", "policy": "cyclic", "min": 1,
                                "max": 1000000000000})")),
         "pool 'inode': policy from unique to cyclic"},
        {with_pools(with_port) + "}", "line 1, column"},
        {"", "line 1, column 1"},
        {with_pools(with_port + R"(, {"name": "x", "policy": "unique", "min": 9, "max": 1})"),
         "pools[2].min: 9 is above max, 1"},
        {with_pools(with_port, R"("no_such_key": 1,)"), "no_such_key"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.why);
        expect_refused(c.config, c.why);
        EXPECT_FALSE(index_of(client, "port"));
        EXPECT_TRUE(client.allocate("inode"));
    }
    ASSERT_EQ(std::remove(daemon_.config_file().c_str()), 0);
    EXPECT_TRUE(has(reload(), "cannot be opened"));
    expect_taken(with_pools(with_port), "new pool 'port'");
    EXPECT_TRUE(index_of(client, "port"));
}

// Of a hundred descriptors; holders' processes have those that more connections would take.
class ReloadingWithFewDescriptors : public Reloading {
protected:
    ReloadingWithFewDescriptors() : Reloading(with_pools(inode_pool, R"("connections_max": 5,)")) {
        daemon_.launch().wrapper = {"prlimit", "--nofile=100", "--"};
    }
    ~ReloadingWithFewDescriptors() override {
        for (const pid_t child : children_) {
            kill(child, SIGKILL);
            waitpid(child, nullptr, 0);
        }
    }
    // So many holders, each bound to a process of its own.
    void bind_processes(int count) {
        Client client = Client::connect({.socket_path = daemon_.socket(),
                                         .pools = {},
                                         .timeout = patience,
                                         .passes_descriptors = true})
                            .value();
        for (int i = 0; i < count; ++i) {
            children_.push_back(fork());
            if (children_.back() == 0) {
                pause();
                _exit(0);
            }
            const OwnedFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, children_.back(), 0)));
            ASSERT_TRUE(client.bind({.binding = proto::Binding::process}, pidfd.get()));
        }
    }

private:
    std::vector<pid_t> children_;
};

TEST_F(ReloadingWithFewDescriptors, TakesNoneFromProcessesThatAreWatched) {
    bind_processes(25);
    expect_refused(with_pools(inode_pool + "," + port_pool, R"("connections_max": 30,)"),
                   "connections_max from 5 to 30 takes a restart: holders' processes have");
    EXPECT_EQ(daemon_.connect().pools().value().size(), 1U);
    expect_taken(with_pools(inode_pool, R"("connections_max": 10,)"), "connections_max 5 -> 10");
}

// What the command line says stays.
TEST_F(Reloading, GoesByTheSameCommandLine) {
    expect_taken(with_pools(inode_pool, R"("state_dir": "/nowhere", "socket": "/nowhere/s",)"),
                 "nothing has changed");
    EXPECT_TRUE(daemon_.connect().ping());
}

TEST_F(Reloading, TellsTheServiceManagerInOrder) {
    ASSERT_EQ(daemon_.notices(), "");
    configure(with_pools(inode_pool + "," + port_pool));
    daemon_.signal(SIGHUP);
    const std::string first = daemon_.await_notice();
    const std::string second = daemon_.await_notice();
    const std::string usec = "RELOADING=1\nMONOTONIC_USEC=";
    ASSERT_TRUE(first.starts_with(usec)) << first;
    EXPECT_EQ(first.find_first_not_of("0123456789", usec.size()), std::string::npos) << first;
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const std::uint64_t told = std::stoull(first.substr(usec.size()));
    EXPECT_LE(told / 1'000'000, static_cast<std::uint64_t>(now.tv_sec));
    EXPECT_GE(told / 1'000'000 + 3600, static_cast<std::uint64_t>(now.tv_sec));
    EXPECT_EQ(second, "READY=1\nSTATUS=pools: 2, live leases: 0, connections: 0");
    EXPECT_EQ(daemon_.notices(), "");
}

class WatchedReloading : public Reloading {
protected:
    WatchedReloading() : Reloading(with_pools(inode_pool), {{"WATCHDOG_USEC", "100000"}}) {}
};

TEST_F(WatchedReloading, SaysThatItWasRefusedUntilTheNextOne) {
    expect_refused("{", "line 1, column 2");
    for (int beat = 0; beat < 3; ++beat) {
        const std::string notice = daemon_.await_notice();
        EXPECT_TRUE(has(notice,
                        "WATCHDOG=1\nSTATUS=pools: 1, live leases: 0, connections: 0; "
                        "reload refused: config_invalid: "))
            << notice;
    }
    expect_taken(with_pools(inode_pool), "nothing has changed");
    EXPECT_EQ(hear("WATCHDOG=1"), "WATCHDOG=1\nSTATUS=pools: 1, live leases: 0, connections: 0");
}

TEST_F(Reloading, ThatIsAskedForTwiceEndsWithTheLatest) {
    ASSERT_TRUE(daemon_.connect().allocate("inode")) << "there is a flusher";
    ASSERT_TRUE(comes_to_rest(daemon_.pid())) << "and it has no lock";
    {
        const HeldThread held(daemon_.pid(), "inod-flusher");
        configure(with_pools(inode_pool + "," + port_pool));
        daemon_.signal(SIGHUP);
        ASSERT_NE(hear("RELOADING=1"), "");
        // Whoever takes connections in has read the configuration by then: it is the same thread.
        ASSERT_EQ(daemon_.connect().pools().value().size(), 1U);
        configure(with_pools(inode_pool + "," + port_pool +
                             R"(, {"name": "late", "policy": "unique", "min": 1, "max": 9})"));
        daemon_.signal(SIGHUP);
        EXPECT_EQ(daemon_.connect().pools().value().size(), 1U)
            << "nothing is served before it is durable, and all else goes on";
    }
    EXPECT_NE(hear("READY=1\nSTATUS=pools: 2"), "");
    EXPECT_NE(hear("RELOADING=1"), "");
    EXPECT_NE(hear("READY=1\nSTATUS=pools: 3"), "");
    EXPECT_EQ(daemon_.connect().pools().value().size(), 3U);
}

TEST_F(Reloading, ThatIsUnderWayIsNoneWhereTheDaemonStops) {
    ASSERT_TRUE(daemon_.connect().allocate("inode")) << "there is a flusher";
    ASSERT_TRUE(comes_to_rest(daemon_.pid())) << "and it has no lock";
    {
        const HeldThread held(daemon_.pid(), "inod-flusher");
        configure(with_pools(inode_pool + "," + port_pool));
        daemon_.signal(SIGHUP);
        ASSERT_NE(hear("RELOADING=1"), "");
        daemon_.signal(SIGTERM);
        ASSERT_NE(hear("STOPPING=1"), "");
    }
    EXPECT_EQ(daemon_.wait_for_end(), (Exit{.status = 0})) << daemon_.log();
    EXPECT_FALSE(has(daemon_.notices(), "READY=1"));
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    EXPECT_EQ(daemon_.connect({"port"}).allocate("port").value().range.first, 1U);
}

TEST_F(Reloading, IsNoneDuringAStop) {
    {
        Client client = daemon_.connect();
        ASSERT_TRUE(client.allocate("inode"));
        ASSERT_TRUE(comes_to_rest(daemon_.pid())) << "the flusher has no lock";
        const HeldThread held(daemon_.pid(), "inod-flusher");
        // Its reply waits for the disk, and the stop for its reply.
        ASSERT_TRUE(
            client.send({.pool = *index_of(client, "inode"), .body = proto::AllocateRequest{}}));
        ASSERT_TRUE(client.flush(soon()));
        ASSERT_TRUE(client.ping());
        daemon_.signal(SIGTERM);
        ASSERT_NE(hear("STOPPING=1"), "");
        configure(with_pools(inode_pool + "," + port_pool));
        daemon_.signal(SIGHUP);
    }
    EXPECT_EQ(daemon_.wait_for_end(), (Exit{.status = 0})) << daemon_.log();
    EXPECT_FALSE(has(daemon_.notices(), "RELOADING=1"));
    EXPECT_FALSE(has(daemon_.log(), "reload")) << daemon_.log();
}

// On three threads, each with connections that were there before and such that come.
class ReloadingUnderLoad : public Reloading {
protected:
    ReloadingUnderLoad() : Reloading(with_pools(inode_pool, R"("threads": 3,)")) {}

    // Asks all pools that it sees, in turn, and for more of them after each reload.
    void ask_until_over(std::vector<std::pair<std::string, Id>>& told) {
        Client client = daemon_.connect();
        for (std::size_t round = 0; !is_over_; ++round) {
            if (round % 50 == 0) client = daemon_.connect();
            for (const PoolInfo& pool : client.pools().value())
                told.emplace_back(pool.name, client.allocate(pool.index).value().range.first);
            ++rounds_;
        }
    }

    std::atomic<bool> is_over_ = false;
    std::atomic<std::uint64_t> rounds_ = 0;
};

TEST_F(ReloadingUnderLoad, NothingComesTwice) {
    constexpr std::size_t clients = 6;
    constexpr int reloads = 20;
    std::vector<std::vector<std::pair<std::string, Id>>> told(clients);
    std::vector<std::thread> threads;
    for (auto& of_one : told)
        threads.emplace_back([this, &of_one] { ask_until_over(of_one); });
    std::string pools = inode_pool;
    for (int i = 0; i < reloads; ++i) {
        // Those that are asked meanwhile are many.
        for (const std::uint64_t before = rounds_; rounds_ < before + clients;)
            std::this_thread::yield();
        pools += R"(,{"name": "p)" + std::to_string(i) +
                 R"(", "policy": "unique", "min": 1, "max": 1000000000000})";
        configure(with_pools(pools, R"("threads": 3,)"));
        EXPECT_FALSE(has(reload(), "refused")) << daemon_.log();
    }
    for (const std::uint64_t before = rounds_; rounds_ < before + 2 * clients;)
        std::this_thread::yield();
    is_over_ = true;
    for (std::thread& thread : threads)
        thread.join();
    daemon_.kill9();
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    told.emplace_back();
    Client client = daemon_.connect();
    for (const PoolInfo& pool : client.pools().value())
        told.back().emplace_back(pool.name, client.allocate(pool.index).value().range.first);
    EXPECT_EQ(told.back().size(), reloads + 1U);
    std::set<std::pair<std::string, Id>> all;
    std::size_t count = 0;
    for (const auto& of_one : told) {
        all.insert(of_one.begin(), of_one.end());
        count += of_one.size();
    }
    EXPECT_EQ(all.size(), count);
}

}  // namespace
}  // namespace inod::e2e
