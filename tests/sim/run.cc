// The command line of the simulation: see tools/sim.
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/seeds.h"

namespace inod::sim {
namespace {

struct Options {
    std::uint64_t seeds = 1'000;
    std::uint64_t first = 0;
    std::uint64_t jobs = 1;
    std::optional<std::uint64_t> story;
};

bool parse(std::string_view text, std::uint64_t& value) {
    const char* const end = text.data() + text.size();
    const auto result = std::from_chars(text.data(), end, value);
    return result.ec == std::errc() && result.ptr == end;
}

std::optional<Options> parse(int count, char** words) {
    Options options;
    for (int i = 1; i < count; i += 2) {
        const std::string_view name = words[i];
        std::uint64_t value = 0;
        if (i + 1 == count || !parse(words[i + 1], value)) return std::nullopt;
        if (name == "--seeds") {
            options.seeds = value;
        } else if (name == "--first") {
            options.first = value;
        } else if (name == "--jobs" && value >= 1 && value <= 64) {
            options.jobs = value;
        } else if (name == "--story") {
            options.story = value;
        } else {
            return std::nullopt;
        }
    }
    return options;
}

int tell_story(std::uint64_t seed) {
    prepare_process();
    Story story(STDOUT_FILENO);
    Figures figures;
    return live_seed(seed, story, figures) ? 1 : 0;
}

// Every job-th seed from `first` on. Ends at the first that fails.
bool live_seeds(const Options& options, std::uint64_t job, Figures& figures) {
    prepare_process();
    Story untold;
    for (std::uint64_t i = job; i < options.seeds; i += options.jobs) {
        const std::uint64_t seed = options.first + i;
        if (!live_seed(seed, untold, figures)) continue;
        std::fputs(failure_report(seed).c_str(), stderr);
        return false;
    }
    return true;
}

// A process of its own that lives its share of the seeds.
struct Job {
    pid_t pid;
    int pipe;  // its figures come out here
};

std::optional<Job> begin_job(const Options& options, std::uint64_t job) {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) return std::nullopt;
    const pid_t pid = ::fork();
    if (pid < 0) return std::nullopt;
    if (pid > 0) {
        ::close(ends[1]);
        return Job{pid, ends[0]};
    }
    Figures figures;
    const bool done = live_seeds(options, job, figures);
    const bool told = ::write(ends[1], &figures, sizeof(figures)) == sizeof(figures);
    ::_exit(done && told ? 0 : 1);
}

// Waits for all jobs; ends the others as soon as one has failed.
bool finish_jobs(std::vector<Job> jobs, Figures& figures) {
    bool all_done = true;
    while (!jobs.empty()) {
        int status = 0;
        const pid_t pid = ::wait(&status);
        const auto job =
            std::find_if(jobs.begin(), jobs.end(), [pid](const Job& j) { return j.pid == pid; });
        if (job == jobs.end()) continue;
        Figures more;
        if (::read(job->pipe, &more, sizeof(more)) == sizeof(more)) figures.add(more);
        ::close(job->pipe);
        jobs.erase(job);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
        all_done = false;
        for (const Job& other : jobs)
            ::kill(other.pid, SIGKILL);
    }
    return all_done;
}

int run(const Options& options) {
    const auto begin = std::chrono::steady_clock::now();
    Figures figures;
    std::vector<Job> jobs;
    bool done = true;
    for (std::uint64_t i = 0; i < options.jobs; ++i) {
        const auto job = begin_job(options, i);
        if (job) jobs.push_back(*job);
        done = done && job.has_value();
    }
    done = finish_jobs(std::move(jobs), figures) && done;
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    std::printf("%s\n", figures.table().c_str());
    std::printf("seeds %llu to %llu, %.1f s, %.0f lives a second: %s\n",
                static_cast<unsigned long long>(options.first),
                static_cast<unsigned long long>(options.first + options.seeds - 1), seconds.count(),
                static_cast<double>(figures.of(Count::lives)) / seconds.count(),
                done ? "all promises held" : "FAILED");
    return done ? 0 : 1;
}

}  // namespace
}  // namespace inod::sim

int main(int count, char** words) {
    const auto options = inod::sim::parse(count, words);
    if (!options) {
        std::fputs("usage: inod_sim_run [--seeds N] [--first K] [--jobs J] [--story SEED]\n",
                   stderr);
        return 2;
    }
    return options->story ? inod::sim::tell_story(*options->story) : inod::sim::run(*options);
}
