// Connections under strain: clients that do not read, that ask for more than fits, that close in
// the middle. Each is answered in full or ended, and nobody else notices.

#include <chrono>
#include <csignal>
#include <filesystem>
#include <set>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "tests/e2e/daemon_process.h"
#include "tests/e2e/raw_connection.h"
#include "tests/e2e/support.h"

namespace inod::e2e {
namespace {

constexpr std::uint16_t inode = 0;

class Flow : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(daemon_.start()) << daemon_.log(); }

    [[nodiscard]] std::size_t descriptor_count() const {
        const auto path = "/proc/" + std::to_string(daemon_.pid()) + "/fd";
        return static_cast<std::size_t>(
            std::distance(std::filesystem::directory_iterator(path), {}));
    }

    // The daemon notices a closed connection when it gets to it.
    void expect_connections(std::uint64_t want) {
        Client client = daemon_.connect();
        std::uint64_t count = 0;
        for (const Deadline deadline = soon(); std::chrono::steady_clock::now() < deadline;) {
            count = value_of(client.daemon_stats().value(), proto::StatId::connections);
            if (count == want + 1) return;
        }
        FAIL() << count - 1 << " connections, not " << want;
    }

    DaemonProcess daemon_{three_pools};
};

TEST_F(Flow, AnswersAHundredThousandRequestsToOneWhoReadsLate) {
    constexpr std::size_t count = 100'000;
    // More than 65,535 are under way at once, so tags come twice: the replies are counted by tag.
    struct Case {
        const char* name;
        proto::Request::Body body;
    };
    const Case cases[] = {
        {"durable before they are answered", proto::AllocateRequest{.count = 1}},
        {"answered at once", proto::LookupRequest{.id = 1}},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        Bytes requests;
        for (std::size_t i = 0; i < count; ++i) {
            const auto tag = static_cast<std::uint16_t>(1 + i % 65'535);
            const Bytes request = encoded({.pool = inode, .tag = tag, .body = c.body});
            requests.insert(requests.end(), request.begin(), request.end());
        }
        RawConnection late(daemon_.socket());
        late.greet();
        std::size_t sent = 0;
        // Until the daemon reads no more.
        for (Client other = daemon_.connect(); sent < requests.size();) {
            const auto more = late.send_some(std::span(requests).subspan(sent));
            sent += more;
            ASSERT_TRUE(other.allocate("inode").has_value()) << "others are served meanwhile";
            if (more > 0) continue;
            pollfd event{.fd = late.fd(), .events = POLLOUT, .revents = 0};
            if (poll(&event, 1, 200) == 0) break;
        }
        EXPECT_LT(sent, requests.size()) << "it is read from no further than it reads";

        std::size_t replies = 0;
        std::set<Id> numbers;
        while (replies < count) {
            if (sent < requests.size()) {
                sent += late.send_some(std::span(requests).subspan(sent));
            }
            const auto answer = late.receive();
            ASSERT_TRUE(answer.has_value());
            ASSERT_EQ(answer->code(), Errc::ok);
            ++replies;
            if (answer->header.operation == proto::Operation::allocate) {
                numbers.insert(std::get<proto::LeaseReply>(answer->reply().body).range.first);
            }
        }
        const bool allocates = std::holds_alternative<proto::AllocateRequest>(c.body);
        EXPECT_EQ(numbers.size(), allocates ? count : 0) << "each reply its own number";
        EXPECT_EQ(late.ask({.tag = 7, .body = proto::PingRequest{}}).header.tag, 7);
    }
}

// Each request of 24 bytes asks for a reply of 64 KiB, far more than the room for replies.
TEST_F(Flow, AnswersRequestsWhoseRepliesAreMuchLonger) {
    Client client = daemon_.connect();
    ASSERT_TRUE(client.allocate("inode", 4'000).has_value());
    for (Id id = 2; id <= 4'000; id += 2) {
        client.send({.pool = inode, .body = proto::ReleaseRequest{.range = {id, id}}}).value();
    }
    while (client.under_way() > 0)
        ASSERT_TRUE(client.receive(soon()).has_value());

    RawConnection lister(daemon_.socket());
    lister.greet();
    Bytes requests;
    constexpr std::uint16_t count = 300;
    for (std::uint16_t tag = 1; tag <= count; ++tag) {
        const Bytes request = encoded({.pool = inode, .tag = tag, .body = proto::ListRequest{}});
        requests.insert(requests.end(), request.begin(), request.end());
    }
    ASSERT_TRUE(lister.send(requests));
    for (std::uint16_t tag = 1; tag <= count; ++tag) {
        const auto answer = lister.receive();
        ASSERT_TRUE(answer.has_value());
        EXPECT_EQ(answer->header.tag, tag);
        EXPECT_EQ(std::get<proto::ListReply>(answer->reply().body).leases.count(), 1'637U);
    }
}

// As above, with replies that wait for the disk because another client keeps changing things.
TEST_F(Flow, AnswersLongListsWhileOthersChangeThePool) {
    Client writer = daemon_.connect();
    ASSERT_TRUE(writer.allocate("inode", 4'000).has_value());
    for (Id id = 2; id <= 4'000; id += 2)
        writer.send({.pool = inode, .body = proto::ReleaseRequest{.range = {id, id}}}).value();
    while (writer.under_way() > 0)
        ASSERT_TRUE(writer.receive(soon()).has_value());

    RawConnection lister(daemon_.socket());
    lister.greet();
    constexpr std::uint16_t count = 100;
    Bytes requests;
    for (std::uint16_t tag = 1; tag <= count; ++tag) {
        for (const Bytes& request :
             {encoded({.pool = inode, .tag = tag, .body = proto::AllocateRequest{}}),
              encoded({.pool = inode,
              .tag = static_cast<std::uint16_t>(count + tag),
              .body = proto::ListRequest{}})}) {
            requests.insert(requests.end(), request.begin(), request.end());
        }
    }
    ASSERT_TRUE(lister.send(requests));
    std::set<std::uint16_t> tags;
    for (int i = 0; i < 2 * count; ++i) {
        const auto answer = lister.receive();
        ASSERT_TRUE(answer.has_value());
        ASSERT_EQ(answer->code(), Errc::ok);
        tags.insert(answer->header.tag);
    }
    EXPECT_EQ(tags.size(), 2U * count);
}

TEST_F(Flow, AnswersAllThatWasSentBeforeTheClientStoppedSending) {
    RawConnection half(daemon_.socket());
    constexpr std::uint16_t count = 1'000;
    ASSERT_TRUE(half.send({.tag = count + 1, .body = proto::HelloRequest{}}));
    for (std::uint16_t tag = 1; tag <= count; ++tag) {
        ASSERT_TRUE(half.send({.pool = inode, .tag = tag, .body = proto::AllocateRequest{}}));
    }
    half.finish_sending();
    std::set<std::uint16_t> tags;
    while (const auto answer = half.receive()) {
        EXPECT_EQ(answer->code(), Errc::ok);
        tags.insert(answer->header.tag);
    }
    EXPECT_EQ(tags.size(), count + 1U) << "and then the daemon closes";
    expect_connections(0);
}

TEST_F(Flow, ForgetsAConnectionThatClosesInTheMiddleOfAFrame) {
    for (int i = 0; i < 50; ++i) {
        RawConnection connection(daemon_.socket());
        connection.greet();
        const Bytes request = encoded({.pool = inode, .tag = 1, .body = proto::AllocateRequest{}});
        const auto part = static_cast<std::ptrdiff_t>(1 + i % 15);
        ASSERT_TRUE(connection.send(Bytes(request.begin(), request.begin() + part)));
    }
    expect_connections(0);
    Client client = daemon_.connect();
    EXPECT_TRUE(list_all(client, "inode").empty()) << "a part of a request is none";
}

TEST_F(Flow, ForgetsAConnectionThatClosesWithRepliesUnderWay) {
    for (int i = 0; i < 50; ++i) {
        RawConnection connection(daemon_.socket());
        connection.greet();
        for (std::uint16_t tag = 1; tag <= 100; ++tag) {
            ASSERT_TRUE(
                connection.send({.pool = inode, .tag = tag, .body = proto::AllocateRequest{}}));
        }
    }
    expect_connections(0);
}

TEST_F(Flow, KeepsNoDescriptorThatAClientPasses) {
    RawConnection connection(daemon_.socket());
    connection.greet();
    const std::size_t before = descriptor_count();
    for (std::uint16_t tag = 1; tag <= 100; ++tag) {
        const OwnedFd passed(open("/dev/null", O_RDONLY | O_CLOEXEC));
        ASSERT_TRUE(connection.send(encoded({.tag = tag, .body = proto::PingRequest{}}),
                                    {passed.get(), passed.get(), passed.get()}));
        const auto answer = connection.receive();
        ASSERT_TRUE(answer.has_value());
        EXPECT_EQ(answer->code(), Errc::ok) << "it goes on";
        EXPECT_EQ(answer->header.tag, tag);
    }
    // The daemon may have opened a few files of its own meanwhile, for space that it sets aside.
    EXPECT_LT(descriptor_count(), before + 50);
}

TEST(FlowLimit, RefusesOneConnectionTooManyAndServesTheOthers) {
    DaemonProcess daemon(R"({"connections_max": 3, "pools": [
        {"name": "inode", "policy": "unique", "min": 1, "max": 1000}]})");
    ASSERT_TRUE(daemon.start()) << daemon.log();
    std::vector<Client> clients;
    for (int i = 0; i < 3; ++i)
        clients.push_back(daemon.connect());
    for (int i = 0; i < 100; ++i) {
        RawConnection refused(daemon.socket());
        const auto answer = refused.receive();
        ASSERT_TRUE(answer.has_value());
        EXPECT_EQ(answer->code(), Errc::too_many_connections);
        EXPECT_EQ(answer->header.tag, 0);
        EXPECT_TRUE(refused.closed());
    }
    const auto refused =
        Client::connect({.socket_path = daemon.socket(), .pools = {}, .timeout = patience});
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, Errc::too_many_connections) << refused.error().message;
    // What it asks for is not carried out, even if it is there before the daemon looks.
    daemon.signal(SIGSTOP);
    RawConnection hasty(daemon.socket());
    hasty.send(encoded({.tag = 1, .body = proto::HelloRequest{}}));
    hasty.send({.pool = 0, .tag = 2, .body = proto::AllocateRequest{}});
    daemon.signal(SIGCONT);
    EXPECT_EQ(hasty.receive().value().code(), Errc::too_many_connections);
    EXPECT_TRUE(list_all(clients[0], "inode").empty());
    for (Client& client : clients)
        EXPECT_TRUE(client.allocate("inode").has_value());

    clients.pop_back();
    // The place is free as soon as the daemon has noticed.
    for (const Deadline deadline = soon(); std::chrono::steady_clock::now() < deadline;) {
        const auto again =
            Client::connect({.socket_path = daemon.socket(), .pools = {}, .timeout = patience});
        if (again) return;
        ASSERT_EQ(again.error().code, Errc::too_many_connections);
    }
    FAIL() << "the place of a client that left stays taken";
}

// Connections take memory too: past the budget a new one is told so, and one that ends makes room.
TEST(Memory, ConnectionsCountAgainstTheBudget) {
    DaemonProcess daemon(R"({"pools": [{"name": "inode", "policy": "unique", "min": 1,
                             "max": 1000}], "memory_max": 2097152})");
    ASSERT_TRUE(daemon.start()) << daemon.log();
    const auto connect = [&] {
        return Client::connect({.socket_path = daemon.socket(), .pools = {}});
    };
    std::vector<Client> clients;
    auto client = connect();
    for (; client; client = connect()) {
        clients.push_back(std::move(*client));
        ASSERT_LT(clients.size(), 2'000U) << "the budget is for far fewer";
    }
    EXPECT_EQ(client.error().code, Errc::out_of_memory) << client.error().message;
    ASSERT_GT(clients.size(), 2U);
    for (Client& other : clients)
        EXPECT_TRUE(other.ping());
    clients.pop_back();
    // The daemon sees the end when it comes to it; until then it says no.
    const Deadline deadline = soon();
    do {
        client = connect();
    } while (!client && std::chrono::steady_clock::now() < deadline);
    EXPECT_TRUE(client.has_value());
}

// What a pool's numbers took is anybody's when they are released.
TEST(Memory, OfReleasedNumbersIsThereForOthers) {
    DaemonProcess daemon(
        R"({"pools": [{"name": "port", "policy": "cyclic", "min": 1, "max": 1000000000},
                      {"name": "inode", "policy": "cyclic", "min": 1, "max": 1000000000}],
            "memory_max": 786432})");
    ASSERT_TRUE(daemon.start()) << daemon.log();
    Client client = daemon.connect();
    // Far apart, so that each takes memory of its own.
    const auto claim_all = [&](std::uint16_t pool) {
        std::vector<proto::LeaseReply> leases;
        Errc refusal = Errc::ok;
        for (Id next = 1; refusal == Errc::ok;) {
            for (int i = 0; i < 100; ++i, next += 10'000)
                client.send({.pool = pool, .body = proto::AllocateAtRequest{{next, next}}}).value();
            while (client.under_way() > 0) {
                const proto::Reply reply = client.receive(soon()).value();
                const auto* const lease = std::get_if<proto::LeaseReply>(&reply.body);
                if (lease != nullptr) leases.push_back(*lease);
                if (lease == nullptr) refusal = std::get<proto::ErrorReply>(reply.body).error.code;
            }
        }
        EXPECT_EQ(refusal, Errc::out_of_memory);
        return leases;
    };
    const auto connect = [&] {
        return Client::connect({.socket_path = daemon.socket(), .pools = {}});
    };
    const auto leases = claim_all(0);
    ASSERT_GT(leases.size(), 1'000U);
    std::vector<Client> others;
    auto other = connect();
    for (; other; other = connect())
        others.push_back(std::move(*other));
    ASSERT_EQ(other.error().code, Errc::out_of_memory) << other.error().message;

    const auto expect_released = [&] {
        const proto::Reply reply = client.receive(soon()).value();
        EXPECT_TRUE(std::holds_alternative<proto::DoneReply>(reply.body));
    };
    for (const auto& lease : leases) {
        const proto::ReleaseRequest release{.range = lease.range, .generation = lease.generation};
        if (client.under_way() == 500) expect_released();
        client.send({.pool = 0, .body = release}).value();
    }
    while (client.under_way() > 0)
        expect_released();
    EXPECT_TRUE(connect().has_value());
    others.clear();
    EXPECT_GT(claim_all(1).size(), leases.size() / 2);
}

}  // namespace
}  // namespace inod::e2e
