// Promise: who connects keeps nobody waiting, and is taken in at last where there were no descriptors for a while.
#include "daemon/acceptor.h"

#include <cerrno>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace inod::daemon {
namespace {

using std::chrono::milliseconds;
constexpr std::chrono::seconds patience{60};

// No process can have more files open while it is there.
class NoMoreDescriptors {
public:
    NoMoreDescriptors() {
        getrlimit(RLIMIT_NOFILE, &before_);
        const OwnedFd next(open("/dev/null", O_RDONLY | O_CLOEXEC));
        const rlimit now{.rlim_cur = static_cast<rlim_t>(next.get()), .rlim_max = before_.rlim_max};
        EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &now), 0);
    }
    NoMoreDescriptors(const NoMoreDescriptors&) = delete;
    NoMoreDescriptors& operator=(const NoMoreDescriptors&) = delete;
    ~NoMoreDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

class AcceptorTest : public testing::Test {
protected:
    // At an address that the kernel chooses.
    OwnedFd make_listening() {
        OwnedFd listening(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        address_.sun_family = AF_UNIX;
        auto* const address = reinterpret_cast<sockaddr*>(&address_);
        EXPECT_EQ(bind(listening.get(), address, sizeof(sa_family_t)), 0);
        EXPECT_EQ(getsockname(listening.get(), address, &address_size_), 0);
        EXPECT_EQ(listen(listening.get(), 100), 0);
        return listening;
    }
    void connect_some(int count) {
        for (int i = 0; i < count; ++i) {
            OwnedFd client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
            EXPECT_EQ(
                connect(client.get(), reinterpret_cast<const sockaddr*>(&address_), address_size_),
                0);
            clients_.push_back(std::move(client));
        }
    }
    bool look() { return loop_.run_once(milliseconds(0)); }
    void wait_for_the_pause_to_end() { EXPECT_TRUE(loop_.run_once(patience)); }

    sockaddr_un address_{};
    socklen_t address_size_ = sizeof(address_);
    EventLoop loop_;
    std::vector<OwnedFd> clients_;
    std::vector<OwnedFd> taken_;
    std::vector<int> failures_;
    Acceptor acceptor_{loop_, make_listening(),
                       [this](OwnedFd socket) { taken_.push_back(std::move(socket)); },
                       [this](int error) { failures_.push_back(error); }};
};

TEST_F(AcceptorTest, TakesAFewAtATime) {
    connect_some(10);
    look();
    EXPECT_GE(taken_.size(), 1U);
    EXPECT_LE(taken_.size(), 5U);
    while (look()) {
    }
    EXPECT_EQ(taken_.size(), 10U);
}

TEST_F(AcceptorTest, TriesAgainAfterAWhileWhereThereAreNoDescriptors) {
    connect_some(1);
    {
        const NoMoreDescriptors now;
        EXPECT_TRUE(look());
        EXPECT_EQ(failures_, std::vector{EMFILE});
        EXPECT_FALSE(look()) << "it tries without end";
        wait_for_the_pause_to_end();
        EXPECT_TRUE(look());
        EXPECT_EQ(failures_.size(), 1U) << "the same lack is told twice";
    }
    EXPECT_TRUE(taken_.empty());
    wait_for_the_pause_to_end();
    EXPECT_TRUE(look());
    EXPECT_EQ(taken_.size(), 1U);
}

TEST_F(AcceptorTest, TellsOfEachLack) {
    for (std::size_t i = 1; i <= 2; ++i) {
        connect_some(1);
        {
            const NoMoreDescriptors now;
            look();
        }
        wait_for_the_pause_to_end();
        look();
        EXPECT_EQ(taken_.size(), i);
        EXPECT_EQ(failures_.size(), i);
    }
}

TEST_F(AcceptorTest, TakesWhoWaitsAsSoonAsSomethingWasClosed) {
    connect_some(1);
    look();
    ASSERT_EQ(taken_.size(), 1U);
    connect_some(3);
    const NoMoreDescriptors now;
    look();
    EXPECT_EQ(failures_, std::vector{EMFILE});
    for (int i = 0; i < 3; ++i) {
        taken_.clear();
        acceptor_.try_again();
        look();
        EXPECT_EQ(taken_.size(), 1U) << "one was free";
    }
}

TEST_F(AcceptorTest, TakesNoMoreOnceItHasStopped) {
    connect_some(1);
    acceptor_.stop();
    EXPECT_FALSE(look());
    acceptor_.try_again();
    EXPECT_FALSE(look());
    EXPECT_TRUE(taken_.empty());
    EXPECT_TRUE(failures_.empty());
}

}  // namespace
}  // namespace inod::daemon
