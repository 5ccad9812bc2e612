// Promise: whoever waits for a descriptor, a moment or a task hears of it, once, and nobody who has gone does.
#include "daemon/event_loop.h"

#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/timer.h"

namespace inod::daemon {
namespace {

using std::chrono::milliseconds;
constexpr std::chrono::seconds patience{60};

// One end of a connection in the loop's set, and the other.
class Connection final : public Polled {
public:
    Connection(EventLoop& loop, EventLoop::Trigger trigger) : loop_(loop) {
        int ends[2];
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
        own = OwnedFd(ends[0]);
        other = OwnedFd(ends[1]);
        EXPECT_TRUE(loop_.add(own.get(), *this, trigger));
    }
    ~Connection() override { leave(); }

    void leave() {
        if (std::exchange(is_there_, false)) loop_.remove(own.get(), *this);
    }
    void on_ready(Readiness ready) override {
        ++count_;
        last = ready;
        if (then) then();
    }

    // How often it was told since this was asked last.
    int told() { return std::exchange(count_, 0); }
    void send() const { EXPECT_EQ(write(other.get(), "x", 1), 1); }

    OwnedFd own;
    OwnedFd other;
    Readiness last;
    std::function<void()> then;

private:
    EventLoop& loop_;
    bool is_there_ = true;
    int count_ = 0;
};

class EventLoopTest : public testing::Test {
protected:
    void look() { loop_.run_once(milliseconds(0)); }

    EventLoop loop_;
};

TEST_F(EventLoopTest, ByEdgeTellsOfWhatIsNewAlone) {
    Connection one(loop_, EventLoop::Trigger::edge);
    look();
    EXPECT_EQ(one.told(), 0);
    one.send();
    look();
    EXPECT_EQ(one.told(), 1);
    EXPECT_TRUE(one.last.readable);
    EXPECT_FALSE(one.last.ended || one.last.writable || one.last.urgent);
    look();
    EXPECT_EQ(one.told(), 0) << "that is known";
    one.send();
    look();
    EXPECT_EQ(one.told(), 1) << "more";
}

TEST_F(EventLoopTest, ByLevelTellsForAsLongAsThereIsSomething) {
    Connection one(loop_, EventLoop::Trigger::level);
    one.send();
    look();
    look();
    EXPECT_EQ(one.told(), 2);
    char byte = 0;
    ASSERT_EQ(read(one.own.get(), &byte, 1), 1);
    look();
    EXPECT_EQ(one.told(), 0);
}

TEST_F(EventLoopTest, TellsOfTheEndAndOfAnUrgentByte) {
    Connection ends(loop_, EventLoop::Trigger::edge);
    ends.other = OwnedFd();
    Connection urgent(loop_, EventLoop::Trigger::edge);
    if (send(urgent.other.get(), "x", 1, MSG_OOB) == 1) {
        look();
        EXPECT_TRUE(urgent.last.urgent);
    }
    look();
    EXPECT_TRUE(ends.last.ended);
    EXPECT_TRUE(ends.last.readable) << "a read tells";
}

TEST_F(EventLoopTest, TellsWhenThereIsRoomToWrite) {
    Connection one(loop_, EventLoop::Trigger::edge);
    const std::string much(1U << 16U, 'x');
    while (write(one.own.get(), much.data(), much.size()) > 0) {
    }
    loop_.await_writable(one.own.get(), one, true);
    look();
    EXPECT_EQ(one.told(), 0) << "there is none";
    std::string got(1U << 20U, ' ');
    while (read(one.other.get(), got.data(), got.size()) > 0) {
    }
    look();
    EXPECT_EQ(one.told(), 1);
    EXPECT_TRUE(one.last.writable);
    loop_.await_writable(one.own.get(), one, false);
    look();
    EXPECT_EQ(one.told(), 0);
}

// Who sends no more may still read, when he likes.
TEST_F(EventLoopTest, TheEndOfWhatIsReadIsNoRoomToWrite) {
    Connection one(loop_, EventLoop::Trigger::edge);
    const std::string much(1U << 16U, 'x');
    while (write(one.own.get(), much.data(), much.size()) > 0) {
    }
    ASSERT_EQ(shutdown(one.other.get(), SHUT_WR), 0);
    loop_.await_writable(one.own.get(), one, true);
    look();
    EXPECT_TRUE(one.last.ended);
    EXPECT_FALSE(one.last.writable);
    one.other = OwnedFd();
    look();
    EXPECT_TRUE(one.last.writable) << "a write tells that it is broken";
}

// The first one that is told removes the other, of which the same look has told too.
TEST_F(EventLoopTest, WhoHasGoneIsNotTold) {
    Connection a(loop_, EventLoop::Trigger::edge);
    Connection b(loop_, EventLoop::Trigger::edge);
    a.then = [&] { b.leave(); };
    b.then = [&] { a.leave(); };
    a.send();
    b.send();
    look();
    look();
    EXPECT_EQ(a.told() + b.told(), 1);
}

TEST_F(EventLoopTest, ATaskIsDoneBehindTheNextLook) {
    std::string order;
    Connection one(loop_, EventLoop::Trigger::edge);
    one.then = [&] { order += "s"; };
    Task second([&] { order += "2"; });
    Task first([&] {
        order += "1";
        one.send();
        loop_.post(second);
        loop_.post(second);
    });
    loop_.post(first);
    EXPECT_TRUE(loop_.has_tasks());
    look();
    EXPECT_EQ(order, "1");
    look();
    EXPECT_EQ(order, "1s2");
    look();
    EXPECT_EQ(order, "1s2");
    EXPECT_FALSE(loop_.has_tasks());
    {
        Task gone([&] { order += "gone"; });
        loop_.post(gone);
    }
    look();
    EXPECT_EQ(order, "1s2");
}

TEST_F(EventLoopTest, AnotherThreadsTaskWakesTheLoop) {
    int count = 0;
    Task task([&] {
        ++count;
        loop_.stop();
    });
    for (int i = 1; i <= 100; ++i) {
        std::thread other([&] { loop_.post_from_any_thread(task); });
        loop_.run();
        other.join();
        ASSERT_EQ(count, i);
    }
}

TEST_F(EventLoopTest, ATimerTellsOnceAndNotOfWhatItWasSetForBefore) {
    int count = 0;
    Timer timer(loop_, [&] { ++count; });
    timer.set(Timer::Clock::now() - std::chrono::hours(1));
    loop_.run_once(patience);
    EXPECT_EQ(count, 1);
    look();
    EXPECT_EQ(count, 1);
    timer.set(Timer::Clock::time_point());  // the clock's very beginning
    loop_.run_once(patience);
    EXPECT_EQ(count, 2);
    timer.set_after(milliseconds(0));
    timer.set_after(std::chrono::hours(1));
    look();
    EXPECT_EQ(count, 2);
    const auto before = Timer::Clock::now();
    timer.set_after(milliseconds(20));
    loop_.run_once(patience);
    EXPECT_EQ(count, 3);
    EXPECT_GE(Timer::Clock::now() - before, milliseconds(20));
    timer.set_after(milliseconds(0));
    timer.cancel();
    look();
    EXPECT_EQ(count, 3);
}

// Both are found by one look, and the connection is told first.
TEST_F(EventLoopTest, ATimerThatWasFoundAndIsSetAnewTellsOfItsNewTime) {
    int count = 0;
    Connection one(loop_, EventLoop::Trigger::edge);
    Timer timer(loop_, [&] { ++count; });
    one.then = [&] { timer.set_after(std::chrono::hours(1)); };
    one.send();
    timer.set(Timer::Clock::now() - std::chrono::hours(1));
    look();
    EXPECT_EQ(one.told(), 1);
    EXPECT_EQ(count, 0);
}

}  // namespace
}  // namespace inod::daemon
