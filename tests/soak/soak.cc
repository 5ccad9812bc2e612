#include "tests/soak/soak.h"

#include <algorithm>
#include <cstdio>
#include <thread>

#include <unistd.h>

#include "tests/bench/used.h"
#include "tests/e2e/support.h"

namespace inod::soak {
namespace {

using proto::StatId;
using std::chrono::milliseconds;

constexpr milliseconds round_length{20};
constexpr unsigned rounds_per_end = 10;  // on average, until one of the workers ends
constexpr unsigned rounds_per_mayfly = 40;
constexpr std::size_t mayfly_count = 3;
constexpr std::chrono::seconds ttl_min{10};
constexpr std::chrono::seconds ttl_max{60};
constexpr uid_t mayfly_uid = 20'001;  // and those above

const std::vector<Share> all_shares = {
    {Kind::durable, 8, 88}, {Kind::connection, 6, 4}, {Kind::process, 6, 4}, {Kind::timed, 4, 4}};
const std::vector<Share> durable_shares = {{Kind::durable, 8, 100}};

std::optional<std::string> difference(const std::string& what, std::uint64_t is,
                                      std::uint64_t least, std::uint64_t most) {
    if (is >= least && is <= most) return std::nullopt;
    return what + ": " + std::to_string(is) + " in the daemon, " + std::to_string(least) + " to " +
           std::to_string(most) + " by what its clients were told";
}

}  // namespace

Soak::Soak(const SoakOptions& options) : options_(options), daemon_(soak_config) {}

double Soak::seconds() const {
    return std::chrono::duration<double>(Clock::now() - begin_).count();
}

void Soak::run() {
    start();
    fill();
    begin_ = Clock::now();
    const double cpu_ms_before = bench::used_by(daemon_.pid()).cpu_ms;
    const Clock::time_point end = begin_ + options_.duration;
    double next_line = 60;
    while (Clock::now() < end) {
        load_until(std::min(end, Clock::now() + options_.quiet_every));
        sample();
        quiet_point();
        if (seconds() < next_line) continue;
        print_line();
        next_line += 60;
    }
    cpu_ms_ = bench::used_by(daemon_.pid()).cpu_ms - cpu_ms_before;
    peak_kb_ = resident_peak_kb(daemon_.pid());
    give_up_all();
    restart_with_a_few();
    check_growth();
}

void Soak::start() {
    if (!daemon_.start()) throw Broken("the daemon does not start: " + daemon_.log());
    control_.emplace(daemon_.connect());
    at_first_ = descriptors_of(daemon_.pid(), daemon_.state_dir());
    threads_at_first_ = thread_count(daemon_.pid());
    load_.emplace(daemon_.socket(), options_.seed);
    follower_.emplace(*load_);
    add_workers(all_shares, options_.lease_count);
}

void Soak::add_workers(const std::vector<Share>& shares, std::size_t lease_count) {
    unsigned index = 0;
    unsigned worker_count = 0;
    for (const Share& share : shares)
        worker_count += share.workers;
    for (const Share& share : shares) {
        for (unsigned i = 0; i < share.workers; ++i) {
            const WorkerOptions options{
                .kind = share.kind,
                .index = index++,
                .worker_count = worker_count,
                .lease_target = lease_count * share.percent / 100 / share.workers,
                .ttl = std::clamp(options_.duration / 3, ttl_min, ttl_max)};
            workers_.push_back(std::make_unique<Worker>(*load_, options));
        }
    }
}

// As fast as it goes, until those who stay have about what they like to have.
void Soak::fill() {
    const auto is_full = [](const auto& worker) { return worker->is_full(); };
    while (!std::all_of(workers_.begin(), workers_.begin() + all_shares.front().workers, is_full))
        round();
}

void Soak::load_until(Clock::time_point end) {
    for (auto next = Clock::now(); next < end;) {
        end_some();
        hatch();
        round();
        next += round_length;
        // A machine that was busy otherwise does not make up for it.
        next = std::max(next, Clock::now() - round_length);
        std::this_thread::sleep_until(next);
    }
}

// All ask at once, and each waits for all its replies.
void Soak::round() {
    for (const auto& worker : workers_)
        worker->renew();
    for (const auto& worker : workers_)
        worker->send_burst(options_.burst);
    for (const auto& worker : workers_)
        worker->receive_burst();
    follower_->poll();
    load_->observer.poll();
}

void Soak::end_some() {
    if (!load_->one_in(rounds_per_end)) return;
    Worker& worker = *workers_.at(load_->below(workers_.size()));
    // A time takes long to run out, and what is compared with it is less exact.
    if (worker.kind() != Kind::timed || load_->one_in(20)) worker.end();
}

void Soak::hatch() {
    if (mayflies_.size() < mayfly_count) {
        const auto number = load_->random();
        std::optional<uid_t> uid;
        if (::geteuid() == 0) uid = mayfly_uid + static_cast<uid_t>(number % 3);
        mayflies_.push_back(
            std::make_unique<Mayfly>(daemon_.socket(), uid, number % 2 == 0, number));
    } else if (load_->one_in(rounds_per_mayfly)) {
        mayflies_.front()->kill9();
        mayflies_.erase(mayflies_.begin());
        ++load_->figures.deaths;
    }
}

void Soak::kill_mayflies() {
    for (const auto& mayfly : mayflies_) {
        mayfly->kill9();
        ++load_->figures.deaths;
    }
    mayflies_.clear();
}

// Nobody asks for anything, so the daemon comes to rest at what the clients were told.
void Soak::quiet_point() {
    kill_mayflies();
    load_->observer.poll();
    follower_->catch_up(*control_);
    compare_counts();
    ++quiet_points_;
    const bool is_exact = std::none_of(workers_.begin(), workers_.end(),
                                       [](const auto& worker) { return worker->is_idle(); });
    if (!is_exact) return;
    ++exact_points_;
    follower_->catch_up(*control_);
    if (const auto id = follower_->difference()) {
        throw Broken("events and replies contradict each other about " + std::to_string(*id));
    }
    compare_descriptors();
}

// Ends are noticed when the daemon comes to them, so the counts may be as they were for a moment.
void Soak::compare_counts() {
    const auto deadline = Clock::now() + patience;
    for (;;) {
        const auto wrong = wrong_count();
        if (!wrong) return;
        if (Clock::now() > deadline) throw Broken(*wrong);
        load_->observer.poll();
        for (const auto& worker : workers_)
            worker->renew();
        std::this_thread::yield();
    }
}

std::optional<std::string> Soak::wrong_count_of_pools() {
    const auto live_in = [this](const char* pool) {
        return e2e::value_of(sure(control_->stats(pool), "stats", *control_), StatId::live_ids);
    };
    for (std::size_t i = 0; i < pool_kinds.size(); ++i) {
        std::uint64_t maybe = 0;
        for (const auto& worker : workers_)
            maybe += worker->maybe_live(i);
        const std::uint64_t live = load_->pools.at(i).live_count();
        const char* const pool = pool_kinds.at(i).name;
        const auto wrong =
            difference(std::string("live in ") + pool, live_in(pool), live, live + maybe);
        if (wrong) return wrong;
    }
    return difference("live of those killed", live_in(mayfly_pool), 0, 0);
}

std::optional<std::string> Soak::wrong_count() {
    if (auto wrong = wrong_count_of_pools()) return wrong;
    const auto stats = sure(control_->daemon_stats(), "stats", *control_);
    const auto running_out = static_cast<std::uint64_t>(std::count_if(
        workers_.begin(), workers_.end(), [](const auto& worker) { return worker->is_idle(); }));
    const std::size_t holders = workers_.size();
    if (auto wrong = difference("holders", e2e::value_of(stats, StatId::holders),
                                holders - running_out, holders)) {
        return wrong;
    }
    const std::size_t connections = workers_.size() + other_connections_;
    return difference("connections", e2e::value_of(stats, StatId::connections), connections,
                      connections);
}

std::size_t Soak::process_count() const {
    return static_cast<std::size_t>(
        std::count_if(workers_.begin(), workers_.end(),
                      [](const auto& worker) { return worker->kind() == Kind::process; }));
}

// What was passed and is not needed any more is closed by a thread of its own, when it comes to that.
void Soak::compare_descriptors() {
    Descriptors wanted = at_first_;
    wanted.sockets += workers_.size() + 2;
    wanted.pidfds += process_count();
    const auto deadline = Clock::now() + patience;
    for (;;) {
        const Descriptors found = descriptors_of(daemon_.pid(), daemon_.state_dir());
        files_max_ = std::max(files_max_, found.files);
        wanted.files = found.files;
        if (found == wanted) return;
        if (Clock::now() > deadline) {
            throw Broken("open are " + text_of(found) + ", and not " + text_of(wanted));
        }
        sure(control_->ping(), "ping", *control_);
    }
}

void Soak::sample() {
    Memory memory = memory_of(daemon_.pid());
    const auto stats = sure(control_->daemon_stats(), "stats", *control_);
    memory.budget_kb = e2e::value_of(stats, StatId::memory_used) / 1024;
    samples_.push_back(memory);
    sampled_at_.push_back(seconds());
    if (thread_count(daemon_.pid()) != threads_at_first_) {
        throw Broken("the daemon has more or fewer threads than at first");
    }
}

void Soak::print_line() {
    const Memory& memory = samples_.back();
    const Figures& figures = load_->figures;
    std::uint64_t live = 0;
    for (const PoolModel& pool : load_->pools)
        live += pool.live_count();
    const auto stats = sure(control_->daemon_stats(), "stats", *control_);
    std::printf(
        "%5.0f s: %llu requests, %llu deaths, %llu numbers live; resident %llu kB, own %llu kB, "
        "budget %llu kB; disk %llu kB; tokens %llu; %s\n",
        seconds(), static_cast<unsigned long long>(figures.requests()),
        static_cast<unsigned long long>(figures.deaths), static_cast<unsigned long long>(live),
        static_cast<unsigned long long>(memory.resident_kb),
        static_cast<unsigned long long>(memory.own_kb),
        static_cast<unsigned long long>(memory.budget_kb),
        static_cast<unsigned long long>(e2e::value_of(stats, StatId::disk_size) / 1024),
        static_cast<unsigned long long>(e2e::value_of(stats, StatId::tokens)),
        text_of(descriptors_of(daemon_.pid(), daemon_.state_dir())).c_str());
    std::fflush(stdout);
}

// Every other one number by number, the rest with their holders; first, and at once, those whose time would run
// out meanwhile.
void Soak::give_up_all() {
    kill_mayflies();
    load_->observer.finish();
    follower_->poll();
    for (std::size_t i = workers_.size(); i-- > 0;) {
        for (const auto& worker : workers_)
            worker->renew();
        if (i % 2 == 0 && workers_[i]->kind() != Kind::timed) workers_[i]->release_each();
        workers_[i]->release_holder();
        workers_.pop_back();
    }
    compare_counts();
    compare_descriptors();
}

void Soak::stop_and_check() {
    const e2e::Exit exit = daemon_.terminate();
    if (exit != e2e::Exit{.status = 0, .signal = 0}) {
        throw Broken("the daemon did not end as it was asked to: " + daemon_.log());
    }
    const std::string found = daemon_.folder() + "/check";
    const std::string check = "inoctl check " + daemon_.state_dir() + " >" + found;
    if (e2e::run_in_shell(check + " || { cat " + found + "; false; }") != 0) {
        throw Broken("inoctl check finds something in what the daemon left");
    }
}

// What a few have is there after a clean stop, and nothing else.
void Soak::restart_with_a_few() {
    add_workers(durable_shares, std::min<std::size_t>(options_.lease_count, 2'000));
    for (const auto& worker : workers_) {
        while (!worker->is_full()) {
            worker->send_burst(options_.burst);
            worker->receive_burst();
        }
    }
    follower_.reset();
    stop_and_check();
    if (!daemon_.start()) throw Broken("the daemon does not start again: " + daemon_.log());
    control_.emplace(daemon_.connect());
    other_connections_ = 1;
    for (const auto& worker : workers_)
        worker->reconnect();
    compare_counts();
    compare_lists();
    for (const auto& worker : workers_) {
        worker->send_burst(options_.burst);
        worker->receive_burst();
        worker->release_each();
        worker->release_holder();
    }
    workers_.clear();
    compare_counts();
    stop_and_check();
}

void Soak::compare_lists() {
    for (std::size_t i = 0; i < pool_kinds.size(); ++i) {
        const char* const pool = pool_kinds.at(i).name;
        const PoolModel& model = load_->pools.at(i);
        std::uint64_t count = 0;
        for (const proto::LeaseRecord& record : e2e::list_all(*control_, pool)) {
            count += record.range.last - record.range.first + 1;
            if (model.is_live(record.range)) continue;
            throw Broken(std::string(pool) + ": " + std::to_string(record.range.first) +
                         " is live after a restart, and nobody has it");
        }
        if (auto wrong = difference(std::string("listed of ") + pool, count, model.live_count(),
                                    model.live_count())) {
            throw Broken(*wrong);
        }
    }
}

void Soak::check_growth() const {
    const Growth growth(options_.window, samples_, sampled_at_);
    for (const Growth::Figure& figure : growth.figures()) {
        if (figure.percent() <= options_.growth_max_percent) continue;
        throw Broken(std::string(figure.name) + " grew by " + std::to_string(figure.percent()) +
                     " %, from " + std::to_string(figure.first_kb) + " kB to " +
                     std::to_string(figure.last_kb) + " kB");
    }
}

void Soak::print_summary() const {
    if (!load_) return;
    const Figures& figures = load_->figures;
    const auto row = [](const char* what, std::uint64_t count) {
        std::printf("  %-46s %12llu\n", what, static_cast<unsigned long long>(count));
    };
    row("requests", figures.requests());
    row("  allocations", figures.allocations);
    row("    of them with a token", figures.tokened);
    row("  asked again with a token", figures.asked_again);
    row("  claims", figures.claims);
    row("  releases", figures.releases);
    row("  lookups", figures.lookups);
    row("  refusals, as they had to be", figures.refusals);
    row("  renewals", figures.renewals);
    row("  waits", figures.waits);
    row("events told", figures.events);
    row("processes killed by SIGKILL", figures.deaths);
    row("other ends of holders", figures.ends);
    row("reconnects", figures.reconnects);
    row("quiet points", quiet_points_);
    row("  of them, at which no holder's time ran out", exact_points_);
    row("times that a watcher had missed something", figures.missed);
    row("files of the journal open, at most", files_max_);
    row("resident memory, the peak, kB", peak_kb_);
    std::printf("  %-46s %12.1f\n", "the daemon's CPU, % of one core",
                cpu_ms_ / 10 / std::chrono::duration<double>(options_.duration).count());
    const Growth growth(options_.window, samples_, sampled_at_);
    for (const Growth::Figure& figure : growth.figures()) {
        std::printf("  %-46s %12llu kB, then %llu kB: %+.2f %%\n", figure.name,
                    static_cast<unsigned long long>(figure.first_kb),
                    static_cast<unsigned long long>(figure.last_kb), figure.percent());
    }
}

}  // namespace inod::soak
