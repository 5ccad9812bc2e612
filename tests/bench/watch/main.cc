// tools/bench watch: what processes cost that the daemon watches while nothing happens. A table for people, and
// the same as JSON.
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/owned_fd.h"
#include "tests/bench/figures.h"
#include "tests/bench/file_limit.h"
#include "tests/bench/used.h"
#include "tests/e2e/daemon_process.h"
#include "tests/e2e/support.h"

namespace inod::bench {
namespace {

using Clock = std::chrono::steady_clock;

// What a daemon that watches nobody may use in as long: the clock that tells it is coarser.
constexpr double cpu_ms_max = 1;

struct Options {
    std::string json;
    std::size_t process_count = 10'000;
    double seconds = 10;
};

[[noreturn]] void refuse(const std::string& what) {
    throw std::runtime_error("this machine refuses: " + what + ": " + std::strerror(errno));
}

// Processes that sleep until they are killed, which they are with us.
class Sleepers {
public:
    Sleepers() = default;
    Sleepers(const Sleepers&) = delete;
    Sleepers& operator=(const Sleepers&) = delete;
    ~Sleepers() { kill_all(); }

    pid_t add() {
        const pid_t pid = ::fork();
        if (pid < 0) refuse("another process beside " + std::to_string(pids_.size()));
        if (pid == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;)
                ::pause();
        }
        pids_.push_back(pid);
        return pid;
    }
    void kill_all() {
        for (const pid_t pid : pids_)
            ::kill(pid, SIGKILL);
        for (const pid_t pid : pids_)
            ::waitpid(pid, nullptr, 0);
        pids_.clear();
    }

private:
    std::vector<pid_t> pids_;
};

void bind_all(Client& client, Sleepers& sleepers, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        const pid_t pid = sleepers.add();
        const OwnedFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
        if (!pidfd) refuse("a pidfd");
        if (!client.bind({.binding = proto::Binding::process}, pidfd.get()) ||
            !client.allocate("bench")) {
            throw std::runtime_error("process " + std::to_string(i) + ": " + client.error_text());
        }
    }
}

// How many numbers somebody has.
std::uint64_t live_count(Client& client) {
    const auto stats = client.stats("bench");
    if (!stats) throw std::runtime_error(client.error_text());
    return e2e::value_of(*stats, proto::StatId::live_ids);
}

Used use_in(const e2e::DaemonProcess& daemon, double seconds) {
    const Used before = used_by(daemon.pid());
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    return used_by(daemon.pid()) - before;
}

std::vector<Figure> measure(const Options& options) {
    // Each watched process is an open file of the daemon, which has our limit.
    raise_file_limit(options.process_count + 256);
    e2e::DaemonProcess daemon(
        R"({"pools": [{"name": "bench", "policy": "cyclic", "min": 1, "max": 1000000}]})");
    if (!daemon.start()) throw std::runtime_error("the daemon does not start: " + daemon.log());
    auto client = Client::connect(
        {.socket_path = daemon.socket(), .pools = {"bench"}, .passes_descriptors = true});
    if (!client) throw std::runtime_error(client.error().message);
    // What comes behind the last request is over before anything is counted.
    (void)use_in(daemon, 1);
    const Used without = use_in(daemon, options.seconds);
    Sleepers sleepers;
    bind_all(*client, sleepers, options.process_count);
    (void)use_in(daemon, 1);
    const Used with = use_in(daemon, options.seconds);
    if (live_count(*client) != options.process_count) throw std::runtime_error("some are missing");
    const auto begin = Clock::now();
    sleepers.kill_all();
    while (live_count(*client) > 0)
        std::this_thread::yield();
    const std::chrono::duration<double, std::milli> until_free = Clock::now() - begin;
    const std::string in = ", in " + std::to_string(static_cast<int>(options.seconds)) + " s";
    return {{"watching " + std::to_string(options.process_count) + ": CPU, ms" + in, with.cpu_ms,
             cpu_ms_max},
            {"- times that a thread went to sleep", with.wakes, without.wakes + 2},
            {"watching none: CPU, ms" + in, without.cpu_ms, {}},
            {"- times that a thread went to sleep", without.wakes, {}},
            {"killing all of them, until all is free, ms", until_free.count(), {}}};
}

}  // namespace
}  // namespace inod::bench

int main(int argc, char** argv) {
    using inod::bench::measure;
    using inod::bench::Options;
    using inod::bench::report;
    Options options;
    CLI::App app{"Measures what processes cost that the daemon watches while nothing happens"};
    app.add_option("--json", options.json, "Writes the rows to this file as well");
    app.add_option("--processes", options.process_count, "How many")->capture_default_str();
    app.add_option("--seconds", options.seconds, "For how long")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    return report("watch", options.json, [&] { return measure(options); });
}
