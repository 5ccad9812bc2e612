// Which frame does a descriptor come with? The same whatever of the stream is there at which read.
#include "daemon/passed_descriptor.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "tests/base/send_descriptors.h"

namespace inod::daemon {
namespace {

using proto::Operation;
using Bytes = std::vector<std::byte>;

bool ping_takes(Operation operation) {
    return operation == Operation::ping;
}

// One sendmsg(2): bytes, and how many descriptors go along.
struct Message {
    Bytes bytes;
    std::size_t descriptors = 0;
};

// What became of one frame.
struct Outcome {
    std::uint16_t tag = 0;
    bool taken = false;
    bool unexpected = false;

    friend bool operator==(const Outcome&, const Outcome&) = default;
};

std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
    return out << "{tag " << outcome.tag << (outcome.taken ? ", taken" : "")
               << (outcome.unexpected ? ", unexpected" : "") << "}";
}

Bytes frame(Operation operation, std::uint16_t tag, std::size_t size = proto::frame_header_size) {
    // A body that looks like the header of a frame that takes one.
    Bytes bytes(size, static_cast<std::byte>(Operation::ping));
    ByteWriter out(bytes);
    out.put(static_cast<std::uint16_t>(size));
    out.put(static_cast<std::uint8_t>(operation));
    out.put(std::uint8_t{0});
    out.put(std::uint16_t{0});
    out.put(tag);
    return bytes;
}

Bytes operator+(Bytes left, const Bytes& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

// The bytes from `first` to before `end`.
Bytes part(const Bytes& bytes, std::size_t first, std::size_t end) {
    const auto begin = bytes.begin();
    return {begin + static_cast<std::ptrdiff_t>(first), begin + static_cast<std::ptrdiff_t>(end)};
}

std::size_t open_descriptors() {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

ino_t inode_of(int descriptor) {
    struct stat status {};
    if (fstat(descriptor, &status) != 0) throw std::system_error(errno, std::generic_category());
    return status.st_ino;
}

class PassedDescriptors : public testing::Test {
protected:
    PassedDescriptors() {
        std::array<int, 2> ends{};
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) std::abort();
        client_ = OwnedFd(ends[0]);
        daemon_ = OwnedFd(ends[1]);
        before_ = open_descriptors();
    }

    void send(const Message& message, int flags = 0) const {
        const std::vector<int> descriptors(message.descriptors, file_.get());
        ASSERT_EQ(send_descriptors(client_.get(), message.bytes, descriptors, flags),
                  static_cast<ssize_t>(message.bytes.size()));
    }

    // Reads what is there, as a session does. At most one descriptor more is open at any time.
    std::vector<Outcome> read_all(TakesDescriptor takes = ping_takes) {
        std::vector<Outcome> outcomes;
        for (;;) {
            const Received received = receive(daemon_.get(), input_, takes, urgent_, passed_);
            EXPECT_EQ(received.error, 0);
            EXPECT_LE(open_descriptors(), before_ + 1);
            if (received.size == 0) return outcomes;
            input_.received(received.size);
            while (const auto whole = input_.next()) {
                if (passed_.descriptor) {
                    EXPECT_EQ(inode_of(passed_.descriptor.get()), inode_of(file_.get()));
                    EXPECT_EQ(fcntl(passed_.descriptor.get(), F_GETFD), FD_CLOEXEC);
                }
                outcomes.push_back(
                    {.tag = whole->header.tag,
                     .taken = static_cast<bool>(passed_.descriptor) && !passed_.unexpected,
                     .unexpected = passed_.unexpected});
                passed_ = {};
            }
            EXPECT_EQ(input_.error(), Errc::ok);
        }
    }

    const OwnedFd file_{memfd_create("passed", MFD_CLOEXEC)};
    OwnedFd client_;
    OwnedFd daemon_;
    std::array<std::byte, std::size_t{4} * proto::request_size_max> memory_{};
    proto::FrameSplitter input_{memory_, proto::request_size_max};
    PassedDescriptor passed_;
    bool urgent_ = false;
    std::size_t before_ = 0;
};

// What unix(7) calls a kind of barrier, which receive() is built on.
TEST_F(PassedDescriptors, TheKernelNeverGivesTwoSetsInOneRead) {
    send({Bytes(4)});
    send({Bytes(2), 1});
    send({Bytes(3), 2});
    send({Bytes(5)});
    struct Read {
        ssize_t size;
        std::size_t descriptors;
    };
    for (const Read want : {Read{4 + 2, 1}, Read{3, 2}, Read{5, 0}}) {
        Bytes room(100);
        Bytes control(1000);
        iovec piece{room.data(), room.size()};
        msghdr header{};
        header.msg_iov = &piece;
        header.msg_iovlen = 1;
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        EXPECT_EQ(recvmsg(daemon_.get(), &header, MSG_DONTWAIT), want.size);
        const cmsghdr* const rights = CMSG_FIRSTHDR(&header);
        ASSERT_EQ(rights != nullptr, want.descriptors > 0);
        if (rights == nullptr) continue;
        EXPECT_EQ(rights->cmsg_len, CMSG_LEN(want.descriptors * sizeof(int)));
        for (std::size_t i = 0; i < want.descriptors; ++i) {
            int descriptor = -1;
            std::memcpy(&descriptor, CMSG_DATA(rights) + i * sizeof descriptor, sizeof descriptor);
            EXPECT_TRUE(OwnedFd(descriptor));
        }
    }
}

struct Case {
    const char* name;
    std::vector<Message> sent;
    std::vector<Outcome> want;
};

std::vector<Case> cases() {
    const Bytes one = frame(Operation::ping, 1);
    const Bytes two = frame(Operation::ping, 2);
    const Bytes other = frame(Operation::allocate, 3, 16);
    const Bytes longest = frame(Operation::ping, 4, proto::request_size_max);
    const Outcome plain1{.tag = 1};
    const Outcome plain2{.tag = 2};
    const Outcome taken1{.tag = 1, .taken = true};
    const Outcome taken2{.tag = 2, .taken = true};
    const Outcome refused1{.tag = 1, .unexpected = true};
    const Outcome refused2{.tag = 2, .unexpected = true};
    std::vector<Message> bytewise;
    for (std::size_t i = 0; i < one.size(); ++i)
        bytewise.push_back({part(one, i, i + 1), i == 0 ? std::size_t{1} : 0});
    // clang-format off
    return {
        {"none",                        {{one}, {two}},                                  {plain1, plain2}},
        {"with a frame",                {{one, 1}},                                      {taken1}},
        {"behind a frame without",      {{one}, {two, 1}},                               {plain1, taken2}},
        {"in front of a frame without", {{one, 1}, {two}},                               {taken1, plain2}},
        {"with the first of two",       {{one + two, 1}},                                {taken1, plain2}},
        {"with each of two",            {{one, 1}, {two, 1}},                            {taken1, taken2}},
        {"with one that takes none",    {{other, 1}, {two}},                             {{.tag = 3, .unexpected = true}, plain2}},
        {"none with one that takes none", {{other}, {two, 1}},                           {{.tag = 3}, taken2}},
        {"two with a frame",            {{one, 2}, {two}},                               {refused1, plain2}},
        {"253 with a frame",            {{one, 253}, {two, 1}},                          {refused1, taken2}},
        {"in the header",               {{part(one, 0, 3)}, {part(one, 3, 8), 1}},       {refused1}},
        {"with the last byte",          {{part(one, 0, 7)}, {part(one, 7, 8) + two, 1}}, {refused1, plain2}},
        {"with the end and the next",   {{one + part(two, 0, 2)}, {part(two, 2, 8), 1}}, {plain1, refused2}},
        {"a second one in the middle",  {{part(longest, 0, 9), 1}, {part(longest, 9, 4096), 1}, {two}},
                                                                                         {{.tag = 4, .unexpected = true}, plain2}},
        {"a body that comes later",     {{part(longest, 0, 8), 1}, {part(longest, 8, 4096)}, {two}},
                                                                                         {{.tag = 4, .taken = true}, plain2}},
        {"a header that comes later",   {{part(one, 0, 7), 1}, {part(one, 7, 8)}, {two}}, {refused1, plain2}},
        {"byte by byte",                bytewise,                                        {refused1}},
        {"the longest frame",           {{longest, 1}, {longest, 2}, {two}},
                                        {{.tag = 4, .taken = true}, {.tag = 4, .unexpected = true}, plain2}},
    };
    // clang-format on
}

TEST_F(PassedDescriptors, BelongToTheFrameWithWhoseFirstByteTheyCame) {
    for (const Case& c : cases()) {
        for (const bool at_once : {true, false}) {
            SCOPED_TRACE(std::string(c.name) + (at_once ? ", all there at once" : ", one by one"));
            std::vector<Outcome> outcomes;
            const auto read = [&] {
                for (const Outcome& outcome : read_all())
                    outcomes.push_back(outcome);
            };
            for (const Message& message : c.sent) {
                send(message);
                if (!at_once) read();
            }
            read();
            EXPECT_EQ(outcomes, c.want);
            EXPECT_EQ(open_descriptors(), before_);
        }
    }
}

// Frames, messages and reads that have nothing to do with each other, beside a model that knows
// with which byte each set was sent.
TEST_F(PassedDescriptors, AreTheSameHoweverTheStreamIsCut) {
    const std::uint64_t seed = std::random_device()();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    Bytes stream;
    struct Sent {
        std::size_t begin;
        std::size_t end;
        Operation operation;
        Outcome want;
    };
    std::vector<Sent> frames;
    for (std::uint16_t tag = 1; tag <= 3'000; ++tag) {
        const auto operation = random() % 2 == 0 ? Operation::ping : Operation::allocate;
        const std::size_t size = 8 + random() % (random() % 50 == 0 ? 4'000 : 24);
        frames.push_back({stream.size(), stream.size() + size, operation, {.tag = tag}});
        stream = std::move(stream) + frame(operation, tag, size);
    }
    std::vector<Outcome> outcomes;
    auto next = frames.begin();  // the frame that the next byte belongs to
    for (std::size_t at = 0; at < stream.size();) {
        while (next->end <= at)
            ++next;
        // Often a message begins where a frame does.
        std::size_t size = 1 + random() % 40;
        if (random() % 2 == 0) size = next->end - at;
        size = std::min(size, stream.size() - at);
        const std::size_t count = random() % 3 == 0 ? 1 + random() % 2 : 0;
        send({part(stream, at, at + size), count});
        if (count > 0) {
            const bool good =
                at == next->begin && size >= 8 && count == 1 && next->operation == Operation::ping;
            next->want.unexpected = next->want.unexpected || !good;
            next->want.taken = good;
        }
        at += size;
        if (random() % 4 != 0 && at < stream.size()) continue;
        for (const Outcome& outcome : read_all())
            outcomes.push_back(outcome);
    }
    ASSERT_EQ(outcomes.size(), frames.size());
    for (std::size_t i = 0; i < frames.size(); ++i)
        ASSERT_EQ(outcomes[i], frames[i].want) << "frame at byte " << frames[i].begin;
    EXPECT_EQ(open_descriptors(), before_);
}

// Its close may wait for as long as a stranger likes, so it is left to whoever has a thread for that.
TEST_F(PassedDescriptors, OneThatEnteredIsNotClosedWhereOthersAreRefused) {
    const Bytes longest = frame(Operation::ping, 4, proto::request_size_max);
    const std::vector<std::vector<Message>> ways = {
        {{frame(Operation::ping, 1), 2}},
        {{part(longest, 0, 9), 1}, {part(longest, 9, 4096), 1}},
    };
    for (const std::vector<Message>& sent : ways) {
        for (const Message& message : sent)
            send(message);
        while (!input_.next()) {
            const Received received = receive(daemon_.get(), input_, ping_takes, urgent_, passed_);
            ASSERT_GT(received.size, 0U);
            input_.received(received.size);
        }
        EXPECT_TRUE(passed_.unexpected);
        ASSERT_TRUE(passed_.descriptor);
        EXPECT_EQ(inode_of(passed_.descriptor.get()), inode_of(file_.get()));
        passed_ = {};
    }
}

TEST_F(PassedDescriptors, AreRefusedWhereTheDaemonMayOpenNoMore) {
    rlimit old{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
    // read_all() itself opens a directory, so it is not for here.
    const int lowest_free = OwnedFd(dup(0)).get();
    ASSERT_GE(lowest_free, 0);
    rlimit tight = old;
    tight.rlim_cur = static_cast<rlim_t>(lowest_free);
    send({frame(Operation::ping, 1), 1});
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
    const Received received = receive(daemon_.get(), input_, ping_takes, urgent_, passed_);
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
    input_.received(received.size);
    EXPECT_EQ(received.size, 1U);
    EXPECT_TRUE(passed_.unexpected);
    EXPECT_FALSE(passed_.descriptor);
    send({frame(Operation::ping, 2), 1});
    EXPECT_EQ(read_all(),
              (std::vector<Outcome>{{.tag = 1, .unexpected = true}, {.tag = 2, .taken = true}}));
}

TEST_F(PassedDescriptors, NothingThereAndTheEndAreTold) {
    Received received = receive(daemon_.get(), input_, ping_takes, urgent_, passed_);
    EXPECT_EQ(received.size, 0U);
    EXPECT_FALSE(received.ended);
    EXPECT_EQ(received.error, 0);
    send({part(frame(Operation::ping, 1), 0, 3)});
    client_ = OwnedFd();
    EXPECT_TRUE(read_all().empty());
    received = receive(daemon_.get(), input_, ping_takes, urgent_, passed_);
    EXPECT_TRUE(received.ended);
    EXPECT_EQ(received.error, 0);
    EXPECT_EQ(input_.pending(), 3U);
}

// One that comes while it is looked whether there is anything.
TEST_F(PassedDescriptors, IsNotLostWhereverItComesBetweenTwoReads) {
    constexpr std::uint16_t count = 3'000;
    std::atomic<std::uint16_t> received = 0;
    std::thread sender([this, &received] {
        for (std::uint16_t tag = 1; tag <= count; ++tag) {
            send({frame(Operation::ping, tag), 1});
            while (received < tag) {
            }
        }
    });
    int taken = 0;
    while (received < count) {
        const Received got = receive(daemon_.get(), input_, ping_takes, urgent_, passed_);
        input_.received(got.size);
        if (!input_.next()) continue;
        if (passed_.descriptor && !passed_.unexpected) ++taken;
        passed_ = {};
        ++received;
    }
    sender.join();
    EXPECT_EQ(taken, count);
}

// A byte out of band never arrives, and must not leave the socket readable for good: the session
// would go round and round.
TEST_F(PassedDescriptors, AByteOutOfBandIsReadAway) {
    const Bytes byte(1);
    if (::send(client_.get(), byte.data(), 1, MSG_OOB) != 1) {
        GTEST_SKIP() << "the kernel knows none on Unix sockets";
    }
    urgent_ = true;
    EXPECT_TRUE(read_all().empty());
    pollfd event{.fd = daemon_.get(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(poll(&event, 1, 0), 0) << "readable, with nothing to read";
    send({frame(Operation::ping, 1), 1});
    EXPECT_EQ(read_all(), (std::vector<Outcome>{{.tag = 1, .taken = true}}));
}

}  // namespace
}  // namespace inod::daemon
