// As whom a client acts: what bind sends, and what becomes of it when the connection breaks.
#include <array>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "lib/base/owned_fd.h"
#include "lib/client/client.h"
#include "tests/client/fake_daemon.h"

namespace inod {
namespace {

using namespace std::chrono_literals;
using proto::Binding;
using proto::Operation;

constexpr proto::HolderKey some_key{std::byte{1}, std::byte{2}};

const HolderWish some_ttl{.binding = Binding::ttl, .name = "web", .ttl = 30s};

// The next request is to be this one, whatever its tag.
std::uint16_t expect(FakePeer& peer, const proto::Request::Body& want) {
    const proto::Request got = peer.read();
    EXPECT_EQ(got.body, want) << name(proto::operation_of(got.body));
    return got.tag;
}

void answer_bind(FakePeer& peer, const proto::BindRequest& want, const proto::Reply::Body& answer) {
    peer.send({Operation::bind, expect(peer, want), answer});
}

void answer_lease(FakePeer& peer, Id id) {
    peer.send({Operation::allocate, peer.read().tag, proto::LeaseReply{{id, id}, 0}});
}

proto::ErrorReply refusal(Errc code) {
    return {.error = code, .text = {}};
}

proto::HoldersReply page_of(const proto::HolderRecord& holder, std::span<std::byte> memory) {
    return {
        .more = true,
        .holders = proto::Packed<proto::HolderRecord>::pack(std::vector{holder}, memory).value()};
}

TEST(Holder, EachCallAsksAndAnswers) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        std::array<std::byte, 128> memory{};
        const proto::HolderRecord web{.holder = 8, .ids = 3, .index = 9, .name = "web"};
        struct Step {
            proto::Request want;
            proto::Reply::Body answer;
        };
        const Step steps[] = {
            {{0, 0, proto::BindRequest{Binding::ttl, 30'000, {}, "web"}},
             proto::BindReply{8, some_key}},
            {{0, 0, proto::AllocateRequest{4, 4096}}, proto::LeaseReply{{4096, 4099}, 0}},
            {{7, 0, proto::ReleaseRequest{{5, 6}, 3, true}}, proto::DoneReply{}},
            {{0, 0, proto::RenewRequest{}}, proto::DoneReply{}},
            {{0, 0, proto::ReleaseAllRequest{8}}, proto::CountReply{3}},
            {{0, 0, proto::HoldersRequest{2, 1}}, page_of(web, memory)},
            {{7, 0, proto::ReserveRequest{{5, 6}}}, proto::DoneReply{}},
            {{7, 0, proto::UnreserveRequest{{5, 6}}}, proto::DoneReply{}},
            {{7, 0, proto::AdvanceRequest{99}}, proto::DoneReply{}},
        };
        for (const Step& step : steps) {
            const Operation operation = proto::operation_of(step.want.body);
            SCOPED_TRACE(name(operation));
            proto::Request got = peer.read();
            const std::uint16_t tag = std::exchange(got.tag, std::uint16_t{0});
            EXPECT_EQ(got, step.want);
            peer.send({operation, tag, step.answer});
        }
    });
    Client client = connected_to(daemon);
    EXPECT_EQ(client.bind(some_ttl).value(), (proto::BindReply{8, some_key}));
    EXPECT_EQ(client.allocate("inode", 4, 4096).value().range, (Range{4096, 4099}));
    EXPECT_TRUE(client.release_of_others("pid", {5, 6}, 3));
    EXPECT_TRUE(client.renew());
    EXPECT_EQ(client.release_all(8).value(), 3U);
    const HolderPage page = client.holders(2, 1).value();
    EXPECT_TRUE(page.more);
    ASSERT_EQ(page.holders.size(), 1U);
    EXPECT_EQ(page.holders.at(0).record.ids, 3U);
    EXPECT_EQ(page.holders.at(0).name, "web");
    EXPECT_TRUE(client.reserve("pid", {5, 6}));
    EXPECT_TRUE(client.unreserve("pid", {5, 6}));
    EXPECT_TRUE(client.advance("pid", 99));
}

TEST(Holder, IsBoundAgainWithItsKeyBeforeAnythingElseIsAsked) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        {
            FakePeer peer(accept());
            peer.greet();
            answer_bind(peer, {Binding::ttl, 30'000, {}, "web"}, proto::BindReply{8, some_key});
            peer.read();  // and says nothing
        }
        FakePeer peer(accept());
        peer.greet();
        answer_bind(peer, {Binding::ttl, 30'000, some_key, "web"}, proto::BindReply{8, some_key});
        answer_lease(peer, 2);
    });
    Client client = connected_to(daemon);
    ASSERT_TRUE(client.bind(some_ttl));
    EXPECT_EQ(client.allocate("inode").error(), Error(Errc::in_doubt));
    EXPECT_EQ(client.allocate("inode").value().range, (Range{2, 2}));
}

// What would otherwise be leased would be the user's own, for ever.
TEST(Holder, ThatHasEndedIsToldUntilAnotherIsBound) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        {
            FakePeer peer(accept());
            peer.greet();
            answer_bind(peer, {Binding::connection}, proto::BindReply{8, some_key});
            peer.read();
        }
        for (int i = 0; i < 2; ++i) {
            FakePeer peer(accept());
            peer.greet();
            answer_bind(peer, {Binding::connection, 0, some_key}, refusal(Errc::holder_unknown));
            EXPECT_EQ(peer.read_to_end(), 0U) << "nothing on behalf of another holder";
        }
        FakePeer peer(accept());
        peer.greet();
        answer_bind(peer, {Binding::connection}, proto::BindReply{9, some_key});
        answer_lease(peer, 2);
    });
    Client client = connected_to(daemon);
    ASSERT_TRUE(client.bind({.binding = Binding::connection}));
    EXPECT_EQ(client.ping().error(), Error(Errc::in_doubt));
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(client.allocate("inode").error(), Error(Errc::holder_ended));
        EXPECT_EQ(client.error_text(), explanation(Errc::holder_ended));
        EXPECT_FALSE(client.connected());
    }
    EXPECT_EQ(client.bind({.binding = Binding::connection}).value().holder, 9U);
    EXPECT_EQ(client.allocate("inode").value().range, (Range{2, 2}));
}

TEST(Holder, IsTheOneBeforeWhereAnotherIsRefused) {
    const proto::BindRequest web{Binding::persistent, 0, {}, "web"};
    const proto::BindRequest none{Binding::ttl, 0, {}, ""};
    FakeDaemon daemon([&](const FakeDaemon::Accept& accept) {
        {
            FakePeer peer(accept());
            peer.greet();
            answer_bind(peer, web, proto::BindReply{8});
            answer_bind(peer, none, refusal(Errc::holder_invalid));
            answer_lease(peer, 1);
            peer.read();
        }
        {
            // This connection acts as nobody yet when it is refused.
            FakePeer peer(accept());
            peer.greet();
            answer_bind(peer, none, refusal(Errc::holder_invalid));
            EXPECT_EQ(peer.read_to_end(), 0U);
        }
        FakePeer peer(accept());
        peer.greet();
        answer_bind(peer, web, proto::BindReply{8});
        answer_lease(peer, 2);
    });
    Client client = connected_to(daemon);
    const HolderWish impossible{.binding = Binding::ttl};
    ASSERT_TRUE(client.bind({.binding = Binding::persistent, .name = "web"}));
    EXPECT_EQ(client.bind(impossible).error(), Error(Errc::holder_invalid));
    EXPECT_EQ(client.allocate("inode").value().range, (Range{1, 1}));
    EXPECT_EQ(client.ping().error(), Error(Errc::in_doubt));
    EXPECT_EQ(client.bind(impossible).error(), Error(Errc::holder_invalid));
    EXPECT_EQ(client.allocate("inode").value().range, (Range{2, 2}));
}

TEST(Holder, OfAProcessIsBoundAgainWithItsDescriptor) {
    // Any file does: the fake daemon only looks which one it is.
    const OwnedFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    struct stat want {};
    ASSERT_EQ(::fstat(file.get(), &want), 0);
    FakeDaemon daemon([&want](const FakeDaemon::Accept& accept) {
        for (int i = 0; i < 2; ++i) {
            FakePeer peer(accept());
            peer.greet();
            answer_bind(peer, {Binding::process}, proto::BindReply{8});
            const OwnedFd passed = peer.take_descriptor();
            struct stat got {};
            EXPECT_EQ(::fstat(passed.get(), &got), 0) << "none came";
            EXPECT_EQ(got.st_rdev, want.st_rdev);
            answer_lease(peer, 1);
            EXPECT_FALSE(peer.take_descriptor()) << "with bind alone";
            if (i == 0) peer.read();
        }
    });
    Client client =
        Client::connect(
            {.socket_path = daemon.path(), .pools = {}, .timeout = 10s, .passes_descriptors = true})
            .value();
    // The caller may close its own.
    {
        const OwnedFd own(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
        ASSERT_TRUE(client.bind({.binding = Binding::process}, own.get()));
    }
    ASSERT_TRUE(client.allocate("inode"));
    EXPECT_EQ(client.ping().error(), Error(Errc::in_doubt));
    EXPECT_TRUE(client.allocate("inode"));
}

TEST(Holder, IsNotBoundWhereItsDescriptorCannotBePassed) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        FakePeer peer(accept());
        peer.greet();
        EXPECT_EQ(peer.read_to_end(), 0U);
    });
    Client client = connected_to(daemon);
    const HolderWish process{.binding = Binding::process};
    EXPECT_EQ(client.bind(process, 0).error(), Error(Errc::descriptor_unexpected));
    EXPECT_EQ(client.bind(process, -1).error(), Error(Errc::io_error));
}

// Nobody knows as what that connection acts.
TEST(Holder, WhoseBindIsNotAnsweredIsBoundOnANewConnection) {
    FakeDaemon daemon([](const FakeDaemon::Accept& accept) {
        {
            FakePeer peer(accept());
            peer.greet();
            peer.read();
            EXPECT_EQ(peer.read_to_end(), 0U);
        }
        FakePeer peer(accept());
        peer.greet();
        answer_lease(peer, 2);
    });
    Client client =
        Client::connect({.socket_path = daemon.path(), .pools = {}, .timeout = 2s}).value();
    EXPECT_EQ(client.bind(some_ttl).error(), Error(Errc::timed_out));
    EXPECT_EQ(client.allocate("inode").value().range, (Range{2, 2}));
}

}  // namespace
}  // namespace inod
