// Promise: a release cannot fail. Nothing on its path, from recv to send, takes memory, nor a page that was
// not touched before.
//
// Method: numbers are handed out, of all kinds of pools, in all kinds of leases. Then memory is taken away from
// the daemon for good (freeze_memory.cc), and all of them are released, over connections that were there, or by
// the ends of their holders. Each answer is ok, no page fault is taken, and no call of malloc(3) is made but for
// what can be done without: a desk for one session more, a journal file to be set aside.
// INOD_TEST_LONG=1 has a million releases.

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/e2e/daemon_figures.h"
#include "tests/e2e/daemon_process.h"
#include "tests/e2e/support.h"
#include "tests/faults/frozen_words.h"
#include "tests/faults/lives.h"
#include "tests/faults/shared_counters.h"

namespace inod::faults {
namespace {

using e2e::DaemonProcess;
using e2e::Exit;
using proto::Binding;

constexpr const char* config = R"({"pools": [
    {"name": "inode", "policy": "unique", "min": 1, "max": 18446744073709551615,
     "lease_count_max": 1000000},
    {"name": "block", "policy": "unique", "min": 1, "max": 18446744073709551615,
     "durability": "block", "lease_count_max": 1000000},
    {"name": "pid", "policy": "cyclic", "min": 1, "max": 100000000},
    {"name": "port", "policy": "lowest", "min": 1, "max": 100000000, "quarantine": 3600},
    {"name": "outer", "policy": "unique", "min": 1, "max": 1000000000},
    {"name": "inner", "policy": "lowest", "min": 1, "max": 100000000, "parent": "outer"}]})";
constexpr std::uint16_t inode = 0;
constexpr std::uint16_t block = 1;
constexpr std::uint16_t pid = 2;
constexpr std::uint16_t port = 3;
constexpr std::uint16_t outer = 4;
constexpr std::uint16_t inner = 5;

// A client with what it is to release, one request after the other.
struct Releaser {
    Client client;
    std::vector<proto::Request> left{};
    std::size_t depth = 1;  // requests under way, at most

    // Leases of `count` numbers, each of which is to be released in pieces of `piece` numbers.
    void lease(std::uint16_t pool, std::uint64_t lease_count, std::uint64_t count,
               std::uint64_t piece);
    void shuffle(std::mt19937_64& random) { std::shuffle(left.begin(), left.end(), random); }
    // Sends as many as may be under way, and reads about half of the answers.
    void work();
    [[nodiscard]] bool is_done() const { return left.empty() && client.under_way() == 0; }
};

void Releaser::lease(std::uint16_t pool, std::uint64_t lease_count, std::uint64_t count,
                     std::uint64_t piece) {
    constexpr std::size_t leases_under_way = 1'000;
    const proto::Request request{.pool = pool, .body = proto::AllocateRequest{.count = count}};
    for (std::uint64_t sent = 0; sent < lease_count || client.under_way() > 0;) {
        for (; sent < lease_count && client.under_way() < leases_under_way; ++sent)
            client.send(request).value();
        const auto reply = client.receive(e2e::soon()).value();
        const auto& lease = std::get<proto::LeaseReply>(reply.body);
        for (Id first = lease.range.first; first <= lease.range.last; first += piece) {
            const Range range{first, std::min(first + piece - 1, lease.range.last)};
            left.push_back(
                {.pool = pool,
                 .body = proto::ReleaseRequest{.range = range, .generation = lease.generation}});
        }
    }
}

void Releaser::work() {
    for (; !left.empty() && client.under_way() < depth; left.pop_back())
        client.send(left.back()).value();
    do {
        const auto reply = client.receive(e2e::soon());
        ASSERT_TRUE(reply.has_value()) << name(reply.error().code) << ": " << client.error_text();
        if (const auto* const error = std::get_if<proto::ErrorReply>(&reply->body)) {
            FAIL() << name(error->error.code) << ' ' << error->text;
        }
    } while (client.under_way() > depth / 2);
}

class FrozenMemory : public testing::Test {
protected:
    void SetUp() override {
        if (is_sanitized) GTEST_SKIP() << "a sanitizer has its own malloc";
        daemon_.launch().environment = {{"LD_PRELOAD", INOD_FREEZE_MEMORY},
                                        {"INOD_FREEZE_SHARED", words_.file()}};
        ASSERT_TRUE(daemon_.start()) << daemon_.log();
    }

    Releaser& connect(const HolderWish& holder, std::size_t depth) {
        Releaser& made = releasers_.emplace_back(Releaser{.client = daemon_.connect()});
        made.depth = depth;
        made.client.bind(holder).value();
        return made;
    }
    // `count` releases in all: of what all kinds of leases are cut into, by connections that send few or many
    // at once.
    void lease_all(std::uint64_t count) {
        const std::uint64_t part = count / 8;
        Releaser& singles = connect({.name = "singles"}, 200);
        singles.lease(inode, 2 * part, 1, 1);
        Releaser& wide = connect({.name = "wide"}, 400);
        wide.lease(inode, 1, 2 * part, 1);
        wide.lease(block, 1, part, 1);
        Releaser& returning = connect({.binding = Binding::connection}, 20);
        returning.lease(pid, part / 2, 3, 2);
        returning.lease(port, part / 5, 5, 1);
        Releaser& levels = connect({.binding = Binding::ttl, .ttl = std::chrono::hours(24)}, 1);
        levels.lease(inner, part / 20, 10, 1);
        levels.lease(block, part / 2, 1, 1);
        for (Releaser& releaser : releasers_)
            releaser.shuffle(random_);
    }
    [[nodiscard]] std::size_t left() const {
        std::size_t count = 0;
        for (const Releaser& releaser : releasers_)
            count += releaser.left.size();
        return count;
    }
    // All of them in turn, some requests each.
    void release_all() {
        for (bool is_left = true; is_left;) {
            is_left = false;
            for (Releaser& releaser : releasers_) {
                if (releaser.is_done()) continue;
                ASSERT_NO_FATAL_FAILURE(releaser.work());
                is_left = true;
            }
        }
    }
    // What is done for the first time can need pages of the program itself, which are read from its file: so
    // everything was done once before.
    void do_all_once() {
        for (const HolderWish& holder :
             {HolderWish{.binding = Binding::connection}, HolderWish{.name = "once"}}) {
            Client client = daemon_.connect();
            client.bind(holder).value();
            for (const std::uint16_t pool : {inode, block, pid, port, inner}) {
                const auto lease = client.allocate(pool, 10).value();
                const Range hole{lease.range.first + 3, lease.range.first + 4};
                client.release(pool, hole, lease.generation).value();
            }
            if (holder.binding != Binding::connection) client.release_all().value();
        }
    }
    void freeze() {
        do_all_once();
        ASSERT_TRUE(e2e::comes_to_rest(daemon_.pid()));
        const timespec patience{.tv_sec = e2e::patience.count(), .tv_nsec = 0};
        words_->state = Frozen::ordered;
        syscall(SYS_futex, &words_->state, FUTEX_WAKE, INT_MAX);
        while (words_->state == Frozen::ordered) {
            const auto waited = syscall(SYS_futex, &words_->state, FUTEX_WAIT,
                                        static_cast<std::uint32_t>(Frozen::ordered), &patience);
            ASSERT_TRUE(waited == 0 || errno != ETIMEDOUT) << "the library is not loaded";
        }
        ASSERT_TRUE(e2e::comes_to_rest(daemon_.pid()));
        ASSERT_GT(words_->drained, 0U);
    }
    // Nor after a crash, where there is memory again.
    void expect_nothing_live() {
        Client& client = releasers_.front().client;
        for (const std::uint16_t pool : {inode, block, pid, port, outer, inner}) {
            const auto stats = client.stats(pool);
            ASSERT_TRUE(stats.has_value());
            EXPECT_EQ(e2e::value_of(*stats, proto::StatId::live_ids), 0U) << pool;
        }
        daemon_.kill9();
        daemon_.launch().environment.clear();
        ASSERT_TRUE(daemon_.start()) << daemon_.log();
        Client later = daemon_.connect();
        for (const std::uint16_t pool : {inode, block, pid, port, outer, inner})
            EXPECT_TRUE(e2e::list_all(later, pool).empty()) << pool;
    }
    [[nodiscard]] std::uint64_t page_faults() const { return e2e::page_fault_count(daemon_.pid()); }

    const std::uint64_t seed_ = seed_of_this_run();
    std::mt19937_64 random_{seed_};
    DaemonProcess daemon_{config};
    SharedWords<FrozenWords> words_{daemon_.folder() + "/frozen"};
    std::vector<Releaser> releasers_;
};

// One connection after the other, for which one desk is enough, and not to the end of a file of the journal.
TEST_F(FrozenMemory, NoReleaseAsksForMemory) {
    SCOPED_TRACE("INOD_FAULTS_SEED=" + std::to_string(seed_));
    lease_all(40'000);
    ASSERT_NO_FATAL_FAILURE(freeze());
    const std::uint64_t before = page_faults();
    for (Releaser& releaser : releasers_) {
        while (!releaser.is_done())
            ASSERT_NO_FATAL_FAILURE(releaser.work()) << daemon_.log();
    }
    EXPECT_EQ(page_faults(), before);
    EXPECT_EQ(words_->refused, 0U);
    expect_nothing_live();
}

// By more connections than there are desks, and through several files of the journal, none of which can be set
// aside anew.
TEST_F(FrozenMemory, EveryReleaseSucceeds) {
    SCOPED_TRACE("INOD_FAULTS_SEED=" + std::to_string(seed_));
    for (int i = 0; i < 5; ++i)
        lease_all((takes_long_sizes() ? 1'000'000 : 100'000) / 5);
    const std::size_t count = left();
    ASSERT_NO_FATAL_FAILURE(freeze());
    const std::uint64_t before = page_faults();
    ASSERT_NO_FATAL_FAILURE(release_all()) << daemon_.log();
    std::printf("%zu releases, %lu page faults, %lu calls of malloc refused\n", count,
                page_faults() - before, words_->refused.load());
    EXPECT_EQ(page_faults(), before);
    expect_nothing_live();
}

TEST_F(FrozenMemory, EveryEndOfAHolderSucceeds) {
    Client& named = connect({.name = "named"}, 1).client;
    std::vector<Client> closing;
    for (int i = 0; i < 20; ++i) {
        closing.push_back(daemon_.connect());
        closing.back().bind({.binding = Binding::connection}).value();
    }
    for (const std::uint16_t pool : {inode, block, pid, port, inner}) {
        for (int i = 0; i < 100; ++i) {
            ASSERT_TRUE(named.allocate(pool, 3).has_value());
            for (Client& client : closing)
                ASSERT_TRUE(client.allocate(pool, 2).has_value());
        }
    }
    ASSERT_NO_FATAL_FAILURE(freeze());
    const std::uint64_t before = page_faults();
    EXPECT_EQ(named.release_all().value(), 1'800U);
    closing.clear();
    ASSERT_TRUE(e2e::comes_to_rest(daemon_.pid()));
    EXPECT_EQ(page_faults(), before);
    expect_nothing_live();
}

}  // namespace
}  // namespace inod::faults
