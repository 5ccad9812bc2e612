// The programs of the benchmark work together and count right. Nothing here asserts a speed.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/bench/histogram.h"
#include "tests/bench/plot.h"
#include "tests/bench/postgresql.h"
#include "tests/bench/report.h"
#include "tests/bench/rounds.h"
#include "tests/bench/rows.h"
#include "tests/bench/servers.h"

namespace inod::bench {
namespace {

constexpr double seconds = 0.1;

Series series_of(Peer peer, unsigned connections, unsigned depth, Work work = Work::hold) {
    return {.peer = peer, .work = work, .connections = connections, .depth = depth};
}

class BenchPrograms : public testing::Test {
protected:
    void start(const std::set<Peer>& peers,
               const Programs& programs = Programs::in(INOD_BENCH_DIR)) {
        auto started = Servers::start(programs, testing::TempDir(), {}, peers);
        ASSERT_TRUE(started) << started.error().message;
        servers_.push_back(std::move(*started));
    }

    nlohmann::json measure(const Series& series) {
        const auto text = servers_.front().measure(series, seconds, {});
        if (!text) {
            ADD_FAILURE() << text.error().message;
            return nlohmann::json::object();
        }
        return nlohmann::json::parse(*text, nullptr, false);
    }

    // Why it cannot be measured.
    std::string trouble_of(const Series& series) {
        const auto text = servers_.front().measure(series, seconds, {});
        return text ? "none" : text.error().message;
    }

    std::vector<Servers> servers_;  // one
};

constexpr Peer floors[] = {Peer::echo, Peer::commit_in_loop, Peer::commit_in_thread};

TEST_F(BenchPrograms, TheFloorsAnswerTheLoad) {
    start({std::begin(floors), std::end(floors)});
    for (const Peer peer : floors) {
        for (const unsigned connections : {1U, 3U}) {
            SCOPED_TRACE(std::string(name_of(peer)) + ", " + std::to_string(connections) +
                         " connections");
            const auto got = measure(series_of(peer, connections, 7));
            EXPECT_GT(got.value("requests", 0), 0);
            EXPECT_GE(got.value("seconds", 0.0), seconds);
            EXPECT_GT(got.value("p50_us", 0.0), 0.0);
            EXPECT_GE(got.value("p99_us", 0.0), got.value("p50_us", 0.0));
        }
    }
}

// More requests at once than the sockets take must not make both sides wait for each other.
TEST_F(BenchPrograms, TheFloorAnswersMoreThanTheSocketsHold) {
    start({std::begin(floors), std::end(floors)});
    for (const Peer peer : floors) {
        SCOPED_TRACE(name_of(peer));
        const auto got = measure(series_of(peer, 2, 50'000));
        EXPECT_GT(got.value("requests", 0), 0);
    }
}

// However short it looks for replies before it sleeps, and however long.
TEST_F(BenchPrograms, TheLoadMaySpin) {
    start({Peer::echo});
    for (const unsigned spin_us : {1U, 1'000'000U}) {
        for (const unsigned connections : {1U, 3U}) {
            SCOPED_TRACE(std::to_string(spin_us) + " us, " + std::to_string(connections));
            Series series = series_of(Peer::echo, connections, 2);
            series.spin_us = spin_us;
            EXPECT_GT(measure(series).value("requests", 0), 0);
        }
    }
}

TEST_F(BenchPrograms, WhatDoesNotRunSaysWhy) {
    Programs programs = Programs::in(INOD_BENCH_DIR);
    programs.redis_server.clear();
    programs.postgresql.clear();
    programs.echo_server = "/nonexistent/echo_server";
    start({Peer::redis, Peer::redis_always, Peer::postgresql, Peer::echo}, programs);
    struct Case {
        Peer peer;
        const char* want;
    };
    const Case cases[] = {
        {Peer::redis, "not installed"},      {Peer::redis_always, "not installed"},
        {Peer::postgresql, "not installed"}, {Peer::echo, "it has ended"},
        {Peer::inod, "it was not started"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(name_of(c.peer));
        EXPECT_NE(trouble_of(series_of(c.peer, 1, 1)).find(c.want), std::string::npos)
            << trouble_of(series_of(c.peer, 1, 1));
    }
}

TEST_F(BenchPrograms, APostgreSqlThatDoesNotStartSaysWhy) {
    Programs programs = Programs::in(INOD_BENCH_DIR);
    programs.postgresql = "/nonexistent";
    start({Peer::postgresql}, programs);
    EXPECT_NE(trouble_of(series_of(Peer::postgresql, 1, 1)).find("initdb"), std::string::npos)
        << trouble_of(series_of(Peer::postgresql, 1, 1));
}

// It ends sooner than the load has warmed up.
TEST_F(BenchPrograms, AServerThatDiesIsTold) {
    const std::filesystem::path script = std::filesystem::path(testing::TempDir()) / "dies.sh";
    Programs programs = Programs::in(INOD_BENCH_DIR);
    std::ofstream(script) << "#!/bin/sh\nexec timeout 0.15 '" << programs.echo_server.string()
                          << "' \"$@\"\n";
    std::filesystem::permissions(script, std::filesystem::perms::owner_all);
    programs.echo_server = script;
    start({Peer::echo}, programs);
    const auto outcomes = measure_all({{.name = "dies", .pool = "p", .goal = 1}}, 1,
                                      [&](const Series& series) -> Result<Sample, Failure> {
                                          const auto text =
                                              servers_.front().measure(series, seconds, {});
                                          if (!text) return text.error();
                                          return Sample{};
                                      });
    const auto json = nlohmann::json::parse(as_json(outcomes));
    EXPECT_EQ(json[0]["reached"], false);
    EXPECT_NE(json[0]["reason"].get<std::string>().find("echo floor: "), std::string::npos)
        << json.dump(2);
}

TEST_F(BenchPrograms, RedisAnswersTheLoad) {
    const Programs programs = Programs::in(INOD_BENCH_DIR);
    if (programs.redis_server.empty()) GTEST_SKIP() << "Redis is not installed";
    start({Peer::redis, Peer::redis_always}, programs);
    for (const Peer peer : {Peer::redis, Peer::redis_always}) {
        for (const Work work : {Work::increment, Work::record, Work::hold}) {
            SCOPED_TRACE(std::string(name_of(peer)) + ", " + std::string(name_of(work)));
            const auto got = measure(series_of(peer, 2, 5, work));
            const double all = got.value("requests_per_second", 0.0);
            EXPECT_GT(all, 0);
            const double slack = 2.0 * 5 / seconds;  // what was under way at both ends
            EXPECT_NEAR(got.value("allocations_per_second", 0.0),
                        work == Work::hold ? all / 2 : all, slack);
        }
    }
}

TEST_F(BenchPrograms, PostgreSqlAnswersPgbench) {
    const Programs programs = Programs::in(INOD_BENCH_DIR);
    if (programs.postgresql.empty()) GTEST_SKIP() << "PostgreSQL is not installed";
    start({Peer::postgresql}, programs);
    for (const Work work : {Work::increment, Work::record}) {
        SCOPED_TRACE(name_of(work));
        const auto got = measure(series_of(Peer::postgresql, 3, 1, work));
        EXPECT_GT(got.value("requests_per_second", 0.0), 0);
    }
}

#ifdef INOD_BENCH_HAS_DAEMON
// The load holds as much as it may before it measures, so half of what it asks for is allocations.
TEST_F(BenchPrograms, TheDaemonAnswersTheLoad) {
    start({Peer::inod, Peer::inod_without_disk});
    for (const std::string_view pool : {"bench_block", "bench_lease"}) {
        for (const Peer peer : {Peer::inod, Peer::inod_without_disk}) {
            for (const unsigned count : {1U, 1000U}) {
                SCOPED_TRACE(std::string(pool) + ", " + std::string(name_of(peer)) + ", " +
                             std::to_string(count));
                Series series = series_of(peer, 2, pool == "bench_block" ? 1U : 64U);
                series.pool = pool;
                series.count = count;
                const auto got = measure(series);
                EXPECT_GT(got.value("requests", 0), 0);
                const double all = got.value("requests_per_second", 0.0);
                const double slack = 2.0 * series.depth / seconds;  // under way at both ends
                EXPECT_NEAR(got.value("allocations_per_second", 0.0), all / 2, slack);
            }
        }
    }
}

// Nearly nothing is allocated meanwhile: of releases one in a thousand.
TEST_F(BenchPrograms, TheDaemonAnswersThoseWhoLookUpAndThoseWhoRelease) {
    start({Peer::inod});
    for (const std::string_view pool : {"bench_block", "bench_lease"}) {
        for (const Work work : {Work::lookup, Work::release}) {
            SCOPED_TRACE(std::string(pool) + ", " + std::string(name_of(work)));
            Series series = series_of(Peer::inod, 3, 16, work);
            series.pool = pool;
            const auto got = measure(series);
            const double all = got.value("requests_per_second", 0.0);
            EXPECT_GT(all, 0);
            EXPECT_LE(got.value("allocations_per_second", 0.0),
                      work == Work::lookup ? 0 : all / 1000 + 2 * 3 / seconds);
        }
    }
}

TEST_F(BenchPrograms, ARefusalEndsTheLoadAndIsTold) {
    start({Peer::inod});
    Series series = series_of(Peer::inod, 1, 1);
    series.pool = "no_such_pool";
    EXPECT_NE(trouble_of(series).find("pool_unknown"), std::string::npos) << trouble_of(series);
}
#endif

TEST(BenchVersions, AreReadFromWhatTheProgramsPrint) {
    EXPECT_EQ(version_in("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0"), "7.0.15");
    EXPECT_EQ(version_in("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), "15.18");
    EXPECT_EQ(version_in("none"), "");
    EXPECT_EQ(version_in("v="), "");
}

TEST(BenchPostgreSql, ReadsTheFigureOfPgbench) {
    struct Case {
        const char* name;
        const char* output;
        std::optional<double> want;
    };
    const Case cases[] = {
        {"as it is", "latency average = 0.069 ms\ntps = 14492.75 (without initial ...)\n",
         14492.75},
        {"none", "pgbench (15.1)\n", std::nullopt},
        {"no number", "tps = nan", std::nullopt},
        {"nothing was done", "tps = 0.0", std::nullopt},
        {"cut off", "tps = ", std::nullopt},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        EXPECT_EQ(tps_in(c.output), c.want);
    }
}

Row row_with(std::string_view pool, Against against, unsigned connections) {
    return {.name = "a row", .pool = pool, .against = against, .connections = connections};
}

TEST(BenchRows, NamesAreUniqueAndEveryRowOfOneCoreHasOneOfTwo) {
    for (const Group& group : groups()) {
        SCOPED_TRACE(group.name);
        std::map<std::string, Placement> names;
        for (const Row& row : group.rows)
            EXPECT_TRUE(names.emplace(row.name, row.placement).second) << row.name;
        for (const auto& [name, placement] : names) {
            if (placement == Placement::two_cores) continue;
            const auto end = name.rfind(", one core");
            ASSERT_NE(end, name.npos) << name;
            EXPECT_TRUE(names.contains(name.substr(0, end))) << name;
        }
    }
}

TEST(BenchRows, BothSidesHaveOneLoadAndOnlyInodPolls) {
    for (const Group& group : groups()) {
        for (const Row& row : group.rows) {
            SCOPED_TRACE(row.name);
            const Series inod = inod_of(row);
            EXPECT_EQ(inod.peer, row.polling ? Peer::inod_polling : Peer::inod);
            EXPECT_EQ(inod.spin_us > 0, row.polling);
            ASSERT_FALSE(against_of(row).empty());
            for (const Series& other : against_of(row)) {
                EXPECT_EQ(other.connections, inod.connections);
                EXPECT_EQ(other.depth, inod.depth);
                EXPECT_EQ(other.placement, inod.placement);
                EXPECT_EQ(other.spin_us, 0U);
                EXPECT_FALSE(other == inod);
            }
        }
    }
}

Sample at_rate(double rate) {
    return {.requests_per_second = rate, .allocations_per_second = 0, .p50_us = 1, .p99_us = 2};
}

// Each server's rate is its number, so that a sample tells whose it is.
class BenchRounds : public testing::Test {
protected:
    std::vector<Outcome> measure(const std::vector<Row>& rows, unsigned repetitions) {
        return measure_all(rows, repetitions, [&](const Series& series) -> Result<Sample, Failure> {
            asked_.push_back(series.peer);
            if (failing_.contains(series.peer)) return Failure{Errc::io_error, "broken"};
            return at_rate(1 + static_cast<double>(series.peer));
        });
    }

    std::set<Peer> failing_;
    std::vector<Peer> asked_;
};

TEST_F(BenchRounds, AllWithOneLoadTakeTurns) {
    const auto outcomes =
        measure({row_with("p", Against::echo, 1), row_with("p", Against::redis_increment, 2),
                 row_with("p", Against::group_commit, 1)},
                2);
    const std::vector<Peer> want = {
        Peer::echo,  Peer::inod, Peer::commit_in_loop, Peer::commit_in_thread,  // one client
        Peer::echo,  Peer::inod, Peer::commit_in_loop, Peer::commit_in_thread,
        Peer::redis, Peer::inod, Peer::redis,          Peer::inod,  // two
    };
    EXPECT_EQ(asked_, want);
    ASSERT_EQ(outcomes.size(), 3U);
    for (const Outcome& outcome : outcomes) {
        EXPECT_EQ(outcome.inod.size(), 2U);
        EXPECT_EQ(outcome.inod.front().requests_per_second, 1 + static_cast<double>(Peer::inod));
    }
    EXPECT_EQ(outcomes[1].row.against, Against::redis_increment);
    EXPECT_EQ(outcomes[2].against.front().requests_per_second,
              1 + static_cast<double>(Peer::commit_in_thread))
        << "the faster one";
}

TEST_F(BenchRounds, WhatFailsIsNotAskedAgainAndTakesItsOwnRowsAlone) {
    failing_ = {Peer::redis};
    const auto outcomes =
        measure({row_with("p", Against::redis_increment, 1), row_with("p", Against::echo, 1)}, 3);
    ASSERT_EQ(outcomes.size(), 2U);
    EXPECT_EQ(std::count(asked_.begin(), asked_.end(), Peer::redis), 1);
    EXPECT_EQ(outcomes[0].trouble, "Redis: broken");
    EXPECT_EQ(ratio_of(outcomes[0]), std::nullopt);
    EXPECT_EQ(outcomes[1].trouble, "");
    EXPECT_EQ(outcomes[1].inod.size(), 3U);
}

TEST_F(BenchRounds, OneOfTwoFloorsThatFailsTakesTheRow) {
    failing_ = {Peer::commit_in_thread};
    const auto outcomes = measure({row_with("p", Against::group_commit, 1)}, 1);
    EXPECT_EQ(outcomes.front().trouble, "floor with commit in a thread: broken");
    EXPECT_FALSE(reached(outcomes.front()));
}

TEST(BenchReport, TheFastestFloorCounts) {
    const auto at = at_rate;
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
        .row = row_with("p", Against::echo, 1), .inod = {}, .against = {}, .trouble = {}};
    outcome.row.goal = goal;
    for (const double rate : inod)
        outcome.inod.push_back(at_rate(rate));
    for (const double rate : against)
        outcome.against.push_back(at_rate(rate));
    return outcome;
}

// The same numbers as latencies, of sides with equal rates.
Outcome latency_of(double inod, double against, double goal) {
    Outcome outcome = outcome_of({1}, {1}, goal);
    outcome.row.quantity = Quantity::p99_us;
    outcome.inod.front().p99_us = inod;
    outcome.against.front().p99_us = against;
    return outcome;
}

Outcome broken(const std::string& trouble) {
    Outcome outcome = outcome_of({}, {}, 0.5);
    outcome.trouble = trouble;
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
        {"latency below", latency_of(110, 100, 1.2), true},
        {"latency exactly", latency_of(120, 100, 1.2), true},
        {"latency above", latency_of(121, 100, 1.2), false},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        EXPECT_EQ(reached(c.outcome), c.want);
    }
}

TEST(BenchReport, TheJsonHasMediansWithTheirSpread) {
    const auto rows = nlohmann::json::parse(
        as_json({outcome_of({30, 10, 20}, {40, 60}, 0.5), latency_of(30, 20, 2),
                 outcome_of({1}, {2}, std::nullopt), broken("no \"server\" \xff")}));
    const auto want = nlohmann::json::parse(R"([
        {"row": "a row", "placement": "two cores", "of": "the echo floor",
         "unit": "requests a second",
         "inod": {"median": 20.0, "min": 10.0, "max": 30.0},
         "against": {"median": 50.0, "min": 40.0, "max": 60.0},
         "ratio": 0.4, "goal": 0.5, "reached": false, "reason": null},
        {"row": "a row", "placement": "two cores", "of": "the echo floor", "unit": "p99, us",
         "inod": {"median": 30.0, "min": 30.0, "max": 30.0},
         "against": {"median": 20.0, "min": 20.0, "max": 20.0},
         "ratio": 1.5, "goal": 2.0, "reached": true, "reason": null},
        {"row": "a row", "placement": "two cores", "of": "the echo floor",
         "unit": "requests a second",
         "inod": {"median": 1.0, "min": 1.0, "max": 1.0},
         "against": {"median": 2.0, "min": 2.0, "max": 2.0},
         "ratio": 0.5, "goal": null, "reached": true, "reason": null},
        {"row": "a row", "placement": "two cores", "of": "the echo floor",
         "unit": "requests a second", "inod": null, "against": null, "ratio": null, "goal": 0.5,
         "reached": false, "reason": "no \"server\" \ufffd"}])");
    EXPECT_EQ(rows, want) << rows.dump(2);
}

TEST(BenchPlot, EscapesWhatXmlCannotHave) {
    EXPECT_EQ(escaped("a <b> & \"c\"; \n\x01\xff~"), "a &lt;b&gt; &amp; &quot;c&quot;; ???~");
}

std::size_t count_of(const std::string& text, std::string_view part) {
    std::size_t count = 0;
    for (auto at = text.find(part); at != text.npos; at = text.find(part, at + part.size()))
        ++count;
    return count;
}

TEST(BenchPlot, EveryRowHasItsBarOrItsReason) {
    Outcome on_one_core = outcome_of({70}, {100}, std::nullopt);
    on_one_core.row.placement = Placement::one_core;
    const std::string svg = as_svg({outcome_of({60}, {100}, 0.5), outcome_of({40}, {100}, 0.5),
                                    latency_of(3, 2, 1.2), on_one_core, broken("it <ended>")},
                                   "a machine\nand how");
    struct Case {
        const char* part;
        std::size_t count;
    };
    const Case cases[] = {
        {"a row", 5},
        {"<rect class='y'", 1},  // reached
        {"<rect class='m'", 2},  // missed
        {"<rect class='o'", 1},  // no goal
        {"class='g'", 3},        // a goal's mark, where there is a bar
        {">0.600, goal 0.50: reached<", 1},
        {">0.400, goal 0.50: MISSED<", 1},
        {">1.500, goal at most 1.20: MISSED<", 1},
        {">0.700<", 1},
        {">-, goal 0.50: MISSED<", 1},
        {"could not run: it &lt;ended&gt;", 1},
        {"on two cores", 1},
        {"on one core", 1},
        {">a machine<", 1},
        {">and how<", 1},
        {"prefers-color-scheme:dark", 1},
    };
    for (const Case& c : cases)
        EXPECT_EQ(count_of(svg, c.part), c.count) << c.part;
    EXPECT_EQ(count_of(svg, "<text"), count_of(svg, "</text>"));
}

// What is beyond the scale stays in the picture.
TEST(BenchPlot, ABarEndsWhereTheScaleDoes) {
    const auto bar_of = [](double rate) {
        const std::string svg = as_svg({outcome_of({rate}, {1}, std::nullopt)}, "");
        const auto at = svg.find("<rect class='o'");
        const auto end = svg.find("/>", at);
        return svg.substr(at, end - at);
    };
    EXPECT_EQ(bar_of(1e9), bar_of(1e6));
    EXPECT_EQ(bar_of(1e-9), bar_of(1e-6));
    EXPECT_NE(bar_of(1), bar_of(2));
}

TEST(BenchPlot, TheWholeTableIsSmall) {
    std::vector<Outcome> outcomes;
    for (const Group& group : groups()) {
        for (const Row& row : group.rows) {
            outcomes.push_back(outcome_of({60}, {100}, row.goal));
            outcomes.back().row = row;
        }
    }
    EXPECT_LT(as_svg(outcomes, "a machine").size(), 40'000U);
}

}  // namespace
}  // namespace inod::bench
