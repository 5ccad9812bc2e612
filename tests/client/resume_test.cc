// A connection that another daemon goes on with, as the client has it: what it answers, what it asks again, and what
// comes back in doubt.
#include "proto/resume.h"

#include <chrono>
#include <future>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "lib/client/client.h"
#include "tests/client/fake_daemon.h"

namespace inod {
namespace {

using namespace std::chrono_literals;
using proto::Operation;
using proto::Unanswered;

Deadline in(std::chrono::milliseconds time) {
    return std::chrono::steady_clock::now() + time;
}

Errc code_of(const proto::Reply& reply) {
    const auto* const error = std::get_if<proto::ErrorReply>(&reply.body);
    return error == nullptr ? Errc::ok : error->error.code;
}

proto::Request allocate(std::uint64_t count, std::optional<proto::Token> token = std::nullopt) {
    return {.pool = 0, .body = proto::AllocateRequest{.count = count}, .token = token};
}

proto::ResumeMark mark_of(int value) {
    proto::ResumeMark mark{};
    mark.fill(static_cast<std::byte>(value));
    return mark;
}

void say_resumed(FakePeer& peer, Unanswered unanswered, int mark = 1) {
    std::array<std::byte, proto::resumed_size> frame{};
    ByteWriter out(frame);
    proto::encode_resumed(out, {.mark = mark_of(mark), .unanswered = unanswered});
    peer.send_bytes(frame);
}

// Another daemon, to which the client says at once that it goes on.
void take_over(FakePeer& peer, Unanswered unanswered) {
    say_resumed(peer, unanswered);
    peer.skip_past(mark_of(1));
    peer.greet();
}

std::uint64_t count_in(const proto::Request& request) {
    return std::get<proto::AllocateRequest>(request.body).count;
}

void answer(FakePeer& peer, const proto::Request& request) {
    const std::uint64_t count = count_in(request);
    peer.send({Operation::allocate, request.tag, proto::LeaseReply{{1, count}, 0}});
}

// What the client gets for each of these, by its count.
std::map<std::uint64_t, Errc> outcomes(Client& client,
                                       const std::map<std::uint16_t, std::uint64_t>& counts) {
    std::map<std::uint64_t, Errc> got;
    while (client.under_way() > 0) {
        const auto reply = client.receive(in(10s)).value();
        got[counts.at(reply.tag)] = code_of(reply);
    }
    return got;
}

TEST(ClientResume, WhatWasNotCarriedOutIsAskedAgainInItsOrder) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        for (int i = 0; i < 3; ++i)
            answer(peer, peer.read());
        for (int i = 0; i < 2; ++i)
            peer.read();  // and no reply
        take_over(peer, Unanswered::undone);
        for (const std::uint64_t count : {4U, 5U, 6U}) {
            const proto::Request request = peer.read();
            EXPECT_EQ(count_in(request), count);
            answer(peer, request);
        }
    });
    Client client = connected_to(daemon);
    std::map<std::uint16_t, std::uint64_t> counts;
    for (std::uint64_t count = 1; count <= 5; ++count)
        counts[client.send(allocate(count)).value()] = count;
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(code_of(client.receive(in(10s)).value()), Errc::ok);
    counts[client.send(allocate(6)).value()] = 6;
    EXPECT_EQ(outcomes(client, counts),
              (std::map<std::uint64_t, Errc>{{4, Errc::ok}, {5, Errc::ok}, {6, Errc::ok}}));
    EXPECT_TRUE(client.connected());
}

TEST(ClientResume, WhatIsInDoubtComesBackButForWhatMayBeRepeated) {
    const proto::Token token{.epoch = 1, .number = 2};
    FakeDaemon daemon([&token](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        for (int i = 0; i < 4; ++i)
            peer.read();
        take_over(peer, Unanswered::in_doubt);
        const proto::Request with_token = peer.read();
        EXPECT_EQ(with_token.token, token);
        answer(peer, with_token);
        const proto::Request lookup = peer.read();
        EXPECT_TRUE(std::holds_alternative<proto::LookupRequest>(lookup.body));
        peer.send({Operation::lookup, lookup.tag, proto::LookupReply{}});
    });
    Client client = connected_to(daemon);
    std::map<std::uint16_t, std::uint64_t> counts;
    counts[client.send(allocate(1)).value()] = 1;
    counts[client.send(allocate(2, token)).value()] = 2;
    counts[client.send({.body = proto::LookupRequest{.id = 7}}).value()] = 3;
    counts[client.send({.body = proto::ReleaseRequest{.range = {7, 7}}}).value()] = 4;
    EXPECT_EQ(outcomes(client, counts),
              (std::map<std::uint64_t, Errc>{
                  {1, Errc::in_doubt}, {2, Errc::ok}, {3, Errc::ok}, {4, Errc::in_doubt}}));
}

// What the socket did not take was surely not carried out. There is more than it takes in the few writes that come before
// the word of the next daemon is read.
TEST(ClientResume, WhatWasNotSentIsNotInDoubt) {
    constexpr int count = 60'000;
    int asked = 0;
    std::promise<void> said;
    FakeDaemon daemon([&asked, &said](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        say_resumed(peer, Unanswered::in_doubt);
        said.set_value();
        peer.skip_past(mark_of(1));
        peer.greet();
        for (;; ++asked) {
            const proto::Request request = peer.read();
            peer.send({proto::operation_of(request.body), request.tag, proto::DoneReply{}});
            if (std::holds_alternative<proto::PingRequest>(request.body)) return;
        }
    });
    int in_doubt = 0;
    int done = 0;
    {
        Client client = connected_to(daemon);
        said.get_future().wait();
        for (int i = 0; i < count; ++i) {
            const proto::ReleaseRequest release{.range = {1, 1}, .generation = 7};
            ASSERT_TRUE(client.send({.body = release}));
        }
        ASSERT_TRUE(client.flush(in(60s)));
        ASSERT_TRUE(client.ping());
        while (client.under_way() > 0) {
            const Errc code = code_of(client.receive(in(10s)).value());
            ASSERT_TRUE(code == Errc::ok || code == Errc::in_doubt);
            ++(code == Errc::ok ? done : in_doubt);
        }
    }
    EXPECT_EQ(done + in_doubt, count);
    EXPECT_GT(in_doubt, 0);
    EXPECT_GT(done, 0);
    EXPECT_EQ(asked, done) << "none was asked twice";
}

TEST(ClientResume, ABlockingCallIsAskedAgainOrInDoubt) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        peer.read();
        take_over(peer, Unanswered::undone);
        answer(peer, peer.read());
        peer.read();
        take_over(peer, Unanswered::in_doubt);
        answer(peer, peer.read());
    });
    Client client = connected_to(daemon);
    EXPECT_EQ(client.allocate("inode", 1)->range, (Range{1, 1}));
    EXPECT_EQ(client.allocate("inode", 2).error(), Error(Errc::in_doubt));
    EXPECT_EQ(client.allocate("inode", 3)->range, (Range{1, 3}));
}

// A daemon that ends while it is greeted, and the next one.
TEST(ClientResume, ADaemonThatIsGreetedMayHandItOverAgain) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        peer.read();
        say_resumed(peer, Unanswered::undone, 1);
        peer.skip_past(mark_of(1));
        peer.read();  // its hello
        say_resumed(peer, Unanswered::undone, 2);
        peer.skip_past(mark_of(2));
        peer.greet();
        answer(peer, peer.read());
    });
    Client client = connected_to(daemon);
    EXPECT_EQ(client.allocate("inode", 5)->range, (Range{1, 5}));
}

TEST(ClientResume, ItBindsAgainBeforeItAsks) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        proto::HolderKey key{};
        key.fill(std::byte{9});
        peer.send({Operation::bind, peer.read().tag, proto::BindReply{.holder = 5, .key = key}});
        peer.read();
        take_over(peer, Unanswered::undone);
        const proto::Request bind = peer.read();
        EXPECT_EQ(std::get<proto::BindRequest>(bind.body).key, key);
        peer.send({Operation::bind, bind.tag, proto::BindReply{.holder = 5, .key = key}});
        answer(peer, peer.read());
    });
    Client client = connected_to(daemon);
    ASSERT_TRUE(client.bind({.binding = proto::Binding::connection}));
    EXPECT_TRUE(client.allocate("inode", 1));
}

// As what it acts only the program knows.
TEST(ClientResume, WhoBindsBySendIsToConnectAnew) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        peer.send({Operation::bind, peer.read().tag, proto::BindReply{.holder = 5}});
        peer.read();
        say_resumed(peer, Unanswered::undone);
        EXPECT_EQ(peer.read_to_end(), 0U);
    });
    Client client = connected_to(daemon);
    ASSERT_TRUE(client.send({.body = proto::BindRequest{.name = "mine"}}));
    ASSERT_EQ(code_of(client.receive(in(10s)).value()), Errc::ok);
    ASSERT_TRUE(client.send(allocate(1)));
    EXPECT_EQ(code_of(client.receive(in(10s)).value()), Errc::not_connected);
    EXPECT_FALSE(client.connected());
}

// Nobody takes one pool for another: where it has another index, what is under way is not asked again.
TEST(ClientResume, AnotherPoolTableEndsTheConnection) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet(0);
        peer.read();
        say_resumed(peer, Unanswered::undone);
        peer.skip_past(mark_of(1));
        peer.greet(3);
        EXPECT_EQ(peer.read_to_end(), 0U);
        FakePeer another(accept());
        another.greet(3);
        const proto::Request request = another.read();
        EXPECT_EQ(request.pool, 3);
        answer(another, request);
    });
    Client client = connected_to(daemon);
    EXPECT_EQ(client.allocate("inode", 4)->range, (Range{1, 4})) << "over a new connection";
}

TEST(ClientResume, AWordThatIsNoneIsAViolation) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        peer.read();
        std::array<std::byte, proto::resumed_size> frame{};
        ByteWriter out(frame);
        proto::encode_resumed(out, {});
        frame.at(24) = std::byte{7};
        peer.send_bytes(frame);
        peer.read_to_end();
    });
    Client client = connected_to(daemon);
    EXPECT_EQ(client.ping().error(), Error(Errc::protocol_violation));
}

// The next daemon refuses the hello: what is under way comes back.
TEST(ClientResume, ARefusedGreetingEndsTheConnection) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        peer.read();
        say_resumed(peer, Unanswered::undone);
        peer.skip_past(mark_of(1));
        peer.send({Operation::hello, peer.read().tag, proto::ErrorReply{Errc::access_denied, ""}});
        peer.read_to_end();
    });
    Client client = connected_to(daemon);
    ASSERT_TRUE(client.send(allocate(1)));
    EXPECT_EQ(code_of(client.receive(in(10s)).value()), Errc::not_connected);
    EXPECT_FALSE(client.connected());
}

// Nobody comes: what the one that has gone did not answer it did not carry out, nor did anybody else.
TEST(ClientResume, WhatADaemonLeavesBehindForGoodIsNotInDoubt) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        answer(peer, peer.read());
        peer.read();
        peer.send({Operation::none, 0, proto::ErrorReply{Errc::shutting_down, ""}});
        peer.read();
    });
    Client client = connected_to(daemon);
    std::map<std::uint16_t, std::uint64_t> counts;
    counts[client.send(allocate(1)).value()] = 1;
    counts[client.send(allocate(2)).value()] = 2;
    counts[client.send(allocate(3)).value()] = 3;
    EXPECT_EQ(outcomes(client, counts),
              (std::map<std::uint64_t, Errc>{
                  {1, Errc::ok}, {2, Errc::not_connected}, {3, Errc::not_connected}}));
}

// What one daemon may have carried out stays in doubt, whatever the next one says of itself.
TEST(ClientResume, ADoubtStaysUntilThereIsAnAnswer) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        peer.read();
        take_over(peer, Unanswered::in_doubt);
        peer.read();
        take_over(peer, Unanswered::undone);
        peer.read();
        peer.send({Operation::none, 0, proto::ErrorReply{Errc::shutting_down, ""}});
    });
    Client client = connected_to(daemon);
    const auto tag = client.send(allocate(1, proto::Token{.epoch = 1, .number = 2}));
    ASSERT_TRUE(tag);
    EXPECT_EQ(code_of(client.receive(in(10s)).value()), Errc::in_doubt);
}

TEST(ClientResume, ADaemonThatIsAboutToEndIsNotTheOneToBeReached) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        {
            FakePeer peer(accept());
            peer.send({Operation::none, 0, proto::ErrorReply{Errc::shutting_down, ""}});
        }
        FakePeer peer(accept());
        peer.greet();
        peer.send({Operation::ping, peer.read().tag, proto::DoneReply{}});
    });
    Client client = connected_to(daemon);
    EXPECT_TRUE(client.ping());
}

}  // namespace
}  // namespace inod
