// Waiting for a release, and watching a pool: who is told what, and when; and that nobody else is held up.
//
// A request that is answered behind another of the same connection was parked before that one was decided:
// so a ping says that a wait has begun.

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cli/child.h"
#include "tests/e2e/daemon_process.h"
#include "tests/e2e/raw_connection.h"
#include "tests/e2e/support.h"

namespace inod::e2e {
namespace {

using namespace std::chrono_literals;
using proto::Binding;
using proto::EventKind;

constexpr std::uint16_t inode = 0;
constexpr std::uint32_t hour_ms = 3'600'000;

class Watching : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(daemon_.start()) << daemon_.log(); }

    // Asks for it, and sees to it that the daemon has read that. Fails if it was answered.
    static void begin(Client& client, const std::string& pool, const proto::Request::Body& body) {
        const std::uint16_t index = client.find_pool(pool)->index;
        ASSERT_TRUE(client.send({.pool = index, .body = body}));
        ASSERT_TRUE(client.send({.body = proto::PingRequest{}}));
        const auto pong = client.receive(soon());
        ASSERT_TRUE(pong);
        ASSERT_EQ(pong->operation, proto::Operation::ping);
    }
    static void begin_wait(Client& client, const std::string& pool, Id id) {
        begin(client, pool, proto::WaitRequest{.id = id});
    }
    // The answer to the wait that was begun.
    static testing::AssertionResult is_over(Client& client) {
        const auto reply = client.receive(soon());
        if (!reply) return testing::AssertionFailure() << name(reply.error().code);
        const auto* const wait = std::get_if<proto::WaitReply>(&reply->body);
        if (wait == nullptr) return testing::AssertionFailure() << "another reply";
        return wait->is_over ? testing::AssertionSuccess() : testing::AssertionFailure();
    }
    // All that happened in the pool after this LSN, and the LSN up to which that is.
    static std::vector<proto::Event> events_from(Client& client, const std::string& pool,
                                                 std::uint64_t& from) {
        std::vector<proto::Event> all;
        for (bool more = true; more;) {
            const auto page = client.watch(pool, from, 0ms);
            if (!page) throw std::runtime_error(client.error_text());
            EXPECT_EQ(page->missed, 0U);
            all.insert(all.end(), page->events.begin(), page->events.end());
            from = page->next;
            more = page->more;
        }
        return all;
    }
    static std::uint64_t now(Client& client, const std::string& pool) {
        return client.watch(pool).value().next;
    }
    // As many changes of the pool as that, each an event.
    static void change(Client& client, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            if (client.under_way() >= 2'000) {
                ASSERT_TRUE(client.receive(soon()));
            }
            ASSERT_TRUE(client.send({.pool = inode, .body = proto::AllocateRequest{}}));
        }
        while (client.under_way() > 0)
            ASSERT_TRUE(client.receive(soon()));
    }
    std::uint64_t memory_used() {
        Client client = daemon_.connect();
        return value_of(client.daemon_stats().value(), proto::StatId::memory_used);
    }

    DaemonProcess daemon_{three_pools};
};

TEST_F(Watching, AWaitIsOverWhenTheIdIsReleased) {
    Client holder = daemon_.connect();
    Client waiter = daemon_.connect();
    for (const char* pool : {"inode", "pid", "block"}) {
        SCOPED_TRACE(pool);
        const auto lease = holder.allocate(pool, 10).value();
        begin_wait(waiter, pool, lease.range.first + 5);
        ASSERT_TRUE(
            holder.release(pool, {lease.range.first, lease.range.first + 4}, lease.generation));
        ASSERT_TRUE(waiter.ping()) << "another's release is none of this";
        EXPECT_EQ(waiter.under_way(), 1U);
        ASSERT_TRUE(
            holder.release(pool, {lease.range.first + 5, lease.range.last}, lease.generation));
        EXPECT_TRUE(is_over(waiter));
        EXPECT_EQ(waiter.lookup(pool, lease.range.first + 5).error().code, Errc::released);
    }
}

TEST_F(Watching, AWaitIsOverWhenTheHoldersConnectionCloses) {
    Client waiter = daemon_.connect();
    for (const char* pool : {"pid", "block"}) {
        std::optional<Client> holder = daemon_.connect();
        ASSERT_TRUE(holder->bind({.binding = Binding::connection}));
        const auto lease = holder->allocate(pool, 5).value();
        begin_wait(waiter, pool, lease.range.last);
        holder.reset();
        EXPECT_TRUE(is_over(waiter)) << pool;
    }
}

TEST_F(Watching, AWaitIsOverWhenTheHoldersProcessDies) {
    Child sleeper({"sleep", "1000"});
    ASSERT_EQ(
        run_in_shell("inoctl --socket " + daemon_.socket() + " alloc pid --bind process --pid " +
                     std::to_string(sleeper.pid()) + " >/dev/null"),
        0);
    Client waiter = daemon_.connect();
    const auto lease = waiter.next("pid", 0).value();
    ASSERT_EQ(lease.binding, Binding::process);
    begin_wait(waiter, "pid", lease.range.first);
    sleeper.kill9();
    EXPECT_TRUE(is_over(waiter));
}

TEST_F(Watching, AWaitIsOverWhenTheHoldersTimeIs) {
    Client holder = daemon_.connect();
    ASSERT_TRUE(holder.bind({.binding = Binding::ttl, .ttl = 100ms}));
    const auto lease = holder.allocate("inode").value();
    EXPECT_TRUE(daemon_.connect().wait("inode", lease.range.first).value());
}

TEST_F(Watching, AWaitIsAnsweredAtOnceWhereItCanBe) {
    Client client = daemon_.connect();
    const auto old = client.allocate("pid").value();
    ASSERT_TRUE(client.release("pid", old.range, old.generation));
    EXPECT_TRUE(client.wait("pid", old.range.first).value());
    const auto again = client.allocate_at("pid", old.range).value();
    ASSERT_GT(again.generation, old.generation);
    EXPECT_TRUE(client.wait("pid", old.range.first, old.generation).value())
        << "that one has been released";
    EXPECT_EQ(client.wait("pid", old.range.first, again.generation + 1).error(),
              Error(Errc::stale_generation, again.generation));
    EXPECT_FALSE(client.wait("pid", old.range.first, again.generation, 0ms).value());
    EXPECT_FALSE(client.wait("pid", old.range.first, 0, 20ms).value()) << "it is live still";
    EXPECT_EQ(client.wait("pid", 1'000).error(), Error(Errc::never_allocated, 1'000));
    EXPECT_EQ(client.wait("pid", 1).error(), Error(Errc::id_out_of_range, 1));
}

// Whoever waits for a lease waits for that one, though somebody has the number again before he is asked.
TEST_F(Watching, AWaitIsForTheLeaseThatItFound) {
    Client holder = daemon_.connect();
    Client waiter = daemon_.connect();
    const auto lease = holder.allocate("pid").value();
    begin_wait(waiter, "pid", lease.range.first);
    holder.send({.pool = 1, .body = proto::ReleaseRequest{lease.range, lease.generation}}).value();
    holder.send({.pool = 1, .body = proto::AllocateAtRequest{lease.range}}).value();
    ASSERT_TRUE(holder.receive(soon()));
    ASSERT_TRUE(holder.receive(soon()));
    EXPECT_TRUE(is_over(waiter));
    EXPECT_TRUE(waiter.lookup("pid", lease.range.first));
}

TEST_F(Watching, ManyWaitForOneAndAreToldAll) {
    Client holder = daemon_.connect();
    const auto lease = holder.allocate("inode", 10).value();
    std::vector<Client> waiters;
    constexpr int count = 60;
    for (int i = 0; i < 20; ++i) {
        Client& waiter = waiters.emplace_back(daemon_.connect());
        for (int j = 0; j < count; ++j)
            begin_wait(waiter, "inode", lease.range.first + static_cast<Id>(j % 5));
    }
    ASSERT_TRUE(holder.release("inode", lease.range));
    for (Client& waiter : waiters) {
        for (int j = 0; j < count; ++j)
            ASSERT_TRUE(is_over(waiter)) << j;
    }
}

TEST_F(Watching, AShortTimeIsOverThoughAnotherWaitsLonger) {
    Client holder = daemon_.connect();
    Client patient = daemon_.connect();
    Client other = daemon_.connect();
    const auto lease = holder.allocate("inode").value();
    begin(patient, "inode", proto::WaitRequest{.id = lease.range.first, .timeout_ms = hour_ms});
    const auto waited = other.wait("inode", lease.range.first, 0, 50ms);
    ASSERT_TRUE(waited) << other.error_text();
    EXPECT_FALSE(*waited);
    ASSERT_TRUE(holder.release("inode", lease.range));
    EXPECT_TRUE(is_over(patient));
}

TEST_F(Watching, AllWatchersAreTold) {
    Client client = daemon_.connect();
    const std::uint64_t from = now(client, "inode");
    std::vector<Client> watchers;
    for (int i = 0; i < 5; ++i) {
        Client& watcher = watchers.emplace_back(daemon_.connect());
        begin(watcher, "inode", proto::WatchRequest{.from = from, .timeout_ms = hour_ms});
    }
    ASSERT_TRUE(client.allocate("inode"));
    for (Client& watcher : watchers) {
        const auto reply = watcher.receive(soon());
        ASSERT_TRUE(reply) << name(reply.error().code);
        EXPECT_TRUE(std::holds_alternative<proto::WatchReply>(reply->body));
    }
}

TEST_F(Watching, AConnectionHasSoManyRequestsThatWait) {
    Client client = daemon_.connect();
    const auto lease = client.allocate("inode").value();
    for (int i = 0; i < 64; ++i)
        begin_wait(client, "inode", lease.range.first);
    EXPECT_EQ(client.wait("inode", lease.range.first).error(), Error(Errc::quota_exceeded, 64));
    EXPECT_EQ(client.watch("inode", now(client, "inode")).error(), Error(Errc::quota_exceeded, 64));
    ASSERT_TRUE(client.release("inode", lease.range)) << "all else goes on";
    for (int i = 0; i < 64; ++i)
        EXPECT_TRUE(is_over(client));
}

TEST_F(Watching, AConnectionTakesItsRequestsAlong) {
    Client holder = daemon_.connect();
    const auto lease = holder.allocate("inode").value();
    const std::uint64_t before = memory_used();
    for (int i = 0; i < 20; ++i) {
        Client client = daemon_.connect();
        begin_wait(client, "inode", lease.range.first);
        begin(client, "inode", proto::WatchRequest{.from = now(client, "inode")});
        begin(client, "inode", proto::WaitRequest{.id = lease.range.first, .timeout_ms = hour_ms});
    }
    RawConnection half(daemon_.socket());
    half.greet();
    half.send({.pool = inode, .tag = 7, .body = proto::WaitRequest{.id = lease.range.first}});
    half.finish_sending();
    EXPECT_TRUE(half.closed()) << "nobody waits for one who says no more";
    for (const Deadline deadline = soon(); memory_used() != before;)
        ASSERT_LT(std::chrono::steady_clock::now(), deadline) << memory_used() << " " << before;
    EXPECT_TRUE(holder.release("inode", lease.range));
}

TEST_F(Watching, AStopAnswersThem) {
    Client client = daemon_.connect();
    const auto lease = client.allocate("inode").value();
    begin(client, "inode", proto::WaitRequest{.id = lease.range.first, .timeout_ms = hour_ms});
    begin(client, "inode", proto::WatchRequest{.from = now(client, "inode")});
    EXPECT_EQ(daemon_.terminate(), (Exit{.status = 0})) << daemon_.log();
    for (int i = 0; i < 2; ++i) {
        const auto reply = client.receive(soon());
        ASSERT_TRUE(reply);
        EXPECT_EQ(std::get<proto::ErrorReply>(reply->body).error.code, Errc::shutting_down);
    }
}

TEST_F(Watching, AWatcherSeesWhatHappensInOrder) {
    Client watcher = daemon_.connect();
    std::uint64_t from = now(watcher, "pid");
    std::optional<Client> client = daemon_.connect();
    const auto holder = client->bind({.binding = Binding::connection}).value().holder;
    // Each is told as it happens, to one who has asked before.
    const auto next = [&] {
        const auto page = watcher.watch("pid", from).value();
        EXPECT_EQ(page.missed, 0U);
        EXPECT_EQ(page.events.size(), 1U);
        EXPECT_GT(page.events.at(0).lsn, from);
        from = page.next;
        proto::Event event = page.events.at(0);
        EXPECT_EQ(event.holder, holder);
        EXPECT_EQ(event.uid, geteuid());
        return event;
    };
    const auto lease = client->allocate("pid", 5).value();
    const auto allocated = next();
    EXPECT_EQ(allocated.kind, EventKind::allocated);
    EXPECT_EQ(allocated.range, lease.range);
    EXPECT_EQ(allocated.generation, lease.generation);
    ASSERT_TRUE(client->allocate_at("pid", {100, 109}));
    EXPECT_EQ(next().kind, EventKind::claimed);
    ASSERT_TRUE(client->release("pid", {lease.range.first, lease.range.first}, lease.generation));
    const auto released = next();
    EXPECT_EQ(released.kind, EventKind::released);
    EXPECT_EQ(released.range, (Range{lease.range.first, lease.range.first}));
    EXPECT_EQ(released.generation, lease.generation);
    // It waits while that happens.
    begin(watcher, "pid", proto::WatchRequest{.from = from});
    client.reset();
    const auto reply = watcher.receive(soon());
    ASSERT_TRUE(reply);
    auto events = std::get<proto::WatchReply>(reply->body).events;
    ASSERT_EQ(events.count(), 1U);
    const auto ended = *events.take();
    EXPECT_EQ(ended.kind, EventKind::holder_ended);
    EXPECT_EQ(ended.holder, holder);
    EXPECT_EQ(ended.range, (Range{0, 0}));
    EXPECT_TRUE(watcher.watch("pid", ended.lsn, 20ms).value().events.empty());
}

TEST_F(Watching, AWatcherIsToldOfItsPoolAlone) {
    Client client = daemon_.connect();
    std::uint64_t from = now(client, "pid");
    begin(client, "pid", proto::WatchRequest{.from = from, .timeout_ms = 1'000'000});
    ASSERT_TRUE(client.allocate("inode"));
    ASSERT_TRUE(client.allocate("block"));
    ASSERT_TRUE(client.reserve("pid", {500, 509}));
    ASSERT_TRUE(client.unreserve("pid", {500, 501}));
    const auto reply = client.receive(soon());
    ASSERT_TRUE(reply);
    auto told = std::get<proto::WatchReply>(reply->body).events;
    EXPECT_EQ(told.take()->kind, EventKind::reserved_ids);
    const auto events = events_from(client, "pid", from);
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events[1].range, (Range{500, 501}));
    std::uint64_t from_begin = now(client, "block");
    ASSERT_TRUE(client.allocate("block"));
    ASSERT_TRUE(client.allocate_at("block", {1'000'000, 1'000'000}));
    const auto in_block = events_from(client, "block", from_begin);
    ASSERT_EQ(in_block.size(), 1U) << "what is in no record is no event";
    EXPECT_EQ(in_block[0].kind, EventKind::claimed);
}

// What it is told and what it is told to have missed are all; and others do not mind.
TEST_F(Watching, AWatcherThatIsTooSlowIsToldWhatItMissed) {
    Client watcher = daemon_.connect();
    Client other = daemon_.connect();
    const std::uint64_t begun = now(watcher, "inode");
    change(other, 20'000);
    const std::uint64_t last = now(other, "inode");
    const auto first = watcher.watch("inode", begun, 0ms).value();
    EXPECT_GT(first.missed, begun);
    EXPECT_TRUE(first.more);
    std::uint64_t from = first.next;
    auto events = first.events;
    const auto rest = events_from(watcher, "inode", from);
    events.insert(events.end(), rest.begin(), rest.end());
    EXPECT_GE(from, last);
    EXPECT_EQ(events.size(), 16'384U);
    for (std::size_t i = 0; i < events.size(); ++i) {
        ASSERT_GT(events[i].lsn, i == 0 ? first.missed : events[i - 1].lsn);
        ASSERT_EQ(events[i].range.first, 20'000 - events.size() + i + 1) << "none is left out";
    }
}

TEST_F(Watching, AWatcherThatDoesNotReadHoldsNobodyUp) {
    Client other = daemon_.connect();
    change(other, 2'000);
    RawConnection deaf(daemon_.socket());
    deaf.greet();
    constexpr std::uint16_t count = 300;
    std::uint16_t sent = 0;
    // Replies of 64 KiB, until the daemon reads no more.
    Bytes requests;
    for (std::uint16_t tag = 1; tag <= count; ++tag) {
        const Bytes request =
            encoded({.pool = inode, .tag = tag, .body = proto::WatchRequest{.from = 0}});
        requests.insert(requests.end(), request.begin(), request.end());
    }
    ASSERT_TRUE(deaf.send(requests));
    change(other, 20'000);
    for (std::uint16_t tag = 1; tag <= count; ++tag) {
        const auto answer = deaf.receive();
        ASSERT_TRUE(answer.has_value());
        ASSERT_EQ(answer->code(), Errc::ok);
        const auto watch = std::get<proto::WatchReply>(answer->reply().body);
        EXPECT_GT(watch.missed, 0U) << "what came before the daemon was started";
        if (watch.events.count() > 0) ++sent;
    }
    EXPECT_EQ(sent, count);
}

TEST_F(Watching, AWatcherGoesOnAfterItWasGone) {
    std::optional<Client> watcher = daemon_.connect();
    Client other = daemon_.connect();
    std::uint64_t from = now(*watcher, "inode");
    watcher.reset();
    const auto lease = other.allocate("inode", 3).value();
    ASSERT_TRUE(other.release("inode", lease.range));
    watcher = daemon_.connect();
    const auto events = events_from(*watcher, "inode", from);
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events[0].kind, EventKind::allocated);
    EXPECT_EQ(events[1].kind, EventKind::released);
}

TEST_F(Watching, ARestartIsSomethingMissed) {
    Client watcher = daemon_.connect();
    std::uint64_t from = now(watcher, "inode");
    ASSERT_TRUE(watcher.allocate("inode"));
    daemon_.kill9();
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    ASSERT_TRUE(watcher.reconnect());
    const auto page = watcher.watch("inode", from).value();
    EXPECT_GT(page.missed, from);
    EXPECT_TRUE(page.events.empty());
    EXPECT_EQ(page.next, page.missed);
    from = page.next;
    ASSERT_TRUE(watcher.allocate("inode"));
    EXPECT_EQ(events_from(watcher, "inode", from).size(), 1U);
    // Of another state, which had come further.
    const auto beyond = watcher.watch("inode", 1'000'000).value();
    EXPECT_GT(beyond.missed, 0U);
    EXPECT_LT(beyond.next, 1'000'000U);
}

TEST(WatchingOfOthers, TakesTheRights) {
    if (geteuid() != 0) GTEST_SKIP() << "only root can ask as another user";
    DaemonProcess daemon(R"({"pools": [
        {"name": "counter", "policy": "unique", "min": 1, "max": 1000, "tracking": false},
        {"name": "lookup", "policy": "unique", "min": 1, "max": 1000,
         "grants": [{"everyone": true, "rights": ["allocate", "lookup"]}]},
        {"name": "list", "policy": "unique", "min": 1, "max": 1000,
         "grants": [{"everyone": true, "rights": ["allocate", "list"]}]}]})");
    ASSERT_TRUE(daemon.start()) << daemon.log();
    Client root = daemon.connect();
    EXPECT_EQ(root.wait("counter", 1).error().code, Errc::not_tracked);
    EXPECT_EQ(root.watch("counter").error().code, Errc::not_tracked);
    ASSERT_EQ(chmod(daemon.folder().c_str(), 0755), 0);
    const pid_t child = fork();
    if (child == 0) {
        if (setgid(12345) != 0 || setuid(12345) != 0) _exit(1);
        auto client = Client::connect({.socket_path = daemon.socket(), .pools = {}});
        if (!client) _exit(2);
        const auto refused = [](const auto& result, Errc code) {
            return !result && result.error().code == code;
        };
        if (!refused(client->wait("list", 1), Errc::access_denied)) _exit(3);
        if (!refused(client->watch("lookup"), Errc::access_denied)) _exit(4);
        if (!refused(client->wait("lookup", 1), Errc::never_allocated)) _exit(5);
        if (!client->watch("list")) _exit(6);
        _exit(0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0) << "the step that failed";
}

}  // namespace
}  // namespace inod::e2e
