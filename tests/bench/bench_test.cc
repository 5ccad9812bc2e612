// The programs of the benchmark work together and count right. Nothing here asserts a speed.

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/bench/histogram.h"
#include "tests/bench/report.h"
#include "tests/bench/rows.h"
#include "tests/bench/servers.h"

namespace inod::bench {
namespace {

constexpr double seconds = 0.1;

Row row_with(std::string_view pool, Floor floor, unsigned connections, unsigned depth) {
    return {.name = "a row",
            .pool = pool,
            .floor = floor,
            .connections = connections,
            .depth = depth,
            .placement = Placement::two_cores,
            .goal = std::nullopt};
}

class BenchPrograms : public testing::Test {
protected:
    void SetUp() override {
        auto started = Servers::start(Programs::in(INOD_BENCH_DIR), testing::TempDir(), {});
        ASSERT_TRUE(started) << started.error().message;
        servers_.push_back(std::move(*started));
    }

    nlohmann::json measure(const Row& row, Peer peer) {
        const auto text = servers_.front().measure(row, peer, seconds, {});
        if (!text) {
            ADD_FAILURE() << text.error().message;
            return nlohmann::json::object();
        }
        return nlohmann::json::parse(*text, nullptr, false);
    }

    std::vector<Servers> servers_;  // one
};

TEST_F(BenchPrograms, TheFloorsAnswerTheLoad) {
    for (const Peer peer : {Peer::echo, Peer::commit_in_loop, Peer::commit_in_thread}) {
        for (const unsigned connections : {1U, 3U}) {
            SCOPED_TRACE(std::to_string(static_cast<int>(peer)) + ", " +
                         std::to_string(connections) + " connections");
            const auto got = measure(row_with({}, Floor::echo, connections, 7), peer);
            EXPECT_GT(got.value("requests", 0), 0);
            EXPECT_GE(got.value("seconds", 0.0), seconds);
            EXPECT_GT(got.value("p50_us", 0.0), 0.0);
            EXPECT_GE(got.value("p99_us", 0.0), got.value("p50_us", 0.0));
        }
    }
}

// More requests at once than the sockets take must not make both sides wait for each other.
TEST_F(BenchPrograms, TheFloorAnswersMoreThanTheSocketsHold) {
    for (const Peer peer : {Peer::echo, Peer::commit_in_loop, Peer::commit_in_thread}) {
        SCOPED_TRACE(static_cast<int>(peer));
        const auto got = measure(row_with({}, Floor::echo, 2, 50'000), peer);
        EXPECT_GT(got.value("requests", 0), 0);
    }
}

#ifdef INOD_BENCH_HAS_DAEMON
// The load holds as much as it may before it measures, so half of what it asks for is allocations.
TEST_F(BenchPrograms, TheDaemonAnswersTheLoad) {
    for (const std::string_view pool : {"bench_block", "bench_lease"}) {
        for (const Peer peer : {Peer::inod, Peer::inod_without_disk}) {
            const unsigned depth = pool == "bench_block" ? 1U : 64U;
            SCOPED_TRACE(std::string(pool) + ", " + std::to_string(static_cast<int>(peer)));
            const auto got = measure(row_with(pool, Floor::echo, 2, depth), peer);
            const int requests = got.value("requests", 0);
            EXPECT_GT(requests, 0);
            const double all = got.value("requests_per_second", 0.0);
            const double allocations = got.value("allocations_per_second", 0.0);
            const double slack = 2.0 * depth / seconds;  // what was under way at both ends
            EXPECT_NEAR(allocations, all / 2, slack);
        }
    }
}

TEST_F(BenchPrograms, ARefusalEndsTheLoadAndIsTold) {
    const auto refused = servers_.front().measure(row_with("no_such_pool", Floor::echo, 1, 1),
                                                  Peer::inod, seconds, {});
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("pool_unknown"), std::string::npos)
        << refused.error().message;
}
#endif

TEST(BenchReport, TheFastestFloorCounts) {
    const auto at = [](double rate) {
        return Sample{
            .requests_per_second = rate, .allocations_per_second = 0, .p50_us = 1, .p99_us = 2};
    };
    const auto chosen = fastest({{at(1), at(9), at(2)}, {at(3), at(3), at(4)}});
    ASSERT_EQ(chosen.size(), 3U);
    EXPECT_EQ(chosen[0].requests_per_second, 3) << "by its median, not by its best";
}

TEST(BenchHistogram, QuantilesAreWithinABucketOfTheValues) {
    struct Case {
        const char* name;
        std::uint64_t from;
        std::uint64_t to;
        double part;
        std::uint64_t value;  // the exact answer
    };
    const Case cases[] = {
        {"one value", 7, 7, 0.99, 7},
        {"small ones", 1, 60, 0.5, 30},
        {"the last of all", 1, 100'000, 1, 100'000},
        {"the median", 1, 100'000, 0.5, 50'000},
        {"p99", 1, 100'000, 0.99, 99'000},
        {"minutes", 60000000000, 60000000000, 0.5, 60000000000},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        Histogram histogram;
        for (std::uint64_t value = c.from; value <= c.to; ++value)
            histogram.add(value);
        EXPECT_GE(histogram.quantile(c.part), c.value);
        EXPECT_LE(histogram.quantile(c.part), c.value + c.value / 32);
    }
    Histogram edge;
    edge.add(0);
    EXPECT_EQ(edge.quantile(0.5), 0U);
    edge.add(~std::uint64_t{0});
    EXPECT_EQ(edge.quantile(1), ~std::uint64_t{0});
    EXPECT_EQ(Histogram().quantile(0.5), 0U);
}

Outcome outcome_of(const std::vector<double>& inod, const std::vector<double>& against,
                   std::optional<double> goal) {
    Outcome outcome{
        .row = row_with("p", Floor::echo, 1, 1), .inod = {}, .against = {}, .trouble = {}};
    outcome.row.goal = goal;
    for (const double rate : inod) {
        outcome.inod.push_back({.requests_per_second = rate,
                                .allocations_per_second = rate / 2,
                                .p50_us = 1,
                                .p99_us = 2});
    }
    for (const double rate : against) {
        outcome.against.push_back(
            {.requests_per_second = rate, .allocations_per_second = 0, .p50_us = 1, .p99_us = 2});
    }
    return outcome;
}

TEST(BenchReport, SaysWhichGoalsAreReached) {
    struct Case {
        const char* name;
        Outcome outcome;
        bool want;
    };
    const Case cases[] = {
        {"above", outcome_of({60}, {100}, 0.5), true},
        {"exactly", outcome_of({50}, {100}, 0.5), true},
        {"below", outcome_of({49}, {100}, 0.5), false},
        {"medians decide", outcome_of({1, 51, 52}, {90, 100, 500}, 0.5), true},
        {"without a goal", outcome_of({1}, {100}, std::nullopt), true},
        {"could not run", outcome_of({}, {}, 0.5), false},
        {"not run, no goal", outcome_of({}, {}, std::nullopt), false},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        EXPECT_EQ(reached(c.outcome), c.want);
    }
}

TEST(BenchReport, TheJsonHasMediansWithTheirSpread) {
    const auto rows = nlohmann::json::parse(
        as_json({outcome_of({30, 10, 20}, {40, 60}, 0.5), outcome_of({}, {}, std::nullopt)}));
    const auto want = nlohmann::json::parse(R"([
        {"row": "a row", "inod": {"median": 20.0, "min": 10.0, "max": 30.0},
         "against": {"median": 50.0, "min": 40.0, "max": 60.0},
         "ratio": 0.4, "goal": 0.5, "reached": false},
        {"row": "a row", "inod": null, "against": null, "ratio": null, "goal": null,
         "reached": false}])");
    EXPECT_EQ(rows, want) << rows.dump(2);
}

}  // namespace
}  // namespace inod::bench
