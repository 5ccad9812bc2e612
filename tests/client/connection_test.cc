// Connecting: the hello, the pool table, and the ways in which there is no daemon.
#include <array>
#include <chrono>
#include <future>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lib/client/client.h"
#include "tests/client/fake_daemon.h"

namespace inod {
namespace {

using namespace std::chrono_literals;
using proto::Operation;

TEST(Connection, NobodyAtTheSocket) {
    struct Case {
        const char* name;
        std::string path;
    };
    const Case cases[] = {
        {"no such file", testing::TempDir() + "inod_client_test_nobody"},
        {"an empty path", ""},
        {"too long", std::string(108, 'x')},
        {"not a socket", "/dev/null"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        const auto client = Client::connect({.socket_path = c.path, .pools = {}, .timeout = 1s});
        ASSERT_FALSE(client);
        EXPECT_EQ(client.error().code, Errc::not_connected);
        EXPECT_EQ(client.error().message.find(c.path), 0U) << client.error().message;
    }
}

TEST(Connection, TheHelloNamesThePoolsAndBringsTheTable) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        const proto::Request request = peer.read();
        const auto& hello = std::get<proto::HelloRequest>(request.body);
        EXPECT_EQ(hello.version_min, 1);
        EXPECT_EQ(hello.version_max, 1);
        EXPECT_EQ(hello.features, proto::feature_resume);
        auto names = hello.pools;
        EXPECT_EQ(names.take(), "inode");
        EXPECT_EQ(names.take(), "pid");
        EXPECT_EQ(names.take(), std::nullopt);
        proto::PoolEntry entry;
        entry.index = 3;
        entry.range = {2, 9};
        entry.name = "pid";
        std::array<std::byte, 64> memory{};
        proto::HelloReply reply;
        reply.tags_max = 4;
        reply.table.pools =
            proto::Packed<proto::PoolEntry>::pack(std::vector{entry}, memory).value();
        peer.send({Operation::hello, request.tag, reply});
    });
    const auto client =
        Client::connect({.socket_path = daemon.path(), .pools = {"inode", "pid"}, .timeout = 10s});
    ASSERT_TRUE(client) << client.error().message;
    ASSERT_EQ(client->pool_table().size(), 1U);
    EXPECT_EQ(client->pool_table().at(0).range, (Range{2, 9}));
    EXPECT_EQ(client->find_pool("pid")->index, 3);
    EXPECT_EQ(client->find_pool("inode"), nullptr);
    EXPECT_EQ(client->under_way_max(), 4U);
}

TEST(Connection, ATableOfSeveralPagesIsReadToItsEnd) {
    const auto page = [](FakePeer& peer, Operation operation, std::uint16_t tag,
                         std::uint16_t index, bool more) {
        proto::PoolEntry entry;
        entry.index = index;
        const std::string name = "pool" + std::to_string(index);
        entry.name = name;
        std::array<std::byte, 64> memory{};
        const proto::PoolsReply table{
            more, proto::Packed<proto::PoolEntry>::pack(std::vector{entry}, memory).value()};
        proto::HelloReply hello;
        hello.table = table;
        if (operation == Operation::hello) peer.send({operation, tag, hello});
        if (operation == Operation::pools) peer.send({operation, tag, table});
    };
    FakeDaemon daemon([&page](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        page(peer, Operation::hello, peer.read().tag, 0, true);
        for (const std::uint16_t index : {std::uint16_t{5}, std::uint16_t{6}}) {
            const proto::Request request = peer.read();
            EXPECT_TRUE(std::holds_alternative<proto::PoolsRequest>(request.body));
            EXPECT_EQ(request.pool, index == 5 ? 1 : 6);
            page(peer, Operation::pools, request.tag, index, index == 5);
        }
        // A table that goes back would be read without end.
        page(peer, Operation::pools, peer.read().tag, 9, true);
        page(peer, Operation::pools, peer.read().tag, 9, true);
    });
    auto client =
        Client::connect({.socket_path = daemon.path(), .pools = {}, .timeout = 10s}).value();
    ASSERT_EQ(client.pool_table().size(), 3U);
    EXPECT_EQ(client.pool_table().at(2).name, "pool6");
    EXPECT_EQ(client.pools().error(), Error(Errc::protocol_violation));
}

TEST(Connection, DescriptorsAreSentOnlyToWhomTakesThem) {
    struct Case {
        const char* name;
        bool wishes;
        const char* why;
    };
    const Case cases[] = {
        {"nobody asked", false, "ClientOptions::passes_descriptors is not set"},
        {"an older daemon", true, "this daemon takes no descriptors; a newer one does"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        FakeDaemon daemon([&c](const FakeDaemon::Accept& accept) {
            FakePeer peer(accept());
            const proto::Request request = peer.read();
            const auto& hello = std::get<proto::HelloRequest>(request.body);
            EXPECT_EQ(hello.features & proto::feature_descriptors,
                      c.wishes ? proto::feature_descriptors : 0);
            peer.send({Operation::hello, request.tag, proto::HelloReply{}});
            EXPECT_EQ(peer.read_to_end(), 0U) << "nothing of what was refused here";
        });
        Client client = Client::connect({.socket_path = daemon.path(),
                                         .pools = {},
                                         .timeout = 10s,
                                         .passes_descriptors = c.wishes})
                            .value();
        const proto::Request ping{.body = proto::PingRequest{}};
        EXPECT_EQ(client.send(ping, 0).error(), Error(Errc::descriptor_unexpected));
        EXPECT_EQ(client.error_text(), c.why);
        EXPECT_EQ(client.under_way(), 0U);
    }
}

TEST(Connection, ADescriptorThatIsNoneIsNotSent) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        proto::HelloReply reply;
        reply.features = proto::feature_descriptors;
        peer.send({Operation::hello, peer.read().tag, reply});
        EXPECT_EQ(peer.read_to_end(), 0U);
    });
    Client client =
        Client::connect(
            {.socket_path = daemon.path(), .pools = {}, .timeout = 10s, .passes_descriptors = true})
            .value();
    EXPECT_EQ(client.send({.body = proto::PingRequest{}}, -1).error(), Error(Errc::io_error));
    EXPECT_NE(client.error_text().find("Bad file descriptor"), std::string::npos);
    EXPECT_EQ(client.under_way(), 0U);
}

TEST(Connection, ARefusedHelloIsTold) {
    struct Case {
        const char* name;
        proto::ErrorReply error;
        bool unasked;
    };
    const Case cases[] = {
        {"of the request", {Errc::pool_unknown, "no pool 'inode'"}, false},
        {"of the connection", {Errc::too_many_connections, "64 are the limit"}, true},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        FakeDaemon daemon([&c](const FakeDaemon::Accept& accept) {
            FakePeer peer(accept());
            const std::uint16_t tag = peer.read().tag;
            if (c.unasked) {
                peer.send({Operation::none, 0, c.error});
            } else {
                peer.send({Operation::hello, tag, c.error});
            }
        });
        const auto client =
            Client::connect({.socket_path = daemon.path(), .pools = {"inode"}, .timeout = 10s});
        ASSERT_FALSE(client);
        EXPECT_EQ(client.error().code, c.error.error.code);
        EXPECT_EQ(client.error().message, daemon.path() + ": " + std::string(c.error.text));
    }
}

// As a busy daemon does it: the refusal comes and the connection is closed before the hello is
// written, so that writing it fails.
TEST(Connection, ARefusalBeforeTheHelloIsTold) {
    for (int round = 0; round < 50; ++round) {
        FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
            FakePeer peer(accept());
            const proto::ErrorReply error{Errc::too_many_connections, ""};
            peer.send({Operation::none, 0, error});
        });
        const auto client =
            Client::connect({.socket_path = daemon.path(), .pools = {}, .timeout = 10s});
        ASSERT_FALSE(client);
        EXPECT_EQ(client.error().code, Errc::too_many_connections) << client.error().message;
    }
}

TEST(Connection, AHelloIsNeverInDoubt) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.read();  // and says nothing
    });
    const auto client =
        Client::connect({.socket_path = daemon.path(), .pools = {}, .timeout = 10s});
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code, Errc::not_connected);
}

TEST(Connection, ASilentDaemonTimesOut) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.read_to_end();
    });
    const auto client =
        Client::connect({.socket_path = daemon.path(), .pools = {}, .timeout = 50ms});
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code, Errc::timed_out);
}

TEST(Connection, ADaemonOfAnotherVersionIsNoDaemonOfOurs) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        proto::HelloReply reply;
        reply.version = 2;
        peer.send({Operation::hello, peer.read().tag, reply});
        peer.read_to_end();
    });
    const auto client =
        Client::connect({.socket_path = daemon.path(), .pools = {}, .timeout = 10s});
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code, Errc::protocol_violation);
}

TEST(Connection, TooManyNamesForOneHello) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.read_to_end();
    });
    const auto client = Client::connect({.socket_path = daemon.path(),
                                         .pools = std::vector<std::string>(500, "some_name"),
                                         .timeout = 10s});
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code, Errc::frame_too_long);
}

}  // namespace
}  // namespace inod
