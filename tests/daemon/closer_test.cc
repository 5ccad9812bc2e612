// A descriptor whose close hangs keeps no other user's out, and takes no end of descriptors.
#include "daemon/closer.h"

#include <array>
#include <chrono>
#include <cstdlib>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/daemon/child.h"

namespace inod::daemon {
namespace {

// A TCP socket whose close waits until its peer is closed: it lingers over what nobody reads.
class Lingering {
public:
    Lingering() {
        const OwnedFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        auto* const any = reinterpret_cast<sockaddr*>(&address);
        socklen_t size = sizeof address;
        EXPECT_EQ(bind(listener.get(), any, size), 0);
        EXPECT_EQ(listen(listener.get(), 1), 0);
        EXPECT_EQ(getsockname(listener.get(), any, &size), 0);
        EXPECT_EQ(connect(own_.get(), any, size), 0);
        peer_ = OwnedFd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
        const std::vector<char> bytes(std::size_t{1} << 20U);
        while (send(own_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
        }
        const linger whole_test{.l_onoff = 1, .l_linger = 600};
        EXPECT_EQ(setsockopt(own_.get(), SOL_SOCKET, SO_LINGER, &whole_test, sizeof whole_test), 0);
    }
    OwnedFd take() { return std::move(own_); }
    void let_go() { peer_ = OwnedFd(); }

private:
    OwnedFd own_{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    OwnedFd peer_;
};

// Tells when its other end was closed.
class Pipe {
public:
    Pipe() {
        std::array<int, 2> ends{};
        if (pipe(ends.data()) != 0) std::abort();
        read_end_ = OwnedFd(ends[0]);
        write_end_ = OwnedFd(ends[1]);
    }
    OwnedFd take() { return std::move(write_end_); }
    [[nodiscard]] bool is_closed(std::chrono::milliseconds patience) const {
        pollfd event{.fd = read_end_.get(), .events = POLLIN, .revents = 0};
        return poll(&event, 1, static_cast<int>(patience.count())) == 1;
    }

private:
    OwnedFd read_end_;
    OwnedFd write_end_;
};

constexpr std::chrono::seconds patience{60};
constexpr std::chrono::milliseconds at_once{0};

TEST(Closer, ClosesOneAfterTheOther) {
    Closer closer;
    Pipe first;
    Pipe second;
    closer.close(1, first.take());
    closer.close(2, second.take());
    EXPECT_TRUE(first.is_closed(patience));
    EXPECT_TRUE(second.is_closed(patience));
}

TEST(Closer, AUserWhoseDescriptorsHangHasRoomForAFewAndOthersHaveTheirs) {
    Closer closer;
    Lingering hangs;
    closer.close(1, hangs.take());
    std::vector<Pipe> behind(Closer::count_of_user_max - 1);
    for (Pipe& pipe : behind) {
        EXPECT_TRUE(closer.has_room(1));
        closer.close(1, pipe.take());
    }
    EXPECT_FALSE(closer.has_room(1));
    EXPECT_TRUE(closer.has_room(2));
    for (std::uint32_t uid = 2; closer.has_room(uid); ++uid) {
        ASSERT_LE(uid, Closer::count_max);
        for (std::size_t i = 0; i < Closer::count_of_user_max; ++i)
            closer.close(uid, Pipe().take());
    }
    EXPECT_FALSE(closer.has_room(1'000'000)) << "all users together have some more";

    Pipe late;
    closer.close(1, late.take());
    EXPECT_FALSE(late.is_closed(at_once)) << "taken all the same";
    hangs.let_go();
    EXPECT_TRUE(late.is_closed(patience));
    Pipe last;
    closer.close(3, last.take());
    EXPECT_TRUE(last.is_closed(patience));
    EXPECT_TRUE(closer.has_room(1));
}

TEST(Closer, APidfdIsClosedAtOnce) {
    Closer closer;
    Lingering hangs;
    closer.close(1, hangs.take());
    const Child child;
    OwnedFd pidfd = child.open();
    const int number = pidfd.get();
    closer.close(1, std::move(pidfd));
    EXPECT_EQ(fcntl(number, F_GETFD), -1);
    hangs.let_go();
}

}  // namespace
}  // namespace inod::daemon
