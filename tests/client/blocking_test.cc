// The blocking calls: what goes out, and what comes of each answer.
#include <array>
#include <chrono>
#include <future>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "lib/client/client.h"
#include "tests/client/fake_daemon.h"

namespace inod {
namespace {

using namespace std::chrono_literals;
using proto::Operation;

const proto::LeaseRecord some_lease{{1000, 1999}, 9, 1000, 100, proto::Binding::persistent};

const proto::Event some_event{78, {5, 6}, 3, 1000, proto::EventKind::released, 7};

TEST(Blocking, EachCallAsksAndAnswers) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        // Each step: the request that is expected, and the answer to it.
        struct Step {
            proto::Request want;
            Operation operation;
            proto::Reply::Body answer;
        };
        std::array<std::byte, 256> memory{};
        const std::vector<proto::Stat> stats{{proto::StatId::connections, 3}};
        proto::ListReply list{.more = true, .leases = {}};
        list.leases =
            proto::Packed<proto::LeaseRecord>::pack(std::vector{some_lease}, memory).value();
        std::array<std::byte, 256> events_memory{};
        proto::WatchReply events{.next = 80, .missed = 71, .more = true, .events = {}};
        events.events =
            proto::Packed<proto::Event>::pack(std::vector{some_event}, events_memory).value();
        std::array<std::byte, 256> stats_memory{};
        const proto::StatsReply numbers{
            proto::Packed<proto::Stat>::pack(stats, stats_memory).value()};
        const Step steps[] = {
            {{0, 0, proto::PingRequest{}}, Operation::ping, proto::DoneReply{}},
            {{0, 0, proto::AllocateRequest{10}},
             Operation::allocate,
             proto::LeaseReply{{1, 10}, 0}},
            {{7, 0, proto::AllocateAtRequest{{5, 6}}},
             Operation::allocate_at,
             proto::LeaseReply{{5, 6}, 3}},
            {{7, 0, proto::ReleaseRequest{{5, 6}, 3}}, Operation::release, proto::DoneReply{}},
            {{0, 0, proto::LookupRequest{id_max}},
             Operation::lookup,
             proto::LookupReply{0, 1, 2, 3, 4}},
            {{7, 0, proto::LookupLeaseRequest{1500, 9}}, Operation::lookup, some_lease},
            {{7, 0, proto::NextRequest{0}}, Operation::next, some_lease},
            {{7, 0, proto::ListRequest{0, 1}}, Operation::list, list},
            {{7, 0, proto::WaitRequest{5, 3, 1'000}}, Operation::wait, proto::WaitReply{false}},
            {{0, 0, proto::WaitRequest{5, 0, proto::wait_for_ever}},
             Operation::wait,
             proto::WaitReply{true}},
            {{7, 0, proto::WatchRequest{70, 9, 0}}, Operation::watch, events},
            {{7, 0, proto::StatsRequest{}}, Operation::stats, numbers},
            {{proto::whole_daemon, 0, proto::StatsRequest{}}, Operation::stats, numbers},
        };
        for (const Step& step : steps) {
            SCOPED_TRACE(name(step.operation));
            proto::Request got = peer.read();
            const std::uint16_t tag = std::exchange(got.tag, std::uint16_t{0});
            EXPECT_NE(tag, 0);
            EXPECT_EQ(got, step.want);
            peer.send({step.operation, tag, step.answer});
        }
    });
    Client client = connected_to(daemon);
    EXPECT_TRUE(client.ping());
    EXPECT_EQ(client.allocate("inode", 10).value(), (proto::LeaseReply{{1, 10}, 0}));
    EXPECT_EQ(client.allocate_at("pid", {5, 6}).value(), (proto::LeaseReply{{5, 6}, 3}));
    EXPECT_TRUE(client.release(std::uint16_t{7}, {5, 6}, 3));
    EXPECT_EQ(client.lookup("inode", id_max).value(), (proto::LookupReply{0, 1, 2, 3, 4}));
    EXPECT_EQ(client.lookup_lease("pid", 1500, 9).value(), some_lease);
    EXPECT_EQ(client.next(client.pool_table().at(1), 0).value(), some_lease);
    const LeasePage page = client.list("pid", 0, 1).value();
    EXPECT_TRUE(page.more);
    EXPECT_EQ(page.leases, std::vector{some_lease});
    EXPECT_FALSE(client.wait("pid", 5, 3, 1s).value());
    EXPECT_TRUE(client.wait("inode", 5).value());
    const EventPage happened = client.watch("pid", 70, 0ms, 9).value();
    EXPECT_EQ(happened.events, std::vector{some_event});
    EXPECT_EQ(happened.next, 80U);
    EXPECT_EQ(happened.missed, 71U);
    EXPECT_TRUE(happened.more);
    const std::vector<proto::Stat> stats{{proto::StatId::connections, 3}};
    EXPECT_EQ(client.stats("pid").value(), stats);
    EXPECT_EQ(client.daemon_stats().value(), stats);
}

// Whatever became of the connections, the same request goes out until it is answered.
TEST(Blocking, WhatHasATokenIsSentUntilItIsAnswered) {
    const auto has_token = [](proto::Request request) {
        request.tag = 0;
        const proto::Token token{.epoch = 77, .number = 5};
        EXPECT_EQ(request, (proto::Request{0, 0, proto::AllocateRequest{10}, token}));
    };
    FakeDaemon daemon([&](const FakeDaemon::Accept& accept) {
        for (int cut = 0; cut < 3; ++cut) {
            FakePeer peer(accept());
            peer.greet();
            has_token(peer.read());
        }
        FakePeer peer(accept());
        peer.greet();
        const proto::Request last = peer.read();
        has_token(last);
        peer.send({Operation::allocate, last.tag, proto::LeaseReply{{1, 10}, 0}});
        const proto::Request again = peer.read();
        has_token(again);
        const Error expired(Errc::token_expired, 78);
        peer.send({Operation::allocate, again.tag, proto::ErrorReply{expired, ""}});
    });
    Client client = connected_to(daemon);
    const proto::Token token{.epoch = 77, .number = 5};
    EXPECT_EQ(client.allocate_once("inode", token, 10).value(), (proto::LeaseReply{{1, 10}, 0}));
    EXPECT_EQ(client.allocate_once("inode", token, 10).error(), Error(Errc::token_expired, 78));
    EXPECT_EQ(client.new_token().value().epoch, 78U);
    EXPECT_NE(client.new_token().value().number, client.new_token().value().number);
}

TEST(Blocking, ADaemonThatKeepsNoTokensOffersNone) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        peer.read_to_end();
    });
    Client client = connected_to(daemon);
    EXPECT_EQ(client.new_token().error().code, Errc::not_offered);
}

TEST(Blocking, ARefusalHasItsCodeDetailAndText) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        const Error stale(Errc::stale_generation, 12);
        peer.send({Operation::release, peer.read().tag, proto::ErrorReply{stale, ""}});
        const proto::ErrorReply busy{Errc::pool_exhausted, "pool 'inode' is used up"};
        peer.send({Operation::allocate, peer.read().tag, busy});
    });
    Client client = connected_to(daemon);
    EXPECT_EQ(client.release("pid", {5, 5}, 3).error(), Error(Errc::stale_generation, 12));
    EXPECT_EQ(client.error_text(), explanation(Errc::stale_generation));
    EXPECT_EQ(client.allocate("inode").error(), Error(Errc::pool_exhausted));
    EXPECT_EQ(client.error_text(), "pool 'inode' is used up");
}

TEST(Blocking, AnUnknownPoolIsNotAskedFor) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        EXPECT_EQ(peer.read_to_end(), 0U);
    });
    Client client = connected_to(daemon);
    EXPECT_EQ(client.allocate("nothing").error(), Error(Errc::pool_unknown));
    EXPECT_NE(client.error_text().find("'nothing'"), std::string::npos);
}

TEST(Blocking, ARepliesBytesMayComeOneByOne) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        for (int i = 0; i < 3; ++i) {
            const auto bytes =
                bytes_of({Operation::allocate, peer.read().tag, proto::LeaseReply{{42, 42}, 0}});
            for (std::size_t at = 0; at < bytes.size(); ++at)
                peer.send_bytes(std::span(bytes).subspan(at, 1));
        }
    });
    Client client = connected_to(daemon);
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(client.allocate("inode").value().range, (Range{42, 42}));
}

TEST(Blocking, AReplyThatComesTooLateIsPassedOver) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        const std::uint16_t late = peer.read().tag;
        const std::uint16_t second = peer.read().tag;
        EXPECT_NE(late, second);
        peer.send({Operation::allocate, late, proto::LeaseReply{{1, 1}, 0}});
        peer.send({Operation::allocate, second, proto::LeaseReply{{2, 2}, 0}});
    });
    Client client =
        Client::connect({.socket_path = daemon.path(), .pools = {}, .timeout = 2s}).value();
    // The daemon answers only once it has the second request.
    EXPECT_EQ(client.allocate("inode").error().code, Errc::timed_out);
    EXPECT_EQ(client.under_way(), 1U);
    EXPECT_EQ(client.allocate("inode").value().range, (Range{2, 2}));
    EXPECT_EQ(client.under_way(), 0U);
}

TEST(Blocking, ARequestWhoseConnectionBreaksIsInDoubtAndTheNextConnectsAgain) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        {
            FakePeer peer(accept());
            peer.greet();
            peer.read();  // and says nothing
        }
        FakePeer peer(accept());
        peer.greet();
        peer.send({Operation::allocate, peer.read().tag, proto::LeaseReply{{2, 2}, 0}});
    });
    Client client = connected_to(daemon);
    EXPECT_EQ(client.allocate("inode").error(), Error(Errc::in_doubt));
    EXPECT_EQ(client.error_text(), "the daemon closed the connection");
    EXPECT_FALSE(client.connected());
    EXPECT_EQ(client.allocate("inode").value().range, (Range{2, 2}));
}

TEST(Blocking, WhatTheDaemonSaysBeforeItClosesIsTold) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        peer.read();
        peer.send({Operation::none, 0, proto::ErrorReply{Errc::journal_sealed, "good night"}});
    });
    Client client = connected_to(daemon);
    EXPECT_EQ(client.allocate("inode").error(), Error(Errc::in_doubt));
    EXPECT_EQ(client.error_text(), "good night");
}

TEST(Blocking, ARequestThatSurelyWasNotSentIsSentOverANewConnection) {
    std::promise<void> closed;
    FakeDaemon daemon([&closed](const FakeDaemon::Accept& accept) {
        {
            FakePeer peer(accept());
            peer.greet();
        }
        closed.set_value();
        // Another daemon, to which the pool of that name has another index.
        FakePeer peer(accept());
        peer.greet(3);
        const proto::Request request = peer.read();
        EXPECT_EQ(request.pool, 3);
        peer.send({Operation::allocate, request.tag, proto::LeaseReply{{2, 2}, 0}});
    });
    Client client = connected_to(daemon);
    closed.get_future().wait();
    EXPECT_TRUE(client.connected()) << "the client does not know yet";
    EXPECT_EQ(client.allocate("inode").value().range, (Range{2, 2}));
}

TEST(Blocking, WhatIsNoReplyIsAViolation) {
    using Bytes = std::vector<std::byte>;
    struct Case {
        const char* name;
        Bytes (*answer)(std::uint16_t tag);
    };
    const auto lease = [](std::uint16_t tag) {
        return bytes_of({Operation::allocate, tag, proto::LeaseReply{{1, 1}, 0}});
    };
    static const auto change = [lease](std::uint16_t tag, std::size_t at, int value) {
        Bytes bytes = lease(tag);
        bytes.at(at) = static_cast<std::byte>(value);
        return bytes;
    };
    static const auto lease_of = lease;
    const Case cases[] = {
        {"a size below 8", [](std::uint16_t tag) { return change(tag, 0, 7); }},
        {"no reply flag", [](std::uint16_t tag) { return change(tag, 3, 0); }},
        {"an unknown flag", [](std::uint16_t tag) { return change(tag, 3, 0x84); }},
        {"another operation", [](std::uint16_t tag) { return change(tag, 2, 4); }},
        {"an unknown operation", [](std::uint16_t tag) { return change(tag, 2, 99); }},
        {"a body of another one", [](std::uint16_t tag) { return change(tag, 2, 7); }},
        {"a range turned round", [](std::uint16_t tag) { return change(tag, 8, 2); }},
        {"a tag not under way",
         [](std::uint16_t tag) { return lease_of(static_cast<std::uint16_t>(tag + 1)); }},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        FakeDaemon daemon([&c](const FakeDaemon::Accept& accept) {
            FakePeer peer(accept());
            peer.greet();
            peer.send_bytes(c.answer(peer.read().tag));
            peer.read_to_end();
        });
        Client client = connected_to(daemon);
        EXPECT_EQ(client.allocate("inode").error(), Error(Errc::protocol_violation));
        EXPECT_FALSE(client.connected());
        EXPECT_EQ(client.under_way(), 0U);
        EXPECT_FALSE(client.error_text().empty());
    }
}

TEST(Blocking, ALookupsLongReplyToItsShortFormIsAViolation) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        peer.send({Operation::lookup, peer.read().tag, some_lease});
        peer.read_to_end();
    });
    Client client = connected_to(daemon);
    EXPECT_EQ(client.lookup("inode", 1500).error(), Error(Errc::protocol_violation));
    EXPECT_FALSE(client.connected());
}

}  // namespace
}  // namespace inod
