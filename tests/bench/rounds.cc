#include "tests/bench/rounds.h"

#include <algorithm>
#include <string>
#include <utility>

namespace inod::bench {
namespace {

struct Measured {
    Series series;
    std::vector<Sample> samples = {};
    std::string trouble = {};  // why it failed
};

using Round = std::vector<Measured>;  // of one load

bool is_one_load(const Series& a, const Series& b) {
    return a.connections == b.connections && a.depth == b.depth && a.placement == b.placement;
}

void add(std::vector<Round>& rounds, const Series& series) {
    auto round = std::find_if(rounds.begin(), rounds.end(), [&](const Round& other) {
        return is_one_load(other.front().series, series);
    });
    if (round == rounds.end()) round = rounds.insert(rounds.end(), Round());
    const bool is_known = std::any_of(round->begin(), round->end(), [&](const Measured& measured) {
        return measured.series == series;
    });
    if (!is_known) round->push_back({.series = series});
}

void run(Round& round, unsigned repetitions, const Measure& measure) {
    for (unsigned repetition = 0; repetition < repetitions; ++repetition) {
        for (Measured& measured : round) {
            if (!measured.trouble.empty()) continue;
            const auto sample = measure(measured.series);
            if (sample) {
                measured.samples.push_back(*sample);
            } else {
                measured.trouble =
                    std::string(name_of(measured.series.peer)) + ": " + sample.error().message;
            }
        }
    }
}

const Measured& result_of(const std::vector<Round>& rounds, const Series& series) {
    const auto round = std::find_if(rounds.begin(), rounds.end(), [&](const Round& other) {
        return is_one_load(other.front().series, series);
    });
    return *std::find_if(round->begin(), round->end(),
                         [&](const Measured& measured) { return measured.series == series; });
}

Outcome outcome_of(const Row& row, const std::vector<Round>& rounds) {
    Outcome outcome{.row = row, .inod = {}, .against = {}, .trouble = {}};
    std::vector<std::vector<Sample>> others;
    for (const Series& series : against_of(row)) {
        const Measured& measured = result_of(rounds, series);
        if (outcome.trouble.empty()) outcome.trouble = measured.trouble;
        others.push_back(measured.samples);
    }
    const Measured& inod = result_of(rounds, inod_of(row));
    if (outcome.trouble.empty()) outcome.trouble = inod.trouble;
    if (!outcome.trouble.empty()) return outcome;
    outcome.inod = inod.samples;
    outcome.against = fastest(std::move(others));
    return outcome;
}

}  // namespace

std::vector<Outcome> measure_all(const std::vector<Row>& rows, unsigned repetitions,
                                 const Measure& measure) {
    std::vector<Round> rounds;
    for (const Row& row : rows) {
        for (const Series& series : against_of(row))
            add(rounds, series);
        add(rounds, inod_of(row));
    }
    for (Round& round : rounds)
        run(round, repetitions, measure);
    std::vector<Outcome> outcomes;
    outcomes.reserve(rows.size());
    for (const Row& row : rows)
        outcomes.push_back(outcome_of(row, rounds));
    return outcomes;
}

}  // namespace inod::bench
