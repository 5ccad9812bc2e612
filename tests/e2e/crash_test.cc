// Promises: no number is handed out twice, no acknowledged lease is lost, no acknowledged release
// is undone, wherever the daemon is killed.
//
// Method: four clients with many requests under way allocate, release and look up; the daemon is
// killed at a random moment; what it recovers is compared with what the clients were told. Round
// after round on one state directory, so that segments switch and snapshots are taken, too.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <latch>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "tests/e2e/crash_oracle.h"
#include "tests/e2e/daemon_process.h"
#include "tests/e2e/support.h"

namespace inod::e2e {
namespace {

constexpr std::size_t client_count = 4;
constexpr std::size_t depth = 16;         // requests under way, of each client
constexpr std::size_t held_target = 200;  // ranges that a client likes to hold

// The pools of three_pools, by index.
constexpr std::size_t inode = 0;
constexpr std::size_t pid = 1;
constexpr std::size_t block = 2;

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
    const char* const text = std::getenv(name);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// One client over all rounds: what it holds, and what it does next.
class LoadClient {
public:
    explicit LoadClient(std::uint64_t seed) : random_(seed) {}

    // Works until the daemon is killed, and returns what it was told.
    Report run(const std::string& socket, std::latch& begun);

    void hold(const Numbers& numbers) { held_.push_back(numbers); }
    // A crash forgets the leases of this pool.
    void forget(std::size_t pool) {
        std::erase_if(held_, [pool](const Numbers& numbers) { return numbers.pool == pool; });
    }

private:
    struct UnderWay {
        enum class Kind { none, allocate, release, look_at_own, look_at_any } kind{};
        Numbers numbers;
    };

    proto::Request next_request(UnderWay& under_way);
    Numbers take_something();
    void answered(const UnderWay& under_way, const proto::Reply& reply);
    void refused(const UnderWay& under_way, Errc code);
    void surprise(const UnderWay& under_way, std::string_view what);
    std::uint64_t below(std::uint64_t end) { return random_() % end; }

    std::mt19937_64 random_;
    std::vector<Numbers> held_;
    Id newest_ = 1;  // in the pool inode
    Report report_;
};

// Removes what is to be released from what is held: a whole lease or a part of one.
Numbers LoadClient::take_something() {
    Numbers& chosen = held_[below(held_.size())];
    std::swap(chosen, held_.back());
    Numbers taken = held_.back();
    held_.pop_back();
    if (taken.range.span() > 0 && below(2) == 0) {
        const Id middle = taken.range.first + below(taken.range.span());
        Numbers kept = taken;
        kept.range.first = middle + 1;
        taken.range.last = middle;
        held_.push_back(kept);
    }
    return taken;
}

proto::Request LoadClient::next_request(UnderWay& under_way) {
    using Kind = UnderWay::Kind;
    const std::uint64_t dice = below(10);
    if (dice == 0) {
        const Id id = newest_ - std::min<Id>(newest_ - 1, below(2'000)) + below(16);
        under_way = {Kind::look_at_any, {.pool = inode, .range = {id, id}}};
        return {.pool = inode, .body = proto::LookupRequest{.id = id}};
    }
    if (dice == 1 && !held_.empty()) {
        Numbers numbers = held_[below(held_.size())];
        numbers.range.last = numbers.range.first;
        under_way = {Kind::look_at_own, numbers};
        return {.pool = static_cast<std::uint16_t>(numbers.pool),
                .body = proto::LookupRequest{.id = numbers.range.first}};
    }
    if (held_.size() > below(2 * held_target)) {
        const Numbers numbers = take_something();
        under_way = {Kind::release, numbers};
        return {.pool = static_cast<std::uint16_t>(numbers.pool),
                .body = proto::ReleaseRequest{.range = numbers.range,
                                              .generation = numbers.generation}};
    }
    const std::size_t pool = below(3);
    const std::uint64_t count = below(2) == 0 ? 1 : 1 + below(40);
    under_way = {Kind::allocate, {.pool = pool, .range = {1, count}}};
    return {.pool = static_cast<std::uint16_t>(pool),
            .body = proto::AllocateRequest{.count = count}};
}

void LoadClient::surprise(const UnderWay& under_way, std::string_view what) {
    report_.surprises.push_back("request of kind " + std::to_string(int(under_way.kind)) +
                                " in pool " + std::to_string(under_way.numbers.pool) + " for ID " +
                                std::to_string(under_way.numbers.range.first) + " generation " +
                                std::to_string(under_way.numbers.generation) + ": " +
                                std::string(what));
}

void LoadClient::answered(const UnderWay& under_way, const proto::Reply& reply) {
    using Kind = UnderWay::Kind;
    if (const auto* const error = std::get_if<proto::ErrorReply>(&reply.body)) {
        refused(under_way, error->error.code);
    } else if (const auto* const lease = std::get_if<proto::LeaseReply>(&reply.body)) {
        const Numbers numbers{under_way.numbers.pool, lease->range, lease->generation};
        report_.allocated.push_back(numbers);
        held_.push_back(numbers);
        if (numbers.pool == inode) newest_ = std::max(newest_, numbers.range.last);
    } else if (under_way.kind == Kind::release) {
        report_.released.push_back(under_way.numbers);
    } else {
        const auto& found = std::get<proto::LookupReply>(reply.body);
        // Requests of a connection are decided in order, and nobody else gives our numbers back.
        if (under_way.kind == Kind::look_at_own &&
            found.generation != under_way.numbers.generation) {
            surprise(under_way, "live with another generation");
        }
        Numbers seen = under_way.numbers;
        seen.generation = found.generation;
        if (seen.pool != block) report_.seen_live.push_back(seen);
    }
}

void LoadClient::refused(const UnderWay& under_way, Errc code) {
    using Kind = UnderWay::Kind;
    const bool lost = code == Errc::in_doubt || code == Errc::not_connected;
    if (code == Errc::in_doubt) ++report_.requests_in_doubt;
    if (lost && under_way.kind == Kind::allocate) {
        if (code == Errc::in_doubt) {
            report_.allocated_in_doubt.at(under_way.numbers.pool) += under_way.numbers.range.last;
        }
    } else if (lost && under_way.kind == Kind::release) {
        if (code == Errc::in_doubt) {
            report_.released_in_doubt.push_back(under_way.numbers);
        } else {
            held_.push_back(under_way.numbers);
        }
    } else if (under_way.kind == Kind::look_at_any && code == Errc::released) {
        report_.seen_released.push_back(under_way.numbers);
    } else if (!lost && !(under_way.kind == Kind::look_at_any && code == Errc::never_allocated)) {
        surprise(under_way, name(code));
    }
}

Report LoadClient::run(const std::string& socket, std::latch& begun) {
    report_ = {};
    report_.allocated_in_doubt.resize(3);
    auto client = Client::connect({.socket_path = socket, .pools = {}, .timeout = patience});
    begun.count_down();
    if (!client) {
        report_.surprises.push_back(client.error().message);
        return report_;
    }
    std::map<std::uint16_t, UnderWay> under_way;
    while (client->connected() || client->under_way() > 0) {
        while (client->connected() && client->under_way() < depth) {
            UnderWay request;
            const auto tag = client->send(next_request(request));
            if (!tag) {
                refused(request, tag.error().code);
                break;
            }
            under_way[*tag] = request;
        }
        const auto reply = client->receive(soon());
        if (!reply) {
            report_.surprises.push_back("receive: " + client->error_text());
            break;
        }
        answered(under_way.at(reply->tag), *reply);
    }
    return report_;
}

class Crash : public testing::Test {
protected:
    void play(std::uint64_t rounds, std::uint64_t seed);
    void play_round();
    void compare();
    void expect_no_faults() const;

    DaemonProcess daemon_{three_pools};
    CrashOracle oracle_{{true, true, false}};
    std::vector<LoadClient> clients_;
    std::mt19937_64 random_;
};

// The daemon runs. One life: load, kill, restart, compare.
void Crash::play_round() {
    std::vector<Report> reports(client_count);
    std::latch begun(client_count);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < client_count; ++i) {
        threads.emplace_back([&, i] { reports[i] = clients_[i].run(daemon_.socket(), begun); });
    }
    begun.wait();
    // The random moment is the point here, not a wait for something.
    std::this_thread::sleep_for(std::chrono::microseconds(5'000 + random_() % 145'000));
    daemon_.kill9();
    for (std::thread& thread : threads)
        thread.join();
    for (const Report& report : reports)
        oracle_.take(report);
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    compare();
}

void Crash::compare() {
    Client client = daemon_.connect();
    for (const std::size_t pool : {inode, pid}) {
        const auto leases = list_all(client, static_cast<std::uint16_t>(pool));
        for (const Numbers& numbers : oracle_.compare(pool, leases))
            clients_.front().hold(numbers);
        for (const Numbers& numbers : oracle_.still_held())
            clients_.front().hold(numbers);
    }
    const auto forgotten = list_all(client, static_cast<std::uint16_t>(block));
    EXPECT_TRUE(oracle_.compare(block, forgotten).empty());
    EXPECT_TRUE(forgotten.empty()) << "a crash forgets who held what in a block pool";
    for (LoadClient& load : clients_)
        load.forget(block);
}

void Crash::expect_no_faults() const {
    for (const std::string& fault : oracle_.faults())
        ADD_FAILURE() << fault;
    EXPECT_EQ(oracle_.totals().repeats, 0U);
    EXPECT_EQ(oracle_.totals().lost, 0U);
    EXPECT_EQ(oracle_.totals().undone, 0U);
}

void Crash::play(std::uint64_t rounds, std::uint64_t seed) {
    random_.seed(seed);
    for (std::size_t i = 0; i < client_count; ++i)
        clients_.emplace_back(random_());
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    for (std::uint64_t round = 0; round < rounds; ++round) {
        SCOPED_TRACE("round " + std::to_string(round));
        ASSERT_NO_FATAL_FAILURE(play_round());
        ASSERT_NO_FATAL_FAILURE(expect_no_faults());
        if (HasFailure()) return;
    }
    Client client = daemon_.connect();
    EXPECT_EQ(value_of(client.daemon_stats().value(), proto::StatId::run), rounds + 1);
    EXPECT_EQ(daemon_.terminate(), (Exit{.status = 0}));
}

TEST_F(Crash, NoRepeatNoLossNothingUndone) {
    const std::uint64_t rounds = number_from_environment("INOD_CRASH_ROUNDS", 30);
    const std::uint64_t seed = number_from_environment("INOD_CRASH_SEED", std::random_device()());
    SCOPED_TRACE("INOD_CRASH_SEED=" + std::to_string(seed));
    play(rounds, seed);
    const CrashOracle::Totals& totals = oracle_.totals();
    std::printf(
        "crash: rounds %lu, acknowledged allocations %lu, releases %lu, in doubt %lu, "
        "repeats %lu, lost %lu, undone %lu\n",
        rounds, totals.allocated, totals.released, totals.in_doubt, totals.repeats, totals.lost,
        totals.undone);
    EXPECT_GT(totals.allocated, rounds);
    EXPECT_GT(totals.released, 0U);
    EXPECT_GT(totals.in_doubt, 0U);
    if (rounds < 30) return;
    EXPECT_FALSE(std::filesystem::exists(daemon_.state_dir() + "/segment-0000000000000001"))
        << "no snapshot has made the first segment superfluous";
}

}  // namespace
}  // namespace inod::e2e
