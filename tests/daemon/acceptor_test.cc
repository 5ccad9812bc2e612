// Promise: where there is no descriptor for a connection it waits, without a look at it again and again, and is
// taken as soon as something of ours was closed.
#include "daemon/acceptor.h"

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace inod::daemon {
namespace {

// A name of its own: no file.
sockaddr_un abstract_address() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto number = static_cast<int>(getpid());
    std::memcpy(&address.sun_path[1], &number, sizeof(number));
    return address;
}

class AcceptorTest : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0);
        OwnedFd listening(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        ASSERT_EQ(bind(listening.get(), as_any(address_), sizeof(address_)), 0);
        ASSERT_EQ(listen(listening.get(), SOMAXCONN), 0);
        acceptor_.emplace(
            loop_, std::move(listening),
            [this](OwnedFd socket) { taken_.push_back(std::move(socket)); },
            [this](int error) { failures_.push_back(error); });
    }
    void TearDown() override { setrlimit(RLIMIT_NOFILE, &before_); }

    static const sockaddr* as_any(const sockaddr_un& address) {
        return reinterpret_cast<const sockaddr*>(&address);
    }
    void connect_one() {
        OwnedFd& client = clients_.emplace_back(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        ASSERT_EQ(connect(client.get(), as_any(address_), sizeof(address_)), 0);
    }
    // From here on the process has all the descriptors that it may have.
    void use_up() {
        const OwnedFd lowest(dup(STDERR_FILENO));
        rlimit used_up = before_;
        used_up.rlim_cur = static_cast<rlim_t>(lowest.get());
        ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &used_up), 0);
    }
    void look() { loop_.run_once(std::chrono::milliseconds(0)); }

    rlimit before_{};
    const sockaddr_un address_ = abstract_address();
    EventLoop loop_;
    std::optional<Acceptor> acceptor_;
    std::vector<OwnedFd> clients_;
    std::vector<OwnedFd> taken_;
    std::vector<int> failures_;
};

TEST_F(AcceptorTest, TakesWhoWaitsAsSoonAsSomethingWasClosed) {
    connect_one();
    look();
    ASSERT_EQ(taken_.size(), 1U);
    for (int i = 0; i < 3; ++i)
        connect_one();
    use_up();
    look();
    EXPECT_EQ(failures_, (std::vector<int>{EMFILE}));
    EXPECT_EQ(taken_.size(), 1U);
    for (int i = 0; i < 3; ++i) {
        taken_.clear();
        acceptor_->try_again();
        look();
        EXPECT_EQ(taken_.size(), 1U) << "one was free";
    }
}

TEST_F(AcceptorTest, DoesNotLookAgainBeforeItIsTime) {
    connect_one();
    use_up();
    const auto begin = std::chrono::steady_clock::now();
    std::uint64_t looks = 0;
    // A look that brings something is one at who connects, or the end of a pause.
    while (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(350))
        looks += loop_.run_once(std::chrono::milliseconds(50)) ? 1U : 0U;
    const auto pauses = (std::chrono::steady_clock::now() - begin) / std::chrono::milliseconds(100);
    EXPECT_LE(looks, 2 * static_cast<std::uint64_t>(pauses) + 1);
    EXPECT_EQ(failures_, (std::vector<int>{EMFILE})) << "it is told once";
}

TEST_F(AcceptorTest, WhoHasStoppedDoesNotBeginAgain) {
    connect_one();
    acceptor_->stop();
    acceptor_->try_again();
    look();
    EXPECT_TRUE(taken_.empty());
    EXPECT_TRUE(failures_.empty());
}

}  // namespace
}  // namespace inod::daemon
