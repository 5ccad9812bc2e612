// Promise: no client hurts another. Sessions on a socket pair and a disk in memory, with the event
// loop turned by hand, so that what happens in one turn can be counted.
#include "daemon/session.h"

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/waker.h"
#include "tests/allocator/machine.h"
#include "tests/base/send_descriptors.h"
#include "tests/proto/encoded.h"

namespace inod::daemon {
namespace {

using Bytes = std::vector<std::byte>;

constexpr std::uint32_t stranger = 4242;
constexpr std::uint32_t granted_gid = 77;

Bytes times(std::size_t count, const proto::Request& request) {
    const Bytes one = encoded(request);
    Bytes all;
    for (std::size_t i = 0; i < count; ++i)
        all.insert(all.end(), one.begin(), one.end());
    return all;
}

// A reply, and the bytes that it points into.
struct Answered {
    Bytes bytes;
    proto::Reply reply;

    [[nodiscard]] Errc code() const {
        const auto* const error = std::get_if<proto::ErrorReply>(&reply.body);
        return error != nullptr ? error->error.code : Errc::ok;
    }
};

class Sessions : public testing::Test {
protected:
    Sessions() {
        machine_.holders_max = 5;
        EXPECT_TRUE(machine_.start());
        flusher_.emplace(loop_, *machine_.allocator, std::chrono::seconds(3600),
                         [](const Failure& failure) { ADD_FAILURE() << failure.message; });
        waiters_.emplace(loop_, *flusher_);
        waker_.emplace(loop_, *machine_.allocator, *flusher_, *waiters_);
        desks_.emplace(machine_.allocator->memory());
        turns_.emplace(loop_);
        Config config;
        config.pools = {
            {.spec = machine_.specs[0],
             .grants = {{.to = Grant::To::gid, .id = granted_gid, .rights = {Right::allocate}}}},
            {.spec = machine_.specs[1], .grants = {{.rights = {Right::lookup}}}}};
        dispatcher_.emplace(
            *machine_.allocator, config, nullptr, closer_, [] { return DaemonNumbers{}; },
            [this] { return look_for_the_gone(); }, [this] { return look_at_the_clock(); });
        context_.reset(new SessionContext{.allocator = *machine_.allocator,
                                          .dispatcher = *dispatcher_,
                                          .flusher = *flusher_,
                                          .waiters = *waiters_,
                                          .waker = *waker_,
                                          .loop = loop_,
                                          .desks = *desks_,
                                          .turns = *turns_,
                                          .early_replies = early_replies_,
                                          .on_end = [](std::uint32_t) {}});
    }
    ~Sessions() override {
        while (!sessions_.empty())
            sessions_.front().abort();
    }

    // The client's end of a new session.
    OwnedFd open(Peer peer, std::uint64_t features = 0) {
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
        EXPECT_TRUE(machine_.allocator->memory().take(Session::memory_size(*machine_.allocator)));
        const auto session = std::make_shared<Session>(
            OwnedFd(ends[1]), dispatcher_->welcome(std::move(peer), {}), *context_, sessions_);
        EXPECT_TRUE(session->start());
        OwnedFd client(ends[0]);
        EXPECT_EQ(
            ask(client, {.tag = 1, .body = proto::HelloRequest{.features = features, .pools = {}}})
                .code(),
            Errc::ok);
        return client;
    }
    // Whose connections have closed, one of them at a time.
    Dispatcher::Gone look_for_the_gone() {
        ++looks_;
        if (gone_.empty()) {
            return {.looked_at = 1, .may_be_more = std::exchange(may_be_more_, false)};
        }
        machine_.allocator->end(gone_.back());
        gone_.pop_back();
        return {.looked_at = 1, .may_be_more = !gone_.empty()};
    }
    std::uint64_t look_at_the_clock() {
        if (on_look_) on_look_();
        return now_us_ += us_per_look_;
    }
    OwnedFd open_own() { return open({.uid = geteuid(), .gid = 0, .groups = {}}); }
    OwnedFd open_granted(std::uint32_t uid) {
        return open({.uid = uid, .gid = uid, .groups = {granted_gid}});
    }

    static void send(const OwnedFd& client, const Bytes& bytes) {
        ASSERT_EQ(write(client.get(), bytes.data(), bytes.size()),
                  static_cast<ssize_t>(bytes.size()));
    }
    static std::size_t bytes_for(const OwnedFd& client) {
        int count = 0;
        EXPECT_EQ(ioctl(client.get(), FIONREAD, &count), 0);
        return static_cast<std::size_t>(count);
    }
    // Turns the event loop, one handler at a time, until so many bytes have come, or more.
    void turn_until(const OwnedFd& client, std::size_t size) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        while (bytes_for(client) < size) {
            ASSERT_LT(std::chrono::steady_clock::now(), deadline);
            loop_.run_once(std::chrono::seconds(1));
        }
    }
    Answered receive(const OwnedFd& client) {
        turn_until(client, proto::frame_header_size);
        Bytes bytes(std::size_t{1} << 16U);
        const ssize_t size = recv(client.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
        bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
        Answered answered{.bytes = std::move(bytes), .reply = {}};
        answered.reply = proto::decode_reply(answered.bytes).value();
        return answered;
    }
    Answered ask(const OwnedFd& client, const proto::Request& request) {
        send(client, encoded(request));
        return receive(client);
    }
    Answered bind(const OwnedFd& client, const std::string& name) {
        return ask(client, {.tag = 7, .body = proto::BindRequest{.name = name}});
    }

    Machine machine_{
        {{.name = "port", .policy = Policy::lowest, .range = {1, 2}}, unique_pool("inode")}};
    EventLoop loop_;
    Closer closer_;
    std::optional<Flusher> flusher_;
    std::optional<DurabilityWaiters> waiters_;
    std::optional<Waker> waker_;
    std::optional<Desks> desks_;
    std::optional<Turns> turns_;
    EarlyReplies early_replies_;
    std::optional<Dispatcher> dispatcher_;
    std::unique_ptr<SessionContext> context_;
    Session::List sessions_;
    std::size_t looks_ = 0;
    std::vector<HolderRef> gone_;
    bool may_be_more_ = false;  // at the next look, and none after it
    std::uint64_t now_us_ = 0;
    std::uint64_t us_per_look_ = 0;  // at the clock: nothing takes any time
    std::function<void()> on_look_;  // at the clock
};

TEST_F(Sessions, OthersHaveATurnWhileOneAsksForMuch) {
    const OwnedFd much = open_own();
    const OwnedFd little = open_own();
    constexpr std::size_t count = 2'000;
    constexpr std::size_t reply_size = proto::frame_header_size;
    const proto::Request ping{.tag = 7, .body = proto::PingRequest{}};
    ASSERT_NO_FATAL_FAILURE(send(much, times(count, ping)));
    ASSERT_NO_FATAL_FAILURE(turn_until(much, 1));
    EXPECT_LE(bytes_for(much), count / 2 * reply_size);
    ASSERT_NO_FATAL_FAILURE(send(little, encoded(ping)));
    ASSERT_NO_FATAL_FAILURE(turn_until(little, reply_size));
    ASSERT_NO_FATAL_FAILURE(turn_until(much, count * reply_size));
    EXPECT_EQ(bytes_for(much), count * reply_size);
}

// One user with many connections, on each of which much is asked, and another with a single request.
TEST_F(Sessions, AUserWaitsForOneTurnOfAnotherAndNotForAllThatHeAsks) {
    constexpr std::size_t connections = 50;
    constexpr std::size_t count = 1'000;
    constexpr std::size_t reply_size = proto::frame_header_size;
    const proto::Request ping{.tag = 7, .body = proto::PingRequest{}};
    const OwnedFd modest = open_granted(stranger);
    std::vector<OwnedFd> greedy;
    while (greedy.size() < connections)
        greedy.push_back(open_own());
    const auto answered = [&] {
        std::size_t size = 0;
        for (const OwnedFd& client : greedy)
            size += bytes_for(client);
        return size / reply_size;
    };
    for (const OwnedFd& client : greedy)
        ASSERT_NO_FATAL_FAILURE(send(client, times(count, ping)));
    std::size_t before = 0;
    for (int i = 0; i < 20; ++i) {
        ASSERT_NO_FATAL_FAILURE(send(modest, encoded(ping)));
        ASSERT_NO_FATAL_FAILURE(turn_until(modest, reply_size));
        EXPECT_EQ(receive(modest).code(), Errc::ok);
        const std::size_t now = answered();
        EXPECT_LE(now - before, 2 * Turns::work_max) << "request " << i;
        before = now;
    }
    EXPECT_GT(before, 0U);
    for (const OwnedFd& client : greedy)
        ASSERT_NO_FATAL_FAILURE(turn_until(client, count * reply_size));
    EXPECT_EQ(answered(), connections * count);
}

// Requests of which each takes long make a turn of few.
TEST_F(Sessions, AUserWaitsNotForManyThatTakeLong) {
    us_per_look_ = 40;
    constexpr std::size_t count = 200;
    constexpr std::size_t reply_size = proto::frame_header_size;
    const proto::Request ping{.tag = 7, .body = proto::PingRequest{}};
    const OwnedFd modest = open_granted(stranger);
    const OwnedFd greedy = open_own();
    ASSERT_NO_FATAL_FAILURE(send(greedy, times(count, ping)));
    std::size_t before = 0;
    for (int i = 0; i < 10; ++i) {
        ASSERT_NO_FATAL_FAILURE(send(modest, encoded(ping)));
        ASSERT_NO_FATAL_FAILURE(turn_until(modest, reply_size));
        EXPECT_EQ(receive(modest).code(), Errc::ok);
        const std::size_t now = bytes_for(greedy) / reply_size;
        EXPECT_LE(now - before, 8U) << "request " << i;
        before = now;
    }
    EXPECT_GT(before, 0U);
    ASSERT_NO_FATAL_FAILURE(turn_until(greedy, count * reply_size));
}

// What the client has after each eighth request, which is when the clock is asked.
TEST_F(Sessions, TheFirstRepliesToALongReadAreSentBeforeTheRestIsDecided) {
    constexpr std::size_t count = 64;
    constexpr std::size_t reply_size = proto::frame_header_size;
    const proto::Request ping{.tag = 7, .body = proto::PingRequest{}};
    const OwnedFd one = open_own();
    const OwnedFd other = open_own();
    std::set<std::size_t> seen;
    on_look_ = [&] { seen.insert(bytes_for(one) / reply_size); };
    ASSERT_NO_FATAL_FAILURE(send(other, times(count, ping)));
    ASSERT_NO_FATAL_FAILURE(send(one, times(count, ping)));
    ASSERT_NO_FATAL_FAILURE(turn_until(one, count * reply_size));
    EXPECT_FALSE(seen.contains(count / EarlyReplies::part)) << "of one who is not alone";
    Bytes replies(2 * count * reply_size);
    ASSERT_EQ(read(one.get(), replies.data(), replies.size()), ssize_t{count * reply_size});

    seen.clear();
    ASSERT_NO_FATAL_FAILURE(send(one, times(count, ping)));
    ASSERT_NO_FATAL_FAILURE(turn_until(one, count * reply_size));
    EXPECT_TRUE(seen.contains(count / EarlyReplies::part)) << "of one who is";
    on_look_ = nullptr;
}

// Its time is up where the first replies are to be sent.
TEST_F(Sessions, ATurnThatEndsWithTheFirstRepliesIsGoneOnWith) {
    constexpr std::size_t count = 64;
    const proto::Request ping{.tag = 7, .body = proto::PingRequest{}};
    const OwnedFd client = open_own();
    us_per_look_ = 40;
    ASSERT_NO_FATAL_FAILURE(send(client, times(count, ping)));
    ASSERT_NO_FATAL_FAILURE(turn_until(client, count * proto::frame_header_size));
    EXPECT_EQ(bytes_for(client), count * proto::frame_header_size);
}

// Each look asks the kernel about every connection that there is.
TEST_F(Sessions, ThoseWhoAreGoneAreLookedForOnceForAllThatIsThere) {
    const OwnedFd client = open_own();
    const proto::Request too_many{.tag = 7, .body = proto::AllocateRequest{.count = 5}};
    const auto refused = ask(client, too_many);
    ASSERT_EQ(refused.code(), Errc::pool_exhausted);
    looks_ = 0;
    ASSERT_NO_FATAL_FAILURE(send(client, times(100, too_many)));
    ASSERT_NO_FATAL_FAILURE(turn_until(client, 100 * refused.bytes.size()));
    EXPECT_EQ(looks_, 1U);
}

// Some at a time, until there are no more.
TEST_F(Sessions, AllWhoAreGoneAreLookedForBeforeAPoolIsExhausted) {
    for (const char* const name : {"one", "two"}) {
        const OwnedFd holder = open_own();
        const auto bound = bind(holder, name);
        ASSERT_EQ(bound.code(), Errc::ok);
        ASSERT_EQ(ask(holder, {.tag = 8, .body = proto::AllocateRequest{}}).code(), Errc::ok);
        const HolderId id = std::get<proto::BindReply>(bound.reply.body).holder;
        gone_.push_back({.index = *machine_.allocator->holders().find_id(id), .id = id});
    }
    const OwnedFd client = open_own();
    const proto::Request all{.tag = 7, .body = proto::AllocateRequest{.count = 2}};
    EXPECT_EQ(ask(client, all).code(), Errc::ok);
    EXPECT_EQ(looks_, 2U);
    EXPECT_EQ(ask(client, all).code(), Errc::pool_exhausted);
    EXPECT_EQ(looks_, 3U);
}

TEST_F(Sessions, WhoLeavesBecauseTheDaemonEndsKeepsWhatHeHas) {
    for (const bool is_stopping : {true, false}) {
        OwnedFd client = open_own();
        const auto bound = ask(
            client, {.tag = 7, .body = proto::BindRequest{.binding = proto::Binding::connection}});
        ASSERT_EQ(bound.code(), Errc::ok);
        const HolderId id = std::get<proto::BindReply>(bound.reply.body).holder;
        client = OwnedFd();
        const Flusher::Guard guard(*flusher_);
        context_->is_stopping = is_stopping;
        for (Session& session : sessions_)
            session.end_if_gone();
        EXPECT_EQ(machine_.allocator->holders().find_id(id).has_value(), is_stopping);
    }
}

// A client sends and closes at once. Its reply cannot be written while a request behind it is still to be asked
// again: that one is not decided any more, and nothing that comes after it.
TEST_F(Sessions, NothingIsDecidedForOneWhoIsGone) {
    const OwnedFd other = open_own();
    ASSERT_EQ(bind(other, "other").code(), Errc::ok);
    OwnedFd client = open_own();
    may_be_more_ = true;
    Bytes all = encoded({.tag = 7, .body = proto::PingRequest{}});
    for (const Bytes& more :
         {encoded({.tag = 8, .body = proto::AllocateRequest{.count = 5}}),
          encoded({.tag = 9, .body = proto::BindRequest{.binding = proto::Binding::connection}})})
        all.insert(all.end(), more.begin(), more.end());
    ASSERT_NO_FATAL_FAILURE(send(client, all));
    client = OwnedFd();
    while (context_->session_count > 1)
        loop_.run_once(std::chrono::seconds(1));
    EXPECT_FALSE(may_be_more_) << "it came to be asked again";
    EXPECT_EQ(machine_.allocator->holders().size(), 1U) << "and nobody would end that one";
}

// A read ends behind bytes with which descriptors came, or in front of an urgent one, and more may lie there.
TEST_F(Sessions, WhatLiesBehindTheEndOfAReadIsRead) {
    const OwnedFd client = open_own();
    const Bytes ping = encoded({.tag = 7, .body = proto::PingRequest{}});
    const auto send_with_descriptor = [&] {
        const int passed = client.get();
        ASSERT_EQ(send_descriptors(client.get(), ping, {&passed, 1}, 0),
                  static_cast<ssize_t>(ping.size()));
    };
    ASSERT_NO_FATAL_FAILURE(send_with_descriptor());
    ASSERT_NO_FATAL_FAILURE(send_with_descriptor());
    ASSERT_NO_FATAL_FAILURE(send(client, ping));
    std::size_t answers = 3;
    ASSERT_NO_FATAL_FAILURE(turn_until(client, answers * proto::frame_header_size));
    // The kernel may have none of it (CONFIG_AF_UNIX_OOB).
    if (::send(client.get(), "!", 1, MSG_OOB) != 1) return;
    ASSERT_NO_FATAL_FAILURE(send(client, ping));
    ASSERT_NO_FATAL_FAILURE(turn_until(client, ++answers * proto::frame_header_size));
}

// A client that sends no more, and does not read: nothing is to be done for it until it does.
TEST_F(Sessions, NobodyLooksAgainAndAgainForRoom) {
    const OwnedFd client = open_own();
    const proto::Request list{.pool = 1, .tag = 7, .body = proto::PoolsRequest{}};
    for (int i = 0; i < 8; ++i) {
        ASSERT_NO_FATAL_FAILURE(send(client, times(1'000, list)));
        loop_.run_once(std::chrono::milliseconds(0));
    }
    ASSERT_EQ(shutdown(client.get(), SHUT_WR), 0);
    for (int i = 0; loop_.run_once(std::chrono::milliseconds(0)); ++i)
        ASSERT_LT(i, 10'000);
    EXPECT_EQ(context_->session_count, 1U) << "it is to get its answers";
    Bytes bytes(std::size_t{1} << 16U);
    while (context_->session_count > 0) {
        while (recv(client.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
        }
        loop_.run_once(std::chrono::seconds(1));
    }
}

// The daemon ends while a session has not decided yet what is out of step.
// A ping with an extension that nobody knows, which makes it so long.
Bytes ping_of_size(std::size_t size) {
    Bytes bytes(size);
    ByteWriter out(bytes);
    out.put(static_cast<std::uint16_t>(size));
    out.put(static_cast<std::uint8_t>(proto::Operation::ping));
    out.put(std::uint8_t{2});
    out.put(std::uint16_t{0});
    out.put(std::uint16_t{9});
    out.put(std::uint16_t{1});
    out.put(static_cast<std::uint16_t>(size - out.size() - 2));
    return bytes;
}

TEST_F(Sessions, ARequestMayBeAsLongAsAnyAndComeInPieces) {
    const OwnedFd client = open_own();
    for (const std::size_t size : {std::size_t{400}, proto::request_size_max}) {
        const Bytes ping = ping_of_size(size);
        const std::size_t first = size - 100;
        send(client, {ping.begin(), ping.begin() + static_cast<std::ptrdiff_t>(first)});
        while (loop_.run_once(std::chrono::milliseconds(0))) {
        }
        send(client, {ping.begin() + static_cast<std::ptrdiff_t>(first), ping.end()});
        EXPECT_EQ(receive(client).code(), Errc::ok) << size;
    }
}

TEST_F(Sessions, WhoIsGoneLeavesItsDesk) {
    for (int i = 0; i < 3; ++i) {
        open_own();
        while (!sessions_.empty())
            loop_.run_once(std::chrono::seconds(1));
    }
    EXPECT_EQ(desks_->count(), 1U);
}

// One that leaves with more unread than it could carry itself.
TEST_F(Sessions, WhoIsGoneLeavesItsDeskWithAllThatLiesOnIt) {
    const proto::Request list{.pool = 1, .tag = 7, .body = proto::PoolsRequest{}};
    for (int i = 0; i < 3; ++i) {
        const OwnedFd client = open_own();
        for (int sent = 0; sent < 8; ++sent) {
            ASSERT_NO_FATAL_FAILURE(send(client, times(1'000, list)));
            loop_.run_once(std::chrono::milliseconds(0));
        }
        while (loop_.run_once(std::chrono::milliseconds(0))) {
        }
        sessions_.front().abort();
        EXPECT_EQ(context_->session_count, 0U);
    }
    EXPECT_EQ(desks_->count(), 1U);
}

TEST_F(Sessions, WhyItClosesIsToldOnce) {
    const OwnedFd client = open_own();
    constexpr std::size_t count = 1'500;
    Bytes all = times(count, {.tag = 7, .body = proto::PingRequest{}});
    all.resize(all.size() + proto::frame_header_size);  // a frame of no size
    ASSERT_NO_FATAL_FAILURE(send(client, all));
    ASSERT_NO_FATAL_FAILURE(turn_until(client, 1));
    ASSERT_LT(bytes_for(client), count * proto::frame_header_size);
    context_->is_stopping = true;
    sessions_.front().finish(Errc::shutting_down);
    while (context_->session_count > 0)
        loop_.run_once(std::chrono::seconds(1));
    Bytes bytes(std::size_t{1} << 16U);
    const ssize_t size = recv(client.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    ASSERT_GT(size, 0);
    std::span<const std::byte> rest = std::span(bytes).first(static_cast<std::size_t>(size));
    std::vector<Errc> told;
    std::size_t answered = 0;
    while (rest.size() >= proto::frame_header_size) {
        const proto::FrameHeader header = proto::decode_header(rest);
        if (header.tag == 7) ++answered;
        if (header.tag == 0) told.push_back(header.code());
        rest = rest.subspan(header.size);
    }
    EXPECT_EQ(told, std::vector{Errc::shutting_down});
    EXPECT_EQ(answered, count);
}

TEST_F(Sessions, AHolderIsForWhoMayAllocate) {
    const OwnedFd other = open({.uid = stranger, .gid = 1, .groups = {}});
    const auto refused = bind(other, "one");
    EXPECT_EQ(refused.code(), Errc::access_denied);
    EXPECT_FALSE(std::get<proto::ErrorReply>(refused.reply.body).text.empty());
    EXPECT_EQ(machine_.allocator->holders().size(), 0U);
    EXPECT_EQ(bind(open_granted(stranger), "one").code(), Errc::ok);
    EXPECT_EQ(bind(other, "one").code(), Errc::ok) << "it is there, and can be given back";
    EXPECT_EQ(bind(other, "two").code(), Errc::access_denied);
}

TEST_F(Sessions, WhoeverFindsTooManyHoldersOfAllUsersIsToldSo) {
    const OwnedFd client = open_granted(stranger);
    for (const char* const holder : {"1", "2", "3", "4", "5"})
        ASSERT_EQ(bind(client, holder).code(), Errc::ok);
    const auto refused = bind(client, "6");
    ASSERT_EQ(refused.code(), Errc::quota_exceeded);
    const auto& error = std::get<proto::ErrorReply>(refused.reply.body);
    EXPECT_EQ(error.error.detail, 5U);
    EXPECT_NE(error.text.find("holders_max"), std::string_view::npos) << error.text;
    EXPECT_EQ(bind(client, "3").code(), Errc::ok) << "one that is there";
}

TEST_F(Sessions, AUserListsHisOwnHoldersPageByPage) {
    const OwnedFd mine = open_granted(stranger);
    const OwnedFd other = open_granted(stranger + 1);
    for (const char* const name : {"1", "2", "3"}) {
        ASSERT_EQ(bind(mine, name).code(), Errc::ok);
    }
    for (const char* const name : {"1", "2"}) {
        ASSERT_EQ(bind(other, name).code(), Errc::ok);
    }
    std::string names;
    proto::HoldersRequest request{.from = 0, .limit = 2};
    for (bool more = true; more;) {
        const auto page = ask(mine, {.tag = 7, .body = request});
        ASSERT_EQ(page.code(), Errc::ok);
        auto reply = std::get<proto::HoldersReply>(page.reply.body);
        more = reply.more;
        while (const auto record = reply.holders.take()) {
            EXPECT_EQ(record->uid, stranger);
            names += record->name;
            request.from = record->index + 1;
        }
    }
    EXPECT_EQ(names, "123");
}

// What is kept for each session is a part of the memory budget, and groups are not kept.
TEST_F(Sessions, WhatIsKnownOfAClientIsCounted) {
    Peer peer{.uid = stranger, .gid = 1, .groups = std::vector<std::uint32_t>(65'536, granted_gid)};
    const Client client = dispatcher_->welcome(std::move(peer), {});
    EXPECT_TRUE(client.may_allocate);
    EXPECT_EQ(client.peer.groups.capacity(), 0U);
    Machine bigger({unique_pool("a"), unique_pool("b"), unique_pool("c")});
    ASSERT_STARTS(bigger);
    EXPECT_EQ(Session::memory_size(*bigger.allocator) - Session::memory_size(*machine_.allocator),
              sizeof(Rights) + sizeof(PoolLimits));
    const OwnedFd first = open_own();  // a desk is kept from here on
    const std::uint64_t before = machine_.allocator->memory().used();
    const OwnedFd open = open_own();
    EXPECT_EQ(machine_.allocator->memory().used(),
              before + Session::memory_size(*machine_.allocator));
}

// Where there is no desk to be had, a session finds its way with what it has itself.
class WithoutDesks : public Sessions {
protected:
    ~WithoutDesks() override { have_desks(); }

    void have_none() {
        MemoryBudget& memory = machine_.allocator->memory();
        rest_ = memory.size_max() - memory.used();
        EXPECT_TRUE(memory.take(rest_));
        while (Desk* const desk = desks_->take())
            desks_taken_.push_back(desk);
    }
    void have_desks() {
        machine_.allocator->memory().give(std::exchange(rest_, 0));
        for (Desk* const desk : std::exchange(desks_taken_, {}))
            desks_->give(*desk);
    }

    // As out_of_memory, and the connection goes on.
    void expect_refused(const OwnedFd& client, std::uint16_t tag) {
        const auto refused = receive(client);
        EXPECT_EQ(refused.code(), Errc::out_of_memory);
        EXPECT_EQ(refused.reply.tag, tag);
        const proto::Request ping{.tag = 7, .body = proto::PingRequest{}};
        EXPECT_EQ(ask(client, ping).reply.tag, 7U) << "the stream is in step";
    }

    const OwnedFd client_ = open_own();

private:
    std::uint64_t rest_ = 0;
    std::vector<Desk*> desks_taken_;
};

// A request that is as long as can be, and its reply as short.
Bytes longest_request(std::uint16_t tag) {
    Bytes longest(proto::request_size_max);
    ByteWriter header(longest);
    header.put(static_cast<std::uint16_t>(longest.size()));
    header.put(static_cast<std::uint8_t>(proto::Operation::ping));
    header.put(std::uint8_t{0});
    header.put(std::uint16_t{0});
    header.put(tag);
    return longest;
}

// From `at` on, at most `size`.
Bytes part(const Bytes& bytes, std::size_t at, std::size_t size) {
    const auto from = std::span(bytes).subspan(at);
    const auto some = from.first(std::min(size, from.size()));
    return {some.begin(), some.end()};
}

TEST_F(WithoutDesks, WhatTakesLittleIsAnswered) {
    have_none();
    constexpr std::size_t count = 1'000;
    const proto::Request ping{.tag = 7, .body = proto::PingRequest{}};
    ASSERT_NO_FATAL_FAILURE(send(client_, times(count, ping)));
    ASSERT_NO_FATAL_FAILURE(turn_until(client_, count * proto::frame_header_size));
    EXPECT_EQ(bytes_for(client_), count * proto::frame_header_size) << "and nothing else";
}

// Replies that wait for the disk wait where there is room for a few.
TEST_F(WithoutDesks, WhatWaitsForTheDiskIsAnsweredToo) {
    constexpr std::size_t count = 100;
    proto::Request allocate{.pool = 1, .tag = 7, .body = proto::AllocateRequest{.count = count}};
    ASSERT_EQ(ask(client_, allocate).code(), Errc::ok);
    have_none();
    Bytes all;
    for (Id id = 1; id <= count; ++id) {
        const Bytes one =
            encoded({.pool = 1, .tag = 7, .body = proto::ReleaseRequest{.range = {id, id}}});
        all.insert(all.end(), one.begin(), one.end());
    }
    ASSERT_NO_FATAL_FAILURE(send(client_, all));
    ASSERT_NO_FATAL_FAILURE(turn_until(client_, count * proto::frame_header_size));
    EXPECT_EQ(machine_.allocator->any_pool(1).live_count().ids, 0U);
}

// By name, and the connection goes on.
TEST_F(WithoutDesks, WhatTakesMoreIsRefused) {
    const std::string name(proto::holder_name_size_max, 'n');
    const Bytes longest = longest_request(9);
    have_none();
    EXPECT_EQ(ask(client_, {.pool = 1, .tag = 8, .body = proto::ListRequest{}}).code(),
              Errc::out_of_memory)
        << "its reply may be long";
    for (const std::size_t piece :
         {std::size_t{1}, std::size_t{7}, std::size_t{256}, longest.size()}) {
        SCOPED_TRACE(piece);
        for (std::size_t at = 0; at < longest.size(); at += piece) {
            EXPECT_EQ(bytes_for(client_), 0U) << "not before it was sent";
            ASSERT_NO_FATAL_FAILURE(send(client_, part(longest, at, piece)));
            loop_.run_once(std::chrono::milliseconds(0));
        }
        expect_refused(client_, 9);
    }
    have_desks();
    EXPECT_EQ(ask(client_, {.pool = 1, .tag = 8, .body = proto::ListRequest{}}).code(), Errc::ok);
    EXPECT_EQ(bind(client_, name).code(), Errc::ok);
}

// What came while there was a desk just fits into what there is without one.
TEST_F(WithoutDesks, WhatHasBegunWithOneIsRefusedToo) {
    const Bytes longest = longest_request(9);
    for (const std::size_t begun : {255U, 256U, 257U}) {
        SCOPED_TRACE(begun);
        ASSERT_NO_FATAL_FAILURE(send(client_, part(longest, 0, begun)));
        loop_.run_once(std::chrono::milliseconds(0));
        have_none();
        ASSERT_NO_FATAL_FAILURE(send(client_, part(longest, begun, longest.size())));
        if (begun <= 256) {
            expect_refused(client_, 9);
        } else {
            EXPECT_EQ(receive(client_).reply.tag, 9U) << "it kept its desk";
        }
        have_desks();
    }
}

// A piece of a request that descriptors came with is read no further than there is room.
TEST_F(WithoutDesks, ALongRequestWithDescriptorsIsRefused) {
    const OwnedFd passing =
        open({.uid = geteuid(), .gid = 0, .groups = {}}, proto::feature_descriptors);
    const Bytes longest = longest_request(9);
    have_none();
    for (const std::size_t begun : {8U, 200U, 256U, 1'000U}) {
        SCOPED_TRACE(begun);
        ASSERT_NO_FATAL_FAILURE(send(passing, part(longest, 0, begun)));
        loop_.run_once(std::chrono::milliseconds(0));
        const Bytes rest = part(longest, begun, longest.size());
        ASSERT_EQ(send_descriptors(passing.get(), rest, std::array{passing.get()}, 0),
                  static_cast<ssize_t>(rest.size()));
        expect_refused(passing, 9);
    }
}

}  // namespace
}  // namespace inod::daemon
