// File descriptors that clients pass with requests whose operation takes none: each is refused by its
// name, and none stays in the daemon. tests/daemon has the ways to cut the stream.

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/e2e/daemon_figures.h"
#include "tests/e2e/daemon_process.h"
#include "tests/e2e/raw_connection.h"
#include "tests/e2e/support.h"

namespace inod::e2e {
namespace {

constexpr std::uint16_t inode = 0;
constexpr std::size_t scm_max_fd = 253;  // in a message: unix(7)

// Something to be passed, which tells when nobody has it any more: the end of a pipe.
class Gift {
public:
    Gift() {
        std::array<int, 2> ends{};
        if (pipe2(ends.data(), O_CLOEXEC) != 0) {
            throw std::system_error(errno, std::generic_category(), "pipe2");
        }
        read_end_ = OwnedFd(ends[0]);
        write_end_ = OwnedFd(ends[1]);
    }

    [[nodiscard]] int fd() const { return write_end_.get(); }

    // Gives up our own one, and waits until nobody else has one, on its way or open.
    bool is_gone() {
        write_end_ = OwnedFd();
        pollfd event{.fd = read_end_.get(), .events = POLLIN, .revents = 0};
        const auto patience_ms = std::chrono::milliseconds(patience).count();
        return poll(&event, 1, static_cast<int>(patience_ms)) == 1 && event.revents == POLLHUP;
    }

private:
    OwnedFd read_end_;
    OwnedFd write_end_;
};

Bytes ping(std::uint16_t tag) {
    return encoded({.tag = tag, .body = proto::PingRequest{}});
}

class Descriptors : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(daemon_.start()) << daemon_.log();
        connection_.emplace(daemon_.socket());
        connection_->greet(1, proto::feature_descriptors);
    }
    // Whatever a test did: nothing stayed, and the daemon goes on.
    void TearDown() override {
        if (!connection_) return;  // SetUp() said why
        EXPECT_TRUE(gift_.is_gone());
        EXPECT_TRUE(daemon_.connect().ping().has_value());
        EXPECT_EQ(daemon_.terminate(), (Exit{.status = 0})) << daemon_.log();
    }

    [[nodiscard]] std::size_t descriptor_count() const {
        const auto path = "/proc/" + std::to_string(daemon_.pid()) + "/fd";
        return static_cast<std::size_t>(
            std::distance(std::filesystem::directory_iterator(path), {}));
    }

    // The next answer is this one.
    void expect(std::uint16_t tag, Errc code) {
        const auto answer = connection_->receive();
        ASSERT_TRUE(answer.has_value());
        EXPECT_EQ(answer->header.tag, tag);
        EXPECT_EQ(answer->code(), code) << name(answer->code()) << ", not " << name(code);
    }

    bool send(const Bytes& bytes, std::size_t descriptors = 0) {
        if (descriptors == 0) return connection_->send(bytes);
        return connection_->send(bytes, std::vector<int>(descriptors, gift_.fd()));
    }

    DaemonProcess daemon_{three_pools};
    std::optional<RawConnection> connection_;
    Gift gift_;
};

TEST_F(Descriptors, TheFeatureIsGrantedToWhomWishesForIt) {
    RawConnection other(daemon_.socket());
    proto::HelloRequest hello;
    hello.features = ~std::uint64_t{0};
    const Answer answer = other.ask({.tag = 1, .body = hello});
    EXPECT_EQ(std::get<proto::HelloReply>(answer.reply().body).features, 1U)
        << "of those wished for the only one that there is";
    RawConnection plain(daemon_.socket());
    EXPECT_NO_THROW(plain.greet(1, 0)) << "and none without a wish";
}

TEST_F(Descriptors, OneThatNoOperationTakesIsRefusedByName) {
    ASSERT_TRUE(send(ping(7), 1));
    const auto answer = connection_->receive();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->code(), Errc::descriptor_unexpected);
    EXPECT_EQ(answer->header.tag, 7);
    EXPECT_EQ(answer->text(), explanation(Errc::descriptor_unexpected));
    EXPECT_TRUE(gift_.is_gone()) << "while the connection is still there";
    EXPECT_EQ(connection_->ask(ping(8)).code(), Errc::ok);
}

TEST_F(Descriptors, NothingIsDoneWhereOneIsRefused) {
    ASSERT_TRUE(
        send(encoded({.pool = inode, .tag = 7, .body = proto::AllocateRequest{.count = 5}}), 1));
    expect(7, Errc::descriptor_unexpected);
    Client client = daemon_.connect();
    EXPECT_TRUE(list_all(client, "inode").empty());
}

TEST_F(Descriptors, TenThousandLeaveNothingBehind) {
    ASSERT_EQ(connection_->ask(ping(1)).code(), Errc::ok);
    const std::size_t before = descriptor_count();
    for (int i = 0; i < 10'000; ++i) {
        ASSERT_TRUE(send(ping(7), 1));
        ASSERT_NO_FATAL_FAILURE(expect(7, Errc::descriptor_unexpected));
    }
    // The daemon may have opened a few files of its own meanwhile, for space that it sets aside.
    EXPECT_LT(descriptor_count(), before + 50);
    EXPECT_TRUE(gift_.is_gone());
}

TEST_F(Descriptors, AsManyAsAMessageHoldsAreRefusedAtOnce) {
    ASSERT_TRUE(send(ping(7), scm_max_fd));
    expect(7, Errc::descriptor_unexpected);
    EXPECT_TRUE(gift_.is_gone());
    EXPECT_EQ(connection_->ask(ping(8)).code(), Errc::ok);
}

TEST_F(Descriptors, EachRefusesItsOwnFrameAlone) {
    struct Message {
        Bytes bytes;
        std::size_t descriptors;
    };
    struct Case {
        const char* name;
        std::vector<Message> sent;
        std::vector<Errc> want;  // of the tags 1, 2, ...
    };
    Bytes both = ping(1);
    for (const std::byte byte : ping(2))
        both.push_back(byte);
    std::vector<Message> bytewise;
    for (const std::byte byte : both)
        bytewise.push_back({{byte}, bytewise.empty() ? std::size_t{1} : 0});
    std::vector<Message> bytewise_each;
    for (const std::byte byte : both)
        bytewise_each.push_back({{byte}, 1});
    const Errc ok = Errc::ok;
    const Errc refused = Errc::descriptor_unexpected;
    const Case cases[] = {
        {"between two without", {{ping(1), 0}, {ping(2), 1}, {ping(3), 0}}, {ok, refused, ok}},
        {"each of two", {{ping(1), 1}, {ping(2), 1}, {ping(3), 0}}, {refused, refused, ok}},
        {"of two in one message", {{both, 1}, {ping(3), 0}}, {refused, ok, ok}},
        {"byte by byte", bytewise, {refused, ok}},
        {"byte by byte, one with each", bytewise_each, {refused, refused}},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        for (const Message& message : c.sent)
            ASSERT_TRUE(send(message.bytes, message.descriptors));
        std::uint16_t tag = 0;
        for (const Errc code : c.want)
            ASSERT_NO_FATAL_FAILURE(expect(++tag, code));
    }
    SCOPED_TRACE("in the middle of a frame");
    const Bytes whole = ping(1);
    ASSERT_TRUE(send({whole.begin(), whole.begin() + 4}));
    ASSERT_TRUE(send({whole.begin() + 4, whole.end()}, 1));
    expect(1, refused);
    EXPECT_EQ(connection_->ask(ping(2)).code(), ok);
}

// A frame that is wrong by itself is told so; what came with it is gone all the same.
TEST_F(Descriptors, OfSeveralErrorsTheFramesOwnComesFirst) {
    struct Case {
        const char* name;
        Bytes request;
        Errc want;
    };
    const Bytes extension{std::byte{5}, std::byte{0x80}, std::byte{0}, std::byte{0}};
    const Case cases[] = {
        {"operation", frame(99, 0, 7), Errc::operation_unknown},
        {"form", frame(2, 1, 7), Errc::body_malformed},
        {"extension", frame(2, 0, 7, extension, proto::flag_extensions), Errc::extension_unknown},
        {"value", frame(3, inode, 7, Bytes(8)), Errc::descriptor_unexpected},
        {"pool", frame(10, 9, 7), Errc::descriptor_unexpected},
        {"a second hello", encoded({.tag = 7, .body = proto::HelloRequest{}}),
         Errc::descriptor_unexpected},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        ASSERT_TRUE(send(c.request, 1));
        ASSERT_NO_FATAL_FAILURE(expect(7, c.want));
    }
    ASSERT_TRUE(send(frame(2, 0, 7, Bytes(4'089)), 1));  // one byte too long
    expect(0, Errc::frame_too_long);
    EXPECT_TRUE(connection_->closed());
}

// More than one set in one message: the kernel makes one of them.
TEST_F(Descriptors, OfSeveralControlMessagesAreGoneTogether) {
    for (const std::size_t each : {std::size_t{1}, scm_max_fd / 2}) {
        const Bytes bytes = ping(7);
        iovec part{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
        const std::vector<int> descriptors(each, gift_.fd());
        const std::size_t size = each * sizeof(int);
        std::vector<std::byte> control(2 * CMSG_SPACE(size));
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
             header = CMSG_NXTHDR(&message, header)) {
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(size);
            std::memcpy(CMSG_DATA(header), descriptors.data(), size);
        }
        ASSERT_EQ(sendmsg(connection_->fd(), &message, MSG_NOSIGNAL), 8);
        ASSERT_NO_FATAL_FAILURE(expect(7, Errc::descriptor_unexpected));
    }
}

// A bind takes one, of a process that lives, and keeps it as long as the holder; all else is refused and gone.
TEST_F(Descriptors, ABindTakesAProcessAndNothingElse) {
    const OwnedFd living(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
    const pid_t child = fork();
    if (child == 0) _exit(0);
    const OwnedFd ended(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    ASSERT_TRUE(living && ended);
    const Bytes bind =
        encoded({.tag = 7, .body = proto::BindRequest{.binding = proto::Binding::process}});
    const Bytes named = encoded({.tag = 7, .body = proto::BindRequest{.name = "name"}});
    Bytes cut = bind;
    cut[0] = std::byte{9};  // its size: one byte of a body
    cut.resize(9);
    struct Case {
        const char* name;
        Bytes request;
        std::vector<int> descriptors;
        Errc want;
    };
    const Case cases[] = {
        {"no process", bind, {gift_.fd()}, Errc::process_unknown},
        {"one that has ended", bind, {ended.get()}, Errc::process_unknown},
        {"two", bind, {living.get(), living.get()}, Errc::descriptor_unexpected},
        {"too many", bind, std::vector<int>(scm_max_fd, gift_.fd()), Errc::descriptor_unexpected},
        {"another binding", named, {living.get()}, Errc::descriptor_unexpected},
        {"a malformed bind", cut, {living.get()}, Errc::body_malformed},
        {"a process", bind, {living.get()}, Errc::ok},
    };
    const std::size_t before = e2e::descriptor_count(daemon_.pid());
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        ASSERT_EQ(e2e::descriptor_count(daemon_.pid()), before);
        ASSERT_TRUE(connection_->send(c.request, c.descriptors));
        ASSERT_NO_FATAL_FAILURE(expect(7, c.want));
        ASSERT_EQ(connection_->ask(ping(8)).code(), Errc::ok);
        // What is no pidfd is closed on a thread of its own.
        ASSERT_TRUE(comes_to_rest(daemon_.pid()));
    }
    EXPECT_EQ(e2e::descriptor_count(daemon_.pid()), before + 1) << "it is watched";
    EXPECT_EQ(connection_->ask({.tag = 9, .body = proto::ReleaseAllRequest{}}).code(), Errc::ok);
    EXPECT_EQ(e2e::descriptor_count(daemon_.pid()), before);
}

// The first hand-outs wait for the disk, and so does whatever is behind them.
TEST_F(Descriptors, OneMayWaitBehindFramesThatWait) {
    const auto allocate = [](std::uint16_t tag) {
        return encoded({.pool = inode, .tag = tag, .body = proto::AllocateRequest{}});
    };
    std::vector<Errc> codes(301, Errc::shutting_down);
    for (std::uint16_t tag = 1; tag <= 300; ++tag)
        ASSERT_TRUE(send(allocate(tag), tag % 3 == 0 ? 1 : 0));
    for (int i = 0; i < 300; ++i) {
        const auto answer = connection_->receive();
        ASSERT_TRUE(answer.has_value());
        codes.at(answer->header.tag) = answer->code();
    }
    for (std::uint16_t tag = 1; tag <= 300; ++tag)
        EXPECT_EQ(codes.at(tag), tag % 3 == 0 ? Errc::descriptor_unexpected : Errc::ok) << tag;
}

TEST_F(Descriptors, AreGoneWithAConnectionThatEndsInTheMiddle) {
    const Bytes allocate = encoded({.pool = inode, .tag = 8, .body = proto::AllocateRequest{}});
    ASSERT_TRUE(send(ping(7), 1));
    ASSERT_TRUE(send({allocate.begin(), allocate.begin() + 8}, 1));
    connection_->finish_sending();
    expect(7, Errc::descriptor_unexpected);
    EXPECT_TRUE(connection_->closed()) << "a part of a request is none";
    EXPECT_TRUE(gift_.is_gone());
}

// None at all, or fewer than come: the kernel drops what finds no place, and says so (MSG_CTRUNC).
TEST_F(Descriptors, AreRefusedByADaemonThatMayOpenNoMore) {
    ASSERT_TRUE(comes_to_rest(daemon_.pid())) << "what the journal opens it has open";
    rlimit old{};
    ASSERT_EQ(prlimit(daemon_.pid(), RLIMIT_NOFILE, nullptr, &old), 0);
    const OwnedFd process(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
    const Bytes bind =
        encoded({.tag = 7, .body = proto::BindRequest{.binding = proto::Binding::process}});
    const std::uint64_t used = free_descriptor(daemon_.pid());
    const std::size_t before = e2e::descriptor_count(daemon_.pid());
    for (const std::uint64_t limit : {std::uint64_t{3}, used, used + 2}) {
        SCOPED_TRACE(limit);
        rlimit low = old;
        low.rlim_cur = limit;
        ASSERT_EQ(prlimit(daemon_.pid(), RLIMIT_NOFILE, &low, nullptr), 0);
        for (const std::size_t count : {std::size_t{1}, std::size_t{5}}) {
            ASSERT_TRUE(send(ping(7), count));
            ASSERT_NO_FATAL_FAILURE(expect(7, Errc::descriptor_unexpected));
        }
        ASSERT_TRUE(connection_->send(bind, {process.get(), process.get()}));
        ASSERT_NO_FATAL_FAILURE(expect(7, Errc::descriptor_unexpected));
        EXPECT_EQ(connection_->ask(ping(8)).code(), Errc::ok);
    }
    ASSERT_EQ(prlimit(daemon_.pid(), RLIMIT_NOFILE, &old, nullptr), 0);
    ASSERT_TRUE(comes_to_rest(daemon_.pid()));
    EXPECT_EQ(e2e::descriptor_count(daemon_.pid()), before);
}

// As it always was, and still is for whoever did not ask.
TEST_F(Descriptors, WithoutTheFeatureTheyAreDroppedInSilence) {
    RawConnection plain(daemon_.socket());
    plain.greet();
    ASSERT_TRUE(plain.send(ping(7), {gift_.fd(), gift_.fd()}));
    const auto answer = plain.receive();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->code(), Errc::ok);
    EXPECT_TRUE(gift_.is_gone());
}

TEST_F(Descriptors, TheClientLibrarySendsThemWithTheirRequests) {
    Client client = Client::connect({.socket_path = daemon_.socket(),
                                     .pools = {},
                                     .timeout = patience,
                                     .passes_descriptors = true})
                        .value();
    constexpr int count = 40'000;
    std::vector<bool> is_passed(65'536);
    for (int i = 0; i < count; ++i) {
        const bool passes = i % 200 < 2;  // so that fewer are open at once than a process may have
        const proto::Request request{.body = proto::PingRequest{}};
        const auto tag = passes ? client.send(request, gift_.fd()) : client.send(request);
        ASSERT_TRUE(tag.has_value()) << client.error_text();
        is_passed.at(*tag) = passes;
    }
    for (int i = 0; i < count; ++i) {
        const auto reply = client.receive(soon());
        ASSERT_TRUE(reply.has_value());
        const auto* const error = std::get_if<proto::ErrorReply>(&reply->body);
        const Errc code = error != nullptr ? error->error.code : Errc::ok;
        ASSERT_EQ(code, is_passed.at(reply->tag) ? Errc::descriptor_unexpected : Errc::ok);
    }
    EXPECT_TRUE(gift_.is_gone());
}

}  // namespace
}  // namespace inod::e2e
