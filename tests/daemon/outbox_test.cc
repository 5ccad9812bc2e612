// Promise: a reply leaves when what it tells is durable, whole and in its turn, and no sooner; one
// that tells nothing new waits for nobody.
// Method: random replies, syncs and sends from seeds on an outbox and on queues too simple to be
// wrong, every answer compared after each step. A seed repeats its failure exactly.
#include "daemon/outbox.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "daemon/desk.h"

namespace inod::daemon {
namespace {

using proto::reply_size_max;

// LSNs that an outbox tells apart; where more wait, the replies of the newest wait for the last.
constexpr std::size_t group_count_max = 16;

// How often a test came to what is rare.
struct Seen {
    int full = 0;    // no room for another reply
    int held = 0;    // durable, but no room to send from
    int shared = 0;  // more LSNs waited than can be told apart
};

// An outbox and its oracle. Each call is made on both, and then all that can be asked is compared.
class Pair {
public:
    Pair() { outbox_.borrow(for_ready_, for_waiting_); }

    // Bytes for each of the two kinds of replies.
    static constexpr std::size_t capacity = std::tuple_size_v<Desk::ForReplies>;

    [[nodiscard]] const Outbox& outbox() const { return outbox_; }
    [[nodiscard]] const Seen& seen() const { return seen_; }

    void add(std::size_t size, Lsn wait_for) {
        ASSERT_TRUE(outbox_.has_room());
        const auto space = outbox_.space(wait_for);
        ASSERT_GE(space.size(), reply_size_max);
        auto& queue = wait_for == 0 ? ready_ : waiting_;
        for (std::size_t i = 0; i < size; ++i)
            queue.push_back(space[i] = next_byte());
        outbox_.add(size, wait_for);
        if (wait_for != 0) add_to_group(size, wait_for);
        check();
    }

    void settle(Lsn durable_lsn) {
        outbox_.settle(durable_lsn);
        while (ready_.size() < outbox_.ready().size()) {
            ASSERT_FALSE(groups_.empty()) << "something left that nobody had put in";
            const auto [lsn, size] = groups_.front();
            ASSERT_LE(lsn, durable_lsn) << "a reply left before its time, or too much of one";
            const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(size);
            ready_.insert(ready_.end(), waiting_.begin(), end);
            waiting_.erase(waiting_.begin(), end);
            groups_.pop_front();
        }
        if (!groups_.empty() && groups_.front().lsn <= durable_lsn) {
            ++seen_.held;
            // More than a reply of the largest size may have to wait until all before it is sent.
            const std::size_t room =
                ready_.empty() ? capacity : std::min(capacity - ready_.size(), reply_size_max);
            ASSERT_GT(groups_.front().size, room) << "durable, and held though there is room";
        }
        check();
    }

    void send(std::size_t size) {
        ASSERT_LE(size, outbox_.ready().size());
        const auto bytes = outbox_.ready().first(size);
        ASSERT_TRUE(std::equal(bytes.begin(), bytes.end(), ready_.begin())) << "other bytes";
        ready_.erase(ready_.begin(), ready_.begin() + static_cast<std::ptrdiff_t>(size));
        outbox_.sent(size);
        check();
    }

private:
    // Without a short period, so that bytes out of their place show.
    std::byte next_byte() {
        return static_cast<std::byte>((++byte_count_ * 2'654'435'761U) >> 24U);
    }

    // Replies in a row that wait for the same LSN.
    struct Group {
        Lsn lsn;
        std::size_t size;
    };

    void add_to_group(std::size_t size, Lsn wait_for) {
        if (groups_.empty()) {
            groups_.push_back({wait_for, size});
            return;
        }
        // One that would not have to wait as long keeps its place behind the others.
        Group& newest = groups_.back();
        const bool is_later = wait_for > newest.lsn;
        if (is_later && groups_.size() < group_count_max) {
            groups_.push_back({wait_for, size});
            return;
        }
        if (is_later) ++seen_.shared;
        newest = {std::max(newest.lsn, wait_for), newest.size + size};
    }

    void check() {
        const bool has_room = capacity - ready_.size() >= reply_size_max &&
                              capacity - waiting_.size() >= reply_size_max;
        if (!has_room) ++seen_.full;
        ASSERT_EQ(outbox_.has_room(), has_room);
        ASSERT_EQ(outbox_.ready().size(), ready_.size());
        ASSERT_EQ(outbox_.waits_for(), groups_.empty() ? 0 : groups_.front().lsn);
        ASSERT_EQ(outbox_.empty(), ready_.empty() && waiting_.empty());
    }

    Desk::ForReplies for_ready_{};
    Desk::ForReplies for_waiting_{};
    Outbox outbox_;
    std::deque<std::byte> ready_;
    std::deque<std::byte> waiting_;
    std::deque<Group> groups_;
    std::uint32_t byte_count_ = 0;
    Seen seen_;
};

// What a client and its disk are like.
struct Habits {
    const char* name;
    std::size_t size_max;   // bytes of a reply
    std::uint64_t waiting;  // percent of the replies that wait
    std::uint64_t syncs;    // percent of the steps that are a sync
    std::uint64_t sends;    // likewise; the others are replies
    bool sends_all;         // or any part of what is there
};

// Decides, syncs and sends by the seed, then lets go what is left.
void live(Pair& pair, const Habits& habits, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    Lsn last_lsn = 0;
    Lsn durable_lsn = 0;
    for (int step = 0; step < 400 && !testing::Test::HasFatalFailure(); ++step) {
        SCOPED_TRACE("step " + std::to_string(step));
        const std::uint64_t kind = random() % 100;
        if (kind < habits.syncs) {
            durable_lsn += random() % (last_lsn - durable_lsn + 1);
            pair.settle(durable_lsn);
        } else if (kind < habits.syncs + habits.sends || !pair.outbox().has_room()) {
            const std::size_t size = pair.outbox().ready().size();
            pair.send(habits.sends_all ? size : random() % (size + 1));
        } else {
            Lsn wait_for = 0;
            if (random() % 100 < habits.waiting) {
                last_lsn += random() % 3;
                // Most wait for the last change, some for an earlier one, perhaps long durable.
                wait_for = random() % 4 == 0 ? random() % (last_lsn + 1) : last_lsn;
            }
            pair.add(1 + random() % habits.size_max, wait_for);
        }
    }
    for (int round = 0; !pair.outbox().empty() && !testing::Test::HasFatalFailure(); ++round) {
        ASSERT_LT(round, 4) << "what is durable does not leave";
        pair.settle(last_lsn);
        pair.send(pair.outbox().ready().size());
    }
}

TEST(Outbox, LetsGoExactlyWhatIsDurable) {
    // clang-format off
    const Habits cases[] = {
        // name                      size_max        waiting  syncs  sends  sends_all
        {"all is well",              100,            70,      20,    30,    true},
        {"none waits",               3'000,          0,       10,    30,    false},
        {"all wait",                 3'000,          100,     20,    30,    false},
        {"the disk is slow",         3'000,          50,      2,     30,    true},
        {"the client is slow",       8'000,          50,      40,    10,    false},
        {"the largest replies",      reply_size_max, 60,      30,    30,    false},
        {"large, and all is slow",   reply_size_max, 60,      10,    10,    false},
    };
    // clang-format on
    Seen seen;
    for (const Habits& c : cases) {
        for (std::uint64_t seed = 0; seed < 40; ++seed) {
            SCOPED_TRACE(c.name + std::string(", seed ") + std::to_string(seed));
            Pair pair;
            ASSERT_NO_FATAL_FAILURE(live(pair, c, seed));
            seen.full += pair.seen().full;
            seen.held += pair.seen().held;
            seen.shared += pair.seen().shared;
        }
    }
    EXPECT_GT(seen.full, 100);
    EXPECT_GT(seen.held, 100);
    EXPECT_GT(seen.shared, 100);
}

// Adds replies until not a byte is left on the side of those that wait for `wait_for`.
void fill(Pair& pair, Lsn wait_for) {
    std::size_t left = pair.capacity - reply_size_max;
    for (; left > 1'000 && !testing::Test::HasFatalFailure(); left -= 1'000)
        pair.add(1'000, wait_for);
    pair.add(left, wait_for);
    ASSERT_TRUE(pair.outbox().has_room()) << "just one of the largest size still fits";
    pair.add(reply_size_max, wait_for);
    ASSERT_FALSE(pair.outbox().has_room());
}

// A second round begins where the first one ended.
TEST(Outbox, TakesRepliesThatMayLeaveToTheLastByte) {
    Pair pair;
    ASSERT_GE(pair.capacity, 2 * reply_size_max);
    for (int round = 0; round < 2; ++round) {
        ASSERT_NO_FATAL_FAILURE(fill(pair, 0));
        // Room comes back with the byte that makes it enough.
        pair.send(reply_size_max - 1);
        EXPECT_FALSE(pair.outbox().has_room());
        pair.send(1);
        ASSERT_TRUE(pair.outbox().has_room());
        pair.add(reply_size_max, 0);
        EXPECT_EQ(pair.outbox().ready().size(), pair.capacity);
        pair.send(pair.capacity);
        EXPECT_TRUE(pair.outbox().empty());
    }
}

TEST(Outbox, TakesRepliesThatWaitToTheLastByte) {
    struct Case {
        const char* name;
        std::size_t unsent;  // bytes that the client has not read when the sync is done
    };
    const Case cases[] = {
        {"a client that reads", 0},
        {"a client one byte behind", 1},
        {"a client a reply behind", reply_size_max},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        Pair pair;
        for (const Lsn lsn : {7U, 9U}) {
            if (c.unsent > 0) pair.add(c.unsent, 0);
            ASSERT_NO_FATAL_FAILURE(fill(pair, lsn));
            pair.settle(lsn - 1);
            EXPECT_EQ(pair.outbox().waits_for(), lsn);
            pair.settle(lsn);
            EXPECT_EQ(pair.outbox().ready().size(), c.unsent == 0 ? pair.capacity : c.unsent);
            if (c.unsent > 0) {
                EXPECT_EQ(pair.outbox().waits_for(), lsn) << "there is no room to send them from";
                pair.send(c.unsent);
                pair.settle(lsn);
            }
            EXPECT_EQ(pair.outbox().waits_for(), 0U);
            pair.send(pair.capacity);
            EXPECT_TRUE(pair.outbox().empty());
        }
    }
}

// The same replies leave, whether they lie in an outbox's own memory or in what it borrows meanwhile.
TEST(Outbox, MovesWhatIsThere) {
    Desk::ForReplies for_ready;
    Desk::ForReplies for_waiting;
    constexpr std::size_t size = 16;
    constexpr std::size_t fits = Outbox::own_size / size;
    Outbox outbox;
    std::uint64_t added = 0;
    const auto add_all = [&](std::size_t count, Lsn wait_for) {
        for (std::size_t i = 0; i < count; ++i) {
            ASSERT_TRUE(outbox.has_room(size));
            std::memcpy(outbox.space(wait_for).data(), &++added, sizeof(added));
            outbox.add(size, wait_for);
        }
    };
    std::uint64_t left = 0;
    const auto send_all = [&] {
        for (; !outbox.ready().empty(); outbox.sent(size)) {
            std::uint64_t number = 0;
            std::memcpy(&number, outbox.ready().data(), sizeof(number));
            ASSERT_EQ(number, ++left);
        }
    };
    ASSERT_NO_FATAL_FAILURE(add_all(fits, 5));
    EXPECT_FALSE(outbox.has_room(size));
    EXPECT_FALSE(outbox.has_room(Outbox::own_size + 1));
    outbox.borrow(for_ready, for_waiting);
    ASSERT_TRUE(outbox.has_room());
    ASSERT_NO_FATAL_FAILURE(add_all(1, 6));
    EXPECT_FALSE(outbox.can_give_back());
    outbox.settle(5);
    EXPECT_TRUE(outbox.can_give_back());
    outbox.give_back();
    EXPECT_EQ(outbox.waits_for(), 6U);
    outbox.sent(size);
    ++left;
    outbox.settle(6);
    ASSERT_NO_FATAL_FAILURE(send_all());
    EXPECT_EQ(left, added);
    EXPECT_TRUE(outbox.empty());
}

// The number of each reply is what it holds, and the LSN that it waits for.
TEST(Outbox, KeepsItsPromiseWhenMoreLsnsWaitThanItTellsApart) {
    for (const Lsn count :
         {group_count_max - 1, group_count_max, group_count_max + 1, std::size_t{500}}) {
        SCOPED_TRACE(std::to_string(count) + " LSNs");
        Desk::ForReplies for_ready;
        Desk::ForReplies for_waiting;
        Outbox outbox;
        outbox.borrow(for_ready, for_waiting);
        for (Lsn lsn = 1; lsn <= count; ++lsn) {
            std::memcpy(outbox.space(lsn).data(), &lsn, sizeof(lsn));
            outbox.add(sizeof(lsn), lsn);
            ASSERT_EQ(outbox.waits_for(), 1U);
        }
        Lsn left = 0;
        for (Lsn durable_lsn = 0; durable_lsn <= count; ++durable_lsn) {
            SCOPED_TRACE("durable " + std::to_string(durable_lsn));
            outbox.settle(durable_lsn);
            while (!outbox.ready().empty()) {
                Lsn lsn = 0;
                ASSERT_GE(outbox.ready().size(), sizeof(lsn));
                std::memcpy(&lsn, outbox.ready().data(), sizeof(lsn));
                outbox.sent(sizeof(lsn));
                ASSERT_EQ(lsn, ++left) << "out of turn";
            }
            ASSERT_LE(left, durable_lsn) << "a reply left before its time";
            // The oldest are told apart, and what shares a time leaves no later than the newest.
            if (durable_lsn < group_count_max || durable_lsn == count) {
                ASSERT_EQ(left, durable_lsn);
            }
            // A session waits for this: never for what is there already, or will never be.
            if (left < count) {
                ASSERT_GT(outbox.waits_for(), durable_lsn);
                ASSERT_LE(outbox.waits_for(), count);
            }
        }
        EXPECT_TRUE(outbox.empty());
        EXPECT_EQ(outbox.waits_for(), 0U);
    }
}

}  // namespace
}  // namespace inod::daemon
