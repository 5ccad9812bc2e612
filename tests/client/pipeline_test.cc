// The pipelined interface: tags, order, and what comes back when the connection does not.
#include <algorithm>
#include <chrono>
#include <future>
#include <map>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "lib/client/client.h"
#include "tests/client/fake_daemon.h"

namespace inod {
namespace {

using namespace std::chrono_literals;
using proto::Operation;

Deadline in(std::chrono::milliseconds time) {
    return std::chrono::steady_clock::now() + time;
}

proto::Request allocate(std::uint64_t count) {
    return {.pool = 0, .tag = 0, .body = proto::AllocateRequest{.count = count}};
}

Errc code_of(const proto::Reply& reply) {
    const auto* const error = std::get_if<proto::ErrorReply>(&reply.body);
    return error == nullptr ? Errc::ok : error->error.code;
}

TEST(ClientPipeline, RepliesFindTheirRequestsInAnyOrder) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        std::vector<std::pair<std::uint16_t, std::uint64_t>> requests;
        for (int i = 0; i < 4; ++i) {
            const proto::Request request = peer.read();
            const auto* const asked = std::get_if<proto::AllocateRequest>(&request.body);
            requests.emplace_back(request.tag, asked == nullptr ? 1 : asked->count);
        }
        // The last, a ping that the client waits for, first.
        peer.send({Operation::ping, requests.at(3).first, proto::DoneReply{}});
        for (const std::size_t i : {2U, 0U, 1U}) {
            const auto [tag, count] = requests.at(i);
            peer.send({Operation::allocate, tag, proto::LeaseReply{{1, count}, 0}});
        }
    });
    Client client = connected_to(daemon);
    std::map<std::uint16_t, std::uint64_t> count_by_tag;
    for (const std::uint64_t count : {10U, 20U, 30U})
        count_by_tag[client.send(allocate(count)).value()] = count;
    EXPECT_EQ(count_by_tag.size(), 3U);
    EXPECT_TRUE(client.ping());
    EXPECT_EQ(client.under_way(), 3U);
    for (int i = 0; i < 3; ++i) {
        const auto reply = client.receive(in(10s)).value();
        EXPECT_EQ(std::get<proto::LeaseReply>(reply.body).range.last, count_by_tag.at(reply.tag));
    }
    EXPECT_EQ(client.under_way(), 0U);
    EXPECT_EQ(client.receive(in(10s)).error(), Error(Errc::timed_out)) << "nothing could come";
}

TEST(ClientPipeline, ABlockingCallKeepsTheRepliesToOthers) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        const std::uint16_t first = peer.read().tag;
        const std::uint16_t second = peer.read().tag;
        peer.send({Operation::allocate, first, proto::LeaseReply{{1, 1}, 0}});
        peer.send({Operation::ping, second, proto::DoneReply{}});
    });
    Client client = connected_to(daemon);
    const std::uint16_t tag = client.send(allocate(1)).value();
    EXPECT_TRUE(client.ping());
    const auto reply = client.receive(in(10s)).value();
    EXPECT_EQ(reply.tag, tag);
    EXPECT_EQ(code_of(reply), Errc::ok);
}

TEST(ClientPipeline, ATagUnderWayIsNotUsedAgain) {
    constexpr int request_count = 3 * 65'536;
    constexpr int depth = 64;
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        // The first is answered last.
        const std::uint16_t slow = peer.read().tag;
        std::vector<std::byte> replies;
        for (int i = 0; i < request_count; ++i) {
            const std::uint16_t tag = peer.read().tag;
            ASSERT_NE(tag, slow);
            ASSERT_NE(tag, 0);
            const auto bytes = bytes_of({Operation::ping, tag, proto::DoneReply{}});
            replies.insert(replies.end(), bytes.begin(), bytes.end());
            if (i % depth == depth - 1) peer.send_bytes(std::exchange(replies, {}));
        }
        peer.send({Operation::allocate, slow, proto::LeaseReply{{1, 1}, 0}});
    });
    Client client = connected_to(daemon);
    const std::uint16_t slow = client.send(allocate(1)).value();
    for (int i = 0; i < request_count; i += depth) {
        std::set<std::uint16_t> tags;
        for (int k = 0; k < depth; ++k)
            tags.insert(client.send({.body = proto::PingRequest{}}).value());
        ASSERT_EQ(tags.size(), std::size_t{depth});
        ASSERT_TRUE(client.flush(in(10s)));
        for (int k = 0; k < depth; ++k)
            ASSERT_EQ(tags.erase(client.receive(in(10s)).value().tag), 1U);
    }
    EXPECT_EQ(client.receive(in(10s)).value().tag, slow);
}

TEST(ClientPipeline, NoMoreRequestsThanThereAreTags) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        peer.read_to_end();
    });
    Client client = connected_to(daemon);
    ASSERT_EQ(client.under_way_max(), 65'535U);
    std::set<std::uint16_t> tags;
    for (int i = 0; i < 65'535; ++i)
        tags.insert(client.send({.body = proto::PingRequest{}}).value());
    EXPECT_EQ(tags.size(), 65'535U);
    EXPECT_EQ(client.send({.body = proto::PingRequest{}}).error(), Error(Errc::timed_out));
    EXPECT_EQ(client.ping().error(), Error(Errc::timed_out));
}

// What the kernel took may have been carried out, the rest surely was not; each comes back once.
TEST(ClientPipeline, ABrokenConnectionPartsWhatIsInDoubtFromWhatWasNotSent) {
    constexpr int request_count = 60'000;
    std::promise<void> promise;
    FakeDaemon daemon([full = promise.get_future().share()](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        full.wait();
    });
    std::promise<void> full = std::move(promise);  // ends the wait when the test ends early
    Client client = connected_to(daemon);
    std::vector<std::uint16_t> tags;
    for (int i = 0; i < request_count; ++i)
        tags.push_back(client.send(allocate(1)).value());
    EXPECT_EQ(client.flush(in(20ms)).error(), Error(Errc::timed_out)) << "nobody reads";
    full.set_value();

    std::map<std::uint16_t, Errc> got;
    while (client.under_way() > 0) {
        const auto reply = client.receive(in(10s)).value();
        EXPECT_TRUE(got.emplace(reply.tag, code_of(reply)).second);
    }
    ASSERT_EQ(got.size(), tags.size());
    const auto first_unsent = std::ranges::find_if(
        tags, [&got](std::uint16_t tag) { return got.at(tag) == Errc::not_connected; });
    EXPECT_GT(first_unsent - tags.begin(), 1'000);
    EXPECT_LT(first_unsent - tags.begin(), request_count);
    EXPECT_TRUE(std::all_of(tags.begin(), first_unsent,
                            [&got](std::uint16_t tag) { return got.at(tag) == Errc::in_doubt; }));
    EXPECT_TRUE(std::all_of(first_unsent, tags.end(), [&got](std::uint16_t tag) {
        return got.at(tag) == Errc::not_connected;
    }));
    EXPECT_EQ(client.send(allocate(1)).error(), Error(Errc::not_connected));
    EXPECT_EQ(client.flush(in(10s)).error(), Error(Errc::not_connected));
}

TEST(ClientPipeline, RepliesThatCameBeforeTheEndCount) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        {
            FakePeer peer(accept());
            peer.greet();
            const std::uint16_t first = peer.read().tag;
            peer.read();
            peer.send({Operation::allocate, first, proto::LeaseReply{{1, 1}, 0}});
        }
        FakePeer peer(accept());
        peer.greet();
        peer.send({Operation::ping, peer.read().tag, proto::DoneReply{}});
    });
    Client client = connected_to(daemon);
    const std::uint16_t first = client.send(allocate(1)).value();
    const std::uint16_t second = client.send(allocate(1)).value();
    // By a blocking call, which connects again, in between: nothing is lost by that.
    EXPECT_EQ(client.ping().error(), Error(Errc::in_doubt));
    EXPECT_TRUE(client.ping());
    EXPECT_EQ(client.under_way(), 2U);
    std::map<std::uint16_t, Errc> got;
    for (int i = 0; i < 2; ++i) {
        const auto reply = client.receive(in(10s)).value();
        got[reply.tag] = code_of(reply);
    }
    EXPECT_EQ(got.at(first), Errc::ok);
    EXPECT_EQ(got.at(second), Errc::in_doubt);
}

TEST(ClientPipeline, ASecondReplyToOneRequestIsAViolation) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        const std::uint16_t tag = peer.read().tag;
        peer.read();
        peer.send({Operation::allocate, tag, proto::LeaseReply{{1, 1}, 0}});
        peer.send({Operation::allocate, tag, proto::LeaseReply{{2, 2}, 0}});
        peer.read_to_end();
    });
    Client client = connected_to(daemon);
    const std::uint16_t first = client.send(allocate(1)).value();
    const std::uint16_t second = client.send(allocate(1)).value();
    EXPECT_EQ(client.receive(in(10s)).value().tag, first);
    EXPECT_EQ(client.receive(in(10s)).error(), Error(Errc::protocol_violation));
    const auto reply = client.receive(in(10s)).value();
    EXPECT_EQ(reply.tag, second);
    EXPECT_EQ(code_of(reply), Errc::in_doubt);
}

TEST(ClientPipeline, AViolationLeavesWhatIsUnderWayInDoubt) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        peer.read();
        peer.read();
        peer.send_bytes(std::vector<std::byte>(8));
        peer.read_to_end();
    });
    Client client = connected_to(daemon);
    std::set<std::uint16_t> tags{client.send(allocate(1)).value(),
                                 client.send(allocate(1)).value()};
    EXPECT_EQ(client.receive(in(10s)).error(), Error(Errc::protocol_violation));
    for (int i = 0; i < 2; ++i) {
        const auto reply = client.receive(in(10s)).value();
        EXPECT_EQ(code_of(reply), Errc::in_doubt);
        EXPECT_EQ(tags.erase(reply.tag), 1U);
    }
}

// A daemon whose replies nobody reads stops reading: who only writes would wait for ever.
TEST(ClientPipeline, AFlushReadsWhileItWrites) {
    constexpr std::size_t request_count = 20'000;
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        const std::string text(1'000, 'x');
        for (std::size_t i = 0; i < request_count; ++i) {
            const proto::ErrorReply error{Errc::pool_exhausted, text};
            peer.send({Operation::allocate, peer.read().tag, error});
        }
    });
    Client client = connected_to(daemon);
    for (std::size_t i = 0; i < request_count; ++i)
        ASSERT_TRUE(client.send(allocate(1)));
    ASSERT_TRUE(client.flush(in(60s)));
    std::set<std::uint16_t> tags;
    while (client.under_way() > 0) {
        const auto reply = client.receive(in(10s)).value();
        EXPECT_EQ(std::get<proto::ErrorReply>(reply.body).text.size(), 1'000U);
        tags.insert(reply.tag);
    }
    EXPECT_EQ(tags.size(), request_count);
}

TEST(ClientPipeline, FramesThatALaterVersionSendsUnaskedArePassedOver) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        const std::uint16_t tag = peer.read().tag;
        auto event = bytes_of({Operation::ping, 0, proto::DoneReply{}});
        event.at(2) = std::byte{200};
        peer.send_bytes(event);
        peer.send({Operation::ping, tag, proto::DoneReply{}});
    });
    Client client = connected_to(daemon);
    EXPECT_TRUE(client.ping());
}

}  // namespace
}  // namespace inod
