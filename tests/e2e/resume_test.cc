// Connections that outlive the daemon: the service manager keeps them, and the next daemon goes on. After a stop nothing
// that was asked fails, after kill -9 nothing that was acknowledged is lost, and what has a token is exact.
#include "proto/resume.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/e2e/daemon_process.h"
#include "tests/e2e/raw_connection.h"
#include "tests/e2e/support.h"

namespace inod::e2e {
namespace {

using proto::Unanswered;

bool is_error(const proto::Reply& reply) {
    return std::holds_alternative<proto::ErrorReply>(reply.body);
}

Errc code_of(const proto::Reply& reply) {
    const auto* const error = std::get_if<proto::ErrorReply>(&reply.body);
    return error != nullptr ? error->error.code : Errc::ok;
}

class Resume : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(daemon_.start()) << daemon_.log(); }

    void stop_and_start() {
        ASSERT_EQ(daemon_.terminate(), (Exit{.status = 0})) << daemon_.log();
        ASSERT_TRUE(daemon_.start()) << daemon_.log();
    }
    void kill_and_start() {
        daemon_.kill9();
        ASSERT_TRUE(daemon_.start()) << daemon_.log();
    }
    // Until the store has so many connections.
    void await_kept(std::size_t count) {
        while (daemon_.manager().kept_connections() != count)
            ASSERT_FALSE(daemon_.await_notice().empty()) << "no more is said: " << daemon_.log();
    }
    // One whose connection is in the store.
    Client kept_client() {
        Client client = daemon_.connect();
        await_kept(1);
        return client;
    }
    static std::uint16_t pool_of(const Client& client, const char* name) {
        return client.find_pool(name)->index;
    }
    // The next daemon's word; where the one before has left the connection, behind its farewell.
    static proto::Resumed resumed(RawConnection& connection) {
        auto answer = connection.receive().value();
        if (answer.code() == Errc::shutting_down) answer = connection.receive().value();
        return proto::decode_resumed({answer.header, answer.bytes}).value();
    }
    // How many bytes come before the end of the stream; -1 if that does not come.
    static std::int64_t read_to_end(RawConnection& connection) {
        std::int64_t total = 0;
        std::vector<std::byte> memory(1U << 16U);
        pollfd asked{.fd = connection.fd(), .events = POLLIN, .revents = 0};
        const int patience_ms = static_cast<int>(std::chrono::milliseconds(patience).count());
        while (poll(&asked, 1, patience_ms) == 1) {
            const ssize_t size = recv(connection.fd(), memory.data(), memory.size(), 0);
            if (size == 0) return total;
            total += size;
        }
        return -1;
    }
    static void resume(RawConnection& connection, const proto::ResumeMark& mark) {
        const auto frame = proto::encode_resume(mark);
        ASSERT_TRUE(connection.send(Bytes(frame.begin(), frame.end())));
    }

    DaemonProcess daemon_{three_pools, {.keeps_descriptors = true}};
};

TEST_F(Resume, OverAStopNothingThatWasAskedFailsAndNothingIsGivenTwice) {
    Client client = daemon_.connect();
    const std::uint16_t pool = pool_of(client, "inode");
    constexpr int rounds = 3;
    constexpr int count = 5'000;
    std::set<Id> seen;
    for (int round = 0; round < rounds; ++round) {
        for (int i = 0; i < count; ++i)
            ASSERT_TRUE(client.send({.pool = pool, .body = proto::AllocateRequest{}}));
        ASSERT_TRUE(client.flush(soon()));
        ASSERT_NO_FATAL_FAILURE(stop_and_start());
        for (int i = 0; i < count; ++i) {
            const auto reply = client.receive(soon()).value();
            ASSERT_EQ(code_of(reply), Errc::ok);
            EXPECT_TRUE(seen.insert(std::get<proto::LeaseReply>(reply.body).range.first).second);
        }
    }
    EXPECT_EQ(seen.size(), std::size_t{rounds * count});
    EXPECT_EQ(*seen.rbegin(), Id{rounds * count}) << "none was handed out that nobody was told of";
    EXPECT_EQ(client.lookup("inode", *seen.rbegin() + 1).error().code, Errc::never_allocated);
}

TEST_F(Resume, ABlockingCallSeesAPauseAndNoError) {
    Client client = daemon_.connect();
    for (Id id = 1; id <= 3; ++id) {
        EXPECT_EQ(client.allocate("inode")->range.first, id);
        ASSERT_NO_FATAL_FAILURE(stop_and_start());
    }
    EXPECT_TRUE(client.release("inode", {1, 1})) << "its holder is the same";
}

TEST_F(Resume, AfterAKillWhatWasAcknowledgedIsThereAndWhatHasATokenIsExact) {
    Client client = kept_client();
    const std::uint16_t pool = pool_of(client, "inode");
    constexpr int count = 2'000;
    std::map<std::uint16_t, proto::Token> tokens;
    for (int i = 0; i < count; ++i) {
        const auto token = client.new_token().value();
        const auto tag =
            client.send({.pool = pool, .body = proto::AllocateRequest{}, .token = token}).value();
        ASSERT_TRUE(tokens.emplace(tag, token).second);
    }
    ASSERT_TRUE(client.flush(soon()));
    ASSERT_NO_FATAL_FAILURE(kill_and_start());
    std::map<Id, proto::Token> got;
    for (int i = 0; i < count; ++i) {
        const auto reply = client.receive(soon()).value();
        ASSERT_EQ(code_of(reply), Errc::ok);
        const Id id = std::get<proto::LeaseReply>(reply.body).range.first;
        EXPECT_TRUE(got.emplace(id, tokens.at(reply.tag)).second) << "twice " << id;
    }
    std::uint64_t live = 0;
    for (const auto& lease : list_all(client, "inode"))
        live += lease.range.count();
    EXPECT_EQ(live, std::uint64_t{count}) << "each was carried out once";
    for (const auto& [id, token] : got)
        ASSERT_EQ(client.allocate_once("inode", token)->range.first, id);
}

TEST_F(Resume, AfterAKillARequestThatCannotBeRepeatedIsInDoubtAndTheConnectionGoesOn) {
    Client client = kept_client();
    const std::uint16_t pool = pool_of(client, "inode");
    // Nobody reads it any more: it is not carried out, but that the client cannot know.
    daemon_.signal(SIGSTOP);
    const auto allocate = client.send({.pool = pool, .body = proto::AllocateRequest{}}).value();
    const auto ping = client.send({.body = proto::PingRequest{}}).value();
    ASSERT_TRUE(client.flush(soon()));
    ASSERT_NO_FATAL_FAILURE(kill_and_start());
    std::map<std::uint16_t, Errc> got;
    for (int i = 0; i < 2; ++i) {
        const auto reply = client.receive(soon()).value();
        got[reply.tag] = code_of(reply);
    }
    EXPECT_EQ(got.at(allocate), Errc::in_doubt);
    EXPECT_EQ(got.at(ping), Errc::ok);
    EXPECT_TRUE(client.connected());
    EXPECT_TRUE(client.allocate("inode"));
}

TEST_F(Resume, WhoCameJustBeforeAKillConnectsAgain) {
    Client client = daemon_.connect();
    ASSERT_EQ(daemon_.manager().kept_connections(), 0U) << "it is not stored at once";
    ASSERT_NO_FATAL_FAILURE(kill_and_start());
    EXPECT_TRUE(client.allocate_once("inode", {.epoch = client.new_token()->epoch, .number = 1}));
}

TEST_F(Resume, WhatItActsAsIsBoundAgain) {
    Client by_connection = daemon_.connect();
    ASSERT_TRUE(by_connection.bind({.binding = proto::Binding::connection}));
    Client by_process = daemon_.connect();
    ASSERT_TRUE(by_process.bind({.binding = proto::Binding::process}));
    const Id first = by_connection.allocate("pid")->range.first;
    const auto lease = by_process.allocate("pid").value();
    ASSERT_NO_FATAL_FAILURE(stop_and_start());
    ASSERT_NO_FATAL_FAILURE(await_kept(2));
    ASSERT_NO_FATAL_FAILURE(kill_and_start());
    EXPECT_TRUE(by_process.release("pid", lease.range, lease.generation));
    EXPECT_EQ(by_connection.lookup_lease("pid", first)->binding, proto::Binding::connection);
    { const Client ended = std::move(by_connection); }
    EXPECT_TRUE(by_process.wait("pid", first, 0, patience).value()) << "it ends with its client";
}

TEST_F(Resume, AWaitGoesOnWithTheNextDaemon) {
    Client waits = daemon_.connect();
    Client releases = daemon_.connect();
    const auto lease = releases.allocate("inode").value();
    const auto tag = waits.send(
        {.pool = pool_of(waits, "inode"), .body = proto::WaitRequest{.id = lease.range.first}});
    ASSERT_TRUE(tag);
    ASSERT_TRUE(waits.flush(soon()));
    ASSERT_NO_FATAL_FAILURE(stop_and_start());
    ASSERT_TRUE(releases.release("inode", lease.range));
    const auto reply = waits.receive(soon()).value();
    EXPECT_TRUE(std::get<proto::WaitReply>(reply.body).is_over);
}

TEST_F(Resume, WhoBindsBySendIsToConnectAnew) {
    Client client = daemon_.connect();
    ASSERT_TRUE(client.send({.body = proto::BindRequest{.name = "mine"}}));
    ASSERT_EQ(code_of(client.receive(soon()).value()), Errc::ok);
    ASSERT_NO_FATAL_FAILURE(stop_and_start());
    const auto tag = client.send({.body = proto::PingRequest{}});
    ASSERT_TRUE(tag);
    EXPECT_EQ(code_of(client.receive(soon()).value()), Errc::not_connected);
    EXPECT_FALSE(client.connected());
}

TEST_F(Resume, TheNextDaemonSaysWhetherAnythingIsInDoubt) {
    RawConnection connection(daemon_.socket());
    connection.greet(1, proto::feature_resume);
    ASSERT_NO_FATAL_FAILURE(stop_and_start());
    const auto after_stop = resumed(connection);
    EXPECT_EQ(after_stop.unanswered, Unanswered::undone);
    // Whoever has not said that he goes on has nothing in doubt after the next one either.
    ASSERT_NO_FATAL_FAILURE(kill_and_start());
    const auto after_kill = resumed(connection);
    EXPECT_EQ(after_kill.unanswered, Unanswered::undone);
    EXPECT_NE(after_stop.mark, after_kill.mark);
    ASSERT_NO_FATAL_FAILURE(resume(connection, after_kill.mark));
    connection.greet(2, proto::feature_resume);
    ASSERT_NO_FATAL_FAILURE(kill_and_start());
    EXPECT_EQ(resumed(connection).unanswered, Unanswered::in_doubt);
    // Nor is that certain because the one that said so stops: its client has not heard of it yet, for all that it knows.
    ASSERT_NO_FATAL_FAILURE(stop_and_start());
    const auto still = resumed(connection);
    EXPECT_EQ(still.unanswered, Unanswered::in_doubt);
    ASSERT_NO_FATAL_FAILURE(resume(connection, still.mark));
    connection.greet(3, proto::feature_resume);
    ASSERT_NO_FATAL_FAILURE(stop_and_start());
    EXPECT_EQ(resumed(connection).unanswered, Unanswered::undone);
}

// By a daemon that is started by something else, and by one that may have fewer.
TEST_F(Resume, WhomNobodyGoesOnWithSeesTheEnd) {
    RawConnection connection(daemon_.socket());
    connection.greet(1, proto::feature_resume);
    ASSERT_EQ(daemon_.terminate(), (Exit{.status = 0}));
    daemon_.launch().environment = {{"FDSTORE", "0"}};
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    EXPECT_EQ(connection.receive()->code(), Errc::shutting_down);
    EXPECT_TRUE(connection.closed());
    EXPECT_EQ(daemon_.terminate(), (Exit{.status = 0}));
    daemon_.launch().environment.clear();
    ASSERT_TRUE(daemon_.start()) << daemon_.log();

    std::vector<RawConnection> two;
    for (int i = 0; i < 2; ++i) {
        two.emplace_back(daemon_.socket());
        two.back().greet(1, proto::feature_resume);
    }
    ASSERT_EQ(daemon_.terminate(), (Exit{.status = 0}));
    std::string config = three_pools;
    std::ofstream(daemon_.config_file())
        << config.insert(config.find('{') + 1, R"("connections_max": 1,)");
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    int ended = 0;
    for (RawConnection& one : two) {
        EXPECT_EQ(one.receive()->code(), Errc::shutting_down);
        if (one.receive()->code() != Errc::too_many_connections) continue;
        EXPECT_TRUE(one.closed());
        ++ended;
    }
    EXPECT_EQ(ended, 1);
}

// From the middle of a frame on, and with what looks like requests.
TEST_F(Resume, WhatComesBeforeTheMarkIsPassedOver) {
    RawConnection connection(daemon_.socket());
    connection.greet(1, proto::feature_resume);
    const Bytes allocate = encoded({.pool = 0, .tag = 7, .body = proto::AllocateRequest{}});
    ASSERT_TRUE(connection.send(Bytes(allocate.begin(), allocate.begin() + 5)));
    ASSERT_NO_FATAL_FAILURE(stop_and_start());
    ASSERT_TRUE(connection.send(Bytes(allocate.begin() + 5, allocate.end())));
    for (int i = 0; i < 1'000; ++i)
        ASSERT_TRUE(connection.send(allocate));
    const proto::Resumed after = resumed(connection);
    ASSERT_TRUE(connection.send(Bytes(3, std::byte{0xff})));
    proto::ResumeMark before{};
    ASSERT_NO_FATAL_FAILURE(resume(connection, before)) << "of another";
    ASSERT_NO_FATAL_FAILURE(resume(connection, after.mark));
    connection.greet(2, proto::feature_resume);
    EXPECT_EQ(connection.ask({.pool = 0, .tag = 3, .body = proto::AllocateRequest{}}).code(),
              Errc::ok);
    Client client = daemon_.connect();
    EXPECT_EQ(client.lookup_lease("inode", 1)->range, (Range{1, 1}))
        << "of all these one was carried out";
}

// Byte by byte, so that the mark comes in pieces.
TEST_F(Resume, TheMarkMayComeInPieces) {
    RawConnection connection(daemon_.socket());
    connection.greet(1, proto::feature_resume);
    ASSERT_NO_FATAL_FAILURE(stop_and_start());
    const auto frame = proto::encode_resume(resumed(connection).mark);
    ASSERT_TRUE(connection.send(Bytes(frame.begin(), frame.begin() + 20))) << "a part of it, too";
    for (const std::byte byte : frame)
        ASSERT_TRUE(connection.send(Bytes{byte}));
    connection.greet(2, proto::feature_resume);
}

TEST_F(Resume, BeforeTheMarkThereIsNoHello) {
    RawConnection connection(daemon_.socket());
    connection.greet(1, proto::feature_resume);
    ASSERT_NO_FATAL_FAILURE(stop_and_start());
    const proto::Resumed after = resumed(connection);
    ASSERT_TRUE(connection.send({.tag = 2, .body = proto::HelloRequest{}}));
    ASSERT_NO_FATAL_FAILURE(resume(connection, after.mark));
    ASSERT_TRUE(connection.send({.tag = 3, .body = proto::PingRequest{}}));
    EXPECT_EQ(connection.receive()->code(), Errc::hello_required);
}

// Whoever does not read may have a part of a long frame when the daemon is killed: what comes next could not be told
// from its rest.
TEST_F(Resume, AReplyThatWasCutEndsTheConnection) {
    Client other = daemon_.connect();
    for (Id id = 2; id < 5'000; id += 2)
        ASSERT_TRUE(other.allocate_at("pid", {id, id}));
    RawConnection connection(daemon_.socket());
    connection.greet(1, proto::feature_resume);
    ASSERT_NO_FATAL_FAILURE(await_kept(2));
    const proto::Request list{
        .pool = pool_of(other, "pid"), .tag = 2, .body = proto::ListRequest{}};
    const auto size = static_cast<int>(connection.ask(list).bytes.size());
    ASSERT_GT(size, 60'000);
    for (int i = 0; i < 20; ++i)
        ASSERT_TRUE(connection.send(list));
    int unread = 0;
    do {
        ASSERT_TRUE(other.ping());
        ASSERT_EQ(ioctl(connection.fd(), FIONREAD, &unread), 0);
    } while (unread < size || unread % size == 0);
    ASSERT_NO_FATAL_FAILURE(kill_and_start());
    const std::int64_t total = read_to_end(connection);
    ASSERT_GT(total, 0) << "the end does not come";
    EXPECT_NE(total % size, 0) << "a part of a frame, and then the end";
    EXPECT_TRUE(other.ping()) << "who had read goes on";
}

// Of short ones there never is a part: who does not read them goes on as well.
TEST_F(Resume, WhoDoesNotReadHasWholeFrames) {
    RawConnection connection(daemon_.socket());
    connection.greet(1, proto::feature_resume);
    ASSERT_NO_FATAL_FAILURE(await_kept(1));
    const Bytes ping = encoded({.tag = 2, .body = proto::PingRequest{}});
    Bytes pings;
    for (int i = 0; i < 1'000; ++i)
        pings.insert(pings.end(), ping.begin(), ping.end());
    std::size_t sent = 0;
    Client other = daemon_.connect();
    for (std::size_t size = 1; size > 0;) {
        ASSERT_TRUE(other.ping()) << "the daemon has had its turn";
        size = connection.send_some(std::span(pings).subspan(sent % ping.size()));
        sent += size;
    }
    ASSERT_NO_FATAL_FAILURE(kill_and_start());
    std::size_t replies = 0;
    auto answer = connection.receive();
    for (; answer && answer->header.operation == proto::Operation::ping; ++replies)
        answer = connection.receive();
    EXPECT_LT(replies, sent / ping.size());
    ASSERT_TRUE(answer);
    EXPECT_TRUE(proto::decode_resumed({answer->header, answer->bytes}).has_value());
}

// Nobody goes on with it: whatever has no reply was not carried out, and the client knows.
TEST_F(Resume, AfterAStopForGoodNothingIsInDoubt) {
    Client client = daemon_.connect();
    const std::uint16_t pool = pool_of(client, "inode");
    // As many as the socket has room for, and for one more, whether the daemon reads them or not.
    constexpr int count = 3'000;
    for (int i = 0; i < count; ++i)
        ASSERT_TRUE(client.send({.pool = pool, .body = proto::AllocateRequest{}}));
    ASSERT_TRUE(client.flush(soon()));
    ASSERT_EQ(daemon_.terminate(), (Exit{.status = 0})) << daemon_.log();
    // While it still is in the store the client asks on.
    ASSERT_TRUE(client.send({.pool = pool, .body = proto::AllocateRequest{}}));
    ASSERT_TRUE(client.flush(soon()));
    daemon_.manager().kept().clear();
    int done = 0;
    int undone = 0;
    while (client.under_way() > 0) {
        const Errc code = code_of(client.receive(soon()).value());
        ASSERT_TRUE(code == Errc::ok || code == Errc::not_connected) << name(code);
        ++(code == Errc::ok ? done : undone);
    }
    EXPECT_EQ(done + undone, count + 1);
    EXPECT_GE(undone, 1);
    ASSERT_TRUE(daemon_.start());
    std::uint64_t live = 0;
    for (const auto& lease : list_all(client, "inode"))
        live += lease.range.count();
    EXPECT_EQ(live, static_cast<std::uint64_t>(done));
}

TEST_F(Resume, WhoDoesNotAskForItSeesTheEnd) {
    RawConnection connection(daemon_.socket());
    connection.greet();
    Client kept = kept_client();
    EXPECT_EQ(daemon_.manager().kept_connections(), 1U);
    ASSERT_NO_FATAL_FAILURE(stop_and_start());
    EXPECT_EQ(connection.receive()->code(), Errc::shutting_down);
    EXPECT_TRUE(connection.closed());
    EXPECT_TRUE(kept.ping());
}

TEST_F(Resume, WhoAsksForItNoMoreIsDroppedFromTheStore) {
    RawConnection connection(daemon_.socket());
    connection.greet(1, proto::feature_resume);
    ASSERT_NO_FATAL_FAILURE(stop_and_start());
    ASSERT_EQ(daemon_.manager().kept_connections(), 1U);
    ASSERT_NO_FATAL_FAILURE(resume(connection, resumed(connection).mark));
    connection.greet();
    ASSERT_NO_FATAL_FAILURE(await_kept(0));
}

TEST_F(Resume, OneThatTheDaemonClosesEndsAndIsDroppedFromTheStore) {
    RawConnection connection(daemon_.socket());
    connection.greet(1, proto::feature_resume);
    ASSERT_NO_FATAL_FAILURE(await_kept(1));
    ASSERT_TRUE(connection.send(Bytes(8, std::byte{0xff})));
    EXPECT_EQ(connection.receive()->code(), Errc::frame_too_long);
    EXPECT_TRUE(connection.closed());
    ASSERT_NO_FATAL_FAILURE(await_kept(0));
}

TEST_F(Resume, OneThatItsClientClosesIsDroppedFromTheStore) {
    { const Client client = kept_client(); }
    ASSERT_NO_FATAL_FAILURE(await_kept(0));
    Client client = daemon_.connect();
    const auto stats = client.daemon_stats();
    EXPECT_EQ(value_of(*stats, proto::StatId::connections), 1U);
}

TEST_F(Resume, OneThatIsGoneWhenTheDaemonComesBackIsNot) {
    std::optional<Client> client = kept_client();
    ASSERT_TRUE(client->bind({.binding = proto::Binding::connection}));
    const Id id = client->allocate("pid")->range.first;
    ASSERT_EQ(daemon_.terminate(), (Exit{.status = 0}));
    client.reset();
    ASSERT_TRUE(daemon_.start());
    Client other = daemon_.connect();
    EXPECT_EQ(value_of(*other.daemon_stats(), proto::StatId::connections), 1U);
    EXPECT_EQ(other.lookup_lease("pid", id)->binding, proto::Binding::connection)
        << "it waits for its client, who may connect again with its key";
}

// In the store: what nobody knows, a slot that the table does not know, and one twice.
TEST_F(Resume, WhatNobodyCanGoOnWithIsDropped) {
    Client client = kept_client();
    ASSERT_EQ(daemon_.terminate(), (Exit{.status = 0}));
    auto& kept = daemon_.manager().kept();
    std::vector<RawConnection> strangers;
    std::vector<OwnedFd> clients;
    for (const char* const name : {"whatever", "16383", "99999", "0"}) {
        int ends[2];
        ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        clients.emplace_back(ends[0]);
        kept.push_back({.name = name, .descriptor = OwnedFd(ends[1])});
    }
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    daemon_.manager().kept().erase(
        std::remove_if(
            kept.begin(), kept.end(),
            [](const auto& one) { return one.name == "whatever" || one.name == "99999"; }),
        kept.end());
    EXPECT_TRUE(client.ping());
    EXPECT_EQ(value_of(*client.daemon_stats(), proto::StatId::connections), 1U);
}

TEST_F(Resume, ATableOfAnotherVersionEndsThem) {
    Client client = kept_client();
    ASSERT_EQ(daemon_.terminate(), (Exit{.status = 0}));
    for (auto& kept : daemon_.manager().kept()) {
        const std::uint64_t version = 99;
        if (kept.name != "table") continue;
        ASSERT_EQ(pwrite(kept.descriptor.get(), &version, sizeof version, 8), 8);
    }
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    EXPECT_EQ(daemon_.manager().kept_connections(), 0U);
    EXPECT_TRUE(client.ping()) << "it connects anew";
    ASSERT_NO_FATAL_FAILURE(stop_and_start());
    EXPECT_TRUE(client.ping());
}

// As many stops and kills as it takes to get between any two steps.
TEST_F(Resume, AgainAndAgainNothingComesTwice) {
    Client client = kept_client();
    const std::uint16_t pool = pool_of(client, "inode");
    std::set<Id> seen;
    for (int round = 0; round < 10; ++round) {
        for (int i = 0; i < 200; ++i)
            ASSERT_TRUE(client.send({.pool = pool, .body = proto::AllocateRequest{}}));
        ASSERT_TRUE(client.flush(soon()));
        if (round % 2 == 0) {
            ASSERT_NO_FATAL_FAILURE(stop_and_start());
        } else {
            ASSERT_NO_FATAL_FAILURE(kill_and_start());
        }
        for (int i = 0; i < 200; ++i) {
            const auto reply = client.receive(soon()).value();
            if (is_error(reply)) {
                ASSERT_EQ(code_of(reply), Errc::in_doubt);
            } else {
                const Id id = std::get<proto::LeaseReply>(reply.body).range.first;
                ASSERT_TRUE(seen.insert(id).second) << id;
            }
        }
        ASSERT_TRUE(client.connected());
    }
    for (const Id id : seen)
        ASSERT_TRUE(client.lookup("inode", id).has_value()) << id << " was acknowledged";
}

}  // namespace
}  // namespace inod::e2e
