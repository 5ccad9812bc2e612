// Promise: what is asked for with a token is carried out once, whatever becomes of connections and of the
// daemon.
// Method: a client asks for many numbers, each with a token, over connections that it cuts at any moment:
// behind the requests, in the middle of the replies; and asks again for what it has not heard of, while
// now and then the daemon is killed. In the end there are as many leases as tokens, each token has its
// own, and what was heard is what is heard again. INOD_TEST_LONG=1 has 200,000 tokens.
#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "tests/e2e/daemon_process.h"
#include "tests/e2e/support.h"

namespace inod::e2e {
namespace {

struct Wanted {
    std::uint64_t number;  // of its token
    std::uint16_t pool;
    std::optional<proto::LeaseReply> heard{};
};

class Customer {
public:
    Customer(DaemonProcess& daemon, std::size_t count, std::uint64_t seed)
        : daemon_(daemon), random_(seed) {
        for (std::uint64_t number = 0; number < count; ++number) {
            wanted_.push_back({.number = number, .pool = static_cast<std::uint16_t>(roll(3))});
            open_.push_back(number);
        }
    }

    // One connection: asks for some of what is open, and hears some of the answers before it is cut.
    void ask_some() {
        Client client = daemon_.connect();
        if (epoch_ == 0) epoch_ = client.new_token().value().epoch;
        const std::size_t asked = std::min<std::size_t>(1 + roll(200), open_.size());
        std::vector<std::uint64_t> by_tag(65'536);
        for (std::size_t i = 0; i < asked; ++i) {
            std::swap(open_[i], open_[i + roll(open_.size() - i)]);
            by_tag.at(*client.send(request_of(open_[i]))) = open_[i];
        }
        ASSERT_TRUE(client.flush(soon()));
        const std::size_t told = roll(asked + 1);
        for (std::size_t i = 0; i < told; ++i) {
            const auto reply = client.receive(soon());
            ASSERT_TRUE(reply) << name(reply.error().code);
            hear(by_tag.at(reply->tag), *reply);
        }
        std::erase_if(open_, [&](std::uint64_t at) { return wanted_[at].heard.has_value(); });
    }

    // Asks for everything once more.
    void ask_all() {
        Client client = daemon_.connect();
        for (std::uint64_t at = 0; at < wanted_.size(); ++at) {
            const auto tag = client.send(request_of(at));
            ASSERT_TRUE(tag);
            const auto reply = client.receive(soon());
            ASSERT_TRUE(reply);
            hear(at, *reply);
            const auto& lease = *wanted_[at].heard;
            const bool is_its_own =
                leases_.emplace(wanted_[at].pool, lease.range.first, lease.generation).second;
            ASSERT_TRUE(is_its_own) << "two tokens have one lease";
        }
    }

    [[nodiscard]] bool has_open() const { return !open_.empty(); }
    [[nodiscard]] std::uint64_t roll(std::uint64_t end) { return random_() % end; }

private:
    [[nodiscard]] proto::Request request_of(std::uint64_t at) const {
        return {.pool = wanted_[at].pool,
                .body = proto::AllocateRequest{.count = 1},
                .token = proto::Token{.epoch = epoch_, .number = wanted_[at].number}};
    }
    void hear(std::uint64_t at, const proto::Reply& reply) {
        const auto* const lease = std::get_if<proto::LeaseReply>(&reply.body);
        ASSERT_NE(lease, nullptr) << name(std::get<proto::ErrorReply>(reply.body).error.code);
        auto& heard = wanted_[at].heard;
        ASSERT_EQ(heard.value_or(*lease), *lease) << "token " << at << " is answered otherwise";
        heard = *lease;
    }

    DaemonProcess& daemon_;
    std::mt19937_64 random_;
    std::uint64_t epoch_ = 0;
    std::vector<Wanted> wanted_;
    std::vector<std::uint64_t> open_;  // what was not heard of yet
    std::set<std::tuple<std::uint16_t, Id, std::uint64_t>> leases_;
};

std::uint64_t live_count(Client& client) {
    std::uint64_t live = 0;
    for (const char* const pool : {"inode", "pid", "block"})
        live += value_of(client.stats(pool).value(), proto::StatId::live_ids);
    return live;
}

TEST(Token, AsManyLeasesAsTokensOverConnectionsThatAreCut) {
    const std::size_t count = std::getenv("INOD_TEST_LONG") != nullptr ? 200'000 : 20'000;
    DaemonProcess daemon(R"({
      "pools": [
        {"name": "inode", "policy": "unique", "min": 1, "max": 18446744073709551615},
        {"name": "pid", "policy": "cyclic", "min": 2, "max": 100000000},
        {"name": "block", "policy": "unique", "min": 1, "max": 18446744073709551615,
         "durability": "block"}
      ]})");
    ASSERT_TRUE(daemon.start()) << daemon.log();
    Customer customer(daemon, count, 1);
    std::size_t connections = 0;
    while (customer.has_open()) {
        ASSERT_NO_FATAL_FAILURE(customer.ask_some());
        if (++connections % 50 != 0) continue;
        daemon.kill9();
        ASSERT_TRUE(daemon.start()) << daemon.log();
    }
    EXPECT_GT(connections, count / 200);
    {
        Client client = daemon.connect();
        EXPECT_EQ(live_count(client), count);
    }
    ASSERT_NO_FATAL_FAILURE(customer.ask_all());
    Client client = daemon.connect();
    EXPECT_EQ(live_count(client), count);
}

// The client notices by itself that its connection is gone, and asks the next daemon.
TEST(Token, IsAskedForAgainOfTheNextDaemon) {
    DaemonProcess daemon(three_pools);
    ASSERT_TRUE(daemon.start()) << daemon.log();
    Client client = daemon.connect();
    const proto::Token token = client.new_token().value();
    const auto first = client.allocate_once("pid", token, 3);
    ASSERT_TRUE(first) << client.error_text();
    daemon.kill9();
    ASSERT_TRUE(daemon.start()) << daemon.log();
    EXPECT_EQ(client.allocate_once("pid", token, 3).value(), *first);
    EXPECT_EQ(client.allocate_once("pid", token, 4).error().code, Errc::token_mismatch);
}

// As a script has it.
TEST(Token, IsPrintedAndTakenByInoctl) {
    DaemonProcess daemon(three_pools);
    ASSERT_TRUE(daemon.start()) << daemon.log();
    const std::string ctl = "inoctl --socket " + daemon.socket() + " ";
    const std::string alloc = ctl + "alloc pid --count 3 --token $token";
    EXPECT_EQ(run_in_shell("token=$(" + ctl + "token) && a=$(" + alloc + ") && b=$(" + alloc +
                           ") && [ \"$a\" = \"$b\" ] && [ -n \"$a\" ]"),
              0);
    EXPECT_EQ(run_in_shell(ctl + "alloc inode --token x 2>/dev/null"), 2);
    EXPECT_EQ(
        run_in_shell(ctl + "alloc inode --bind connection --token $(" + ctl + "token) 2>/dev/null"),
        2);
    Client client = daemon.connect();
    EXPECT_EQ(value_of(client.stats("pid").value(), proto::StatId::live_ids), 3U);
}

}  // namespace
}  // namespace inod::e2e
