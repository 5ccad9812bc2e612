// Promise: users take turns, and not their sessions. Takers that only say what they would do, and the event
// loop turned by hand.
#include "daemon/turns.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace inod::daemon {
namespace {

constexpr std::uint64_t all = Turns::work_max;
constexpr std::uint32_t greedy = 1;
constexpr std::uint32_t modest = 2;

class TurnsTest : public testing::Test {
protected:
    // Two others ask, so that nobody counts as alone.
    TurnsTest() {
        add(100, "", 1).ask();
        add(101, "", 1).ask();
        takers_.clear();
    }

    // Writes its name down in its turn. Wants so many turns in a row, of so much work each.
    class Taker final : public TurnTaker {
    public:
        Taker(TurnsTest& test, std::uint32_t uid, std::string name, std::uint64_t work)
            : TurnTaker(test.turns_, uid), test_(test), name_(std::move(name)), work_(work) {}

        void ask(std::size_t turns = 1) {
            left_ += turns;
            ask_for_turn();
        }
        void ask_now() {
            ++left_;
            take_turn_now();
        }
        std::uint64_t take_turn(std::uint64_t work_max) override {
            EXPECT_GT(work_max, 0U);
            test_.order_ += name_;
            if (--left_ > 0) ask_for_turn();
            if (leaves_something_) finish_later();
            const std::uint64_t work = work_;
            if (ends_) test_.takers_.clear();
            return work;
        }
        void finish_turn() override {
            test_.order_ += "." + name_;
            if (asks_at_the_end_) ask();
            if (ends_at_the_end_) test_.takers_.clear();
        }
        void end_in_its_turn() { ends_ = true; }
        void leave_something() { leaves_something_ = true; }
        void ask_at_the_end() { asks_at_the_end_ = true; }
        void end_at_the_end() { ends_at_the_end_ = true; }

    private:
        TurnsTest& test_;
        const std::string name_;
        const std::uint64_t work_;
        std::size_t left_ = 0;
        bool ends_ = false;
        bool leaves_something_ = false;
        bool asks_at_the_end_ = false;
        bool ends_at_the_end_ = false;
    };

    Taker& add(std::uint32_t uid, const std::string& name, std::uint64_t work) {
        takers_.push_back(std::make_unique<Taker>(*this, uid, name, work));
        return *takers_.back();
    }
    // What had its turn since this was asked last.
    std::string order() { return std::exchange(order_, {}); }
    std::string run_one() {
        if (loop_.has_tasks()) loop_.run_once({});
        return order();
    }
    std::string run() {
        while (loop_.has_tasks())
            loop_.run_once({});
        return order();
    }

    EventLoop loop_;
    Turns turns_{loop_};
    std::string order_;
    std::vector<std::unique_ptr<Taker>> takers_;
};

TEST_F(TurnsTest, WhoHasSomethingLeftOfHisTurnHasItAtOnce) {
    Taker& a = add(greedy, "a", all / 2);
    Taker& b = add(greedy, "b", all / 2);
    Taker& c = add(greedy, "c", 1);
    a.ask();
    b.ask();
    EXPECT_EQ(order(), "ab");
    c.ask();
    EXPECT_EQ(order(), "") << "before the event loop has looked at what else there is";
    a.ask();
    EXPECT_EQ(run_one(), "ca");
    EXPECT_EQ(run(), "");
    c.ask();
    EXPECT_EQ(order(), "c");
}

TEST_F(TurnsTest, ATurnIsSoMuchWorkOfHoweverMany) {
    add(greedy, "-", all).ask();
    for (std::uint64_t i = 0; i < 2 * all; ++i)
        add(greedy, "x", 1).ask();
    EXPECT_EQ(order(), "-");
    EXPECT_EQ(run_one(), std::string(all, 'x'));
    EXPECT_EQ(run_one(), std::string(all, 'x'));
    EXPECT_EQ(run(), "");
}

TEST_F(TurnsTest, UsersTakeTurnsHoweverManySessionsOneHas) {
    for (int i = 0; i < 1'000; ++i)
        add(greedy, "x", all).ask();
    EXPECT_EQ(order(), "x");
    Taker& one = add(modest, "1", all);
    Taker& two = add(modest, "2", all);
    one.ask(3);
    two.ask(2);
    EXPECT_EQ(order(), "1") << "who had no turn in this round waits for nobody";
    const std::string rest = run();
    EXPECT_EQ(rest.substr(0, 9), "x1x2x1x2x");
    EXPECT_EQ(rest.size(), 999U + 4U);
}

TEST_F(TurnsTest, OfThreeUsersEachHasOneTurnInARound) {
    const auto ask = [&](std::uint32_t uid, const std::string& name) {
        add(uid, name, all).ask(4);
    };
    ask(1, "a");
    ask(2, "b");
    ask(3, "c");
    EXPECT_EQ(order() + run(), "abcabcabcabc");
}

// However little a user asks at a time, it is counted: no user has more than his turn in a round.
TEST_F(TurnsTest, WhatIsDoneAtOnceIsPartOfTheTurn) {
    add(greedy, "x", all).ask(3);
    EXPECT_EQ(order(), "x");
    Taker& small = add(modest, "s", all / 2);
    for (int i = 0; i < 5; ++i)
        small.ask();
    EXPECT_EQ(order(), "ss");
    EXPECT_EQ(run(), "xssxs");
}

TEST_F(TurnsTest, WhatIsLeftGoesToTheBackOfItsUsersQueue) {
    add(greedy, "-", all).ask();
    add(greedy, "a", all).ask(3);
    add(greedy, "b", all).ask(1);
    add(greedy, "c", all).ask(2);
    EXPECT_EQ(order() + run(), "-abcaca");
}

TEST_F(TurnsTest, TheEventLoopLooksOnceBetweenTwoTurns) {
    add(greedy, "x", all).ask(4);
    EXPECT_EQ(order(), "x");
    Task second([this] { order_ += "2"; });
    Task first([&] {
        order_ += "1";
        loop_.post(second);
    });
    loop_.post(first);
    EXPECT_EQ(run(), "x1x2x");
}

TEST_F(TurnsTest, WhoMustGoOnNowDoesSoWhoeverWaits) {
    Taker& a = add(greedy, "a", all);
    Taker& b = add(greedy, "b", all);
    a.ask();
    b.ask();
    EXPECT_EQ(order(), "a");
    b.ask_now();
    EXPECT_EQ(order(), "b");
    EXPECT_EQ(run(), "b") << "what it had asked for, it asks for again";
}

TEST_F(TurnsTest, WhoHasEndedHasNoTurn) {
    add(greedy, "x", all).ask();
    add(greedy, "y", all).ask();
    EXPECT_EQ(order(), "x");
    takers_.clear();
    EXPECT_EQ(run(), "");
    add(greedy, "z", 1).ask();
    EXPECT_EQ(order(), "z");
}

TEST_F(TurnsTest, ATurnCanBeTheTakersEnd) {
    Taker& at_once = add(greedy, "x", all);
    at_once.end_in_its_turn();
    at_once.ask();
    EXPECT_EQ(order(), "x");
    EXPECT_TRUE(takers_.empty());
    add(greedy, "-", all).ask();
    Taker& later = add(greedy, "y", 1);
    later.end_in_its_turn();
    later.ask();
    add(greedy, "z", 1).ask();
    EXPECT_EQ(order(), "-");
    EXPECT_EQ(run(), "y") << "the third ended with it";
    EXPECT_TRUE(takers_.empty());
}

TEST_F(TurnsTest, WhoIsAloneForLongHasLongerTurnsUntilAnotherAsks) {
    Taker& a = add(greedy, "a", all);
    a.ask(Turns::rounds_until_alone + 1);
    EXPECT_FALSE(turns_.is_one_alone());
    EXPECT_EQ(order() + run(), std::string(Turns::rounds_until_alone + 1, 'a'));
    EXPECT_TRUE(turns_.is_one_alone());
    a.ask();
    for (std::uint64_t i = 0; i < Turns::work_max_alone; ++i)
        add(greedy, "x", 1).ask();
    run();
    add(greedy, "-", Turns::work_max_alone).ask();
    for (std::uint64_t i = 0; i < 2 * Turns::work_max_alone; ++i)
        add(greedy, "y", 1).ask();
    order();
    EXPECT_EQ(run_one(), std::string(Turns::work_max_alone, 'y'));
    add(modest, "m", 1).ask();
    EXPECT_EQ(order(), "m");
    EXPECT_FALSE(turns_.is_one_alone());
    EXPECT_EQ(run_one(), std::string(all, 'y'));
}

TEST_F(TurnsTest, WhatTurnsLeaveIsDoneTogetherAtTheEndOfALook) {
    for (const char* const name : {"a", "b", "c"}) {
        Taker& taker = add(greedy, name, 1);
        taker.leave_something();
        taker.ask();
    }
    EXPECT_EQ(order(), "abc");
    EXPECT_EQ(run_one(), ".a.b.c");
    EXPECT_FALSE(loop_.has_tasks());
}

TEST_F(TurnsTest, NoMoreTurnsAreFinishedTogetherThanSoMany) {
    std::string turns;
    std::string ends;
    for (std::size_t i = 0; i < Turns::finished_together; ++i) {
        const std::string name(1, static_cast<char>('a' + i));
        Taker& taker = add(greedy, name, 1);
        taker.leave_something();
        taker.ask();
        turns += name;
        ends += "." + name;
    }
    Taker& next = add(greedy, "z", 1);
    next.leave_something();
    next.ask();
    EXPECT_EQ(order(), turns + ends + "z");
    EXPECT_EQ(run(), ".z");
}

TEST_F(TurnsTest, WhatOneUsersTurnsLeaveIsDoneBeforeAnotherUsersTurn) {
    Taker& a = add(greedy, "a", 1);
    Taker& b = add(modest, "b", 1);
    a.leave_something();
    a.ask();
    b.ask();
    EXPECT_EQ(order(), "a.ab");
}

TEST_F(TurnsTest, WhoAsksWhileATurnIsFinishedWaits) {
    Taker& a = add(greedy, "a", 1);
    Taker& b = add(greedy, "b", 1);
    for (Taker* const taker : {&a, &b}) {
        taker->leave_something();
        taker->ask();
    }
    a.ask_at_the_end();
    EXPECT_EQ(order(), "ab");
    EXPECT_EQ(run_one(), ".a.b");
    EXPECT_EQ(run_one(), "a.a");
}

TEST_F(TurnsTest, ATakerMayEndBeforeItsTurnIsFinishedOrThen) {
    Taker& a = add(greedy, "a", 1);
    Taker& b = add(greedy, "b", 1);
    a.leave_something();
    a.ask();
    b.leave_something();
    b.ask();
    EXPECT_EQ(order(), "ab");
    takers_.erase(takers_.begin());
    EXPECT_EQ(run(), ".b");

    takers_.front()->ask();
    takers_.front()->end_at_the_end();
    EXPECT_EQ(order(), "b");
    EXPECT_EQ(run(), ".b");
    EXPECT_TRUE(takers_.empty());
}

}  // namespace
}  // namespace inod::daemon
