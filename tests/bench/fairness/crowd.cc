#include "tests/bench/fairness/crowd.h"

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/client/client.h"
#include "tests/e2e/raw_connection.h"

namespace inod::bench {
namespace {

using Clock = std::chrono::steady_clock;

// Requests that are under way at once.
constexpr int depth = 64;
// Where they are paced: so many at a time, and a pause that makes 1,000 of them a second.
constexpr int paced_depth = 8;
constexpr std::chrono::milliseconds pace{8};

// Nothing goes in any more.
constexpr std::chrono::seconds quiet{1};

// Connections that are left for the others, when one has all that it can get.
constexpr unsigned spared = 8;

[[noreturn]] void give_up(const char* what, const std::string& why) {
    std::fprintf(stderr, "fairness: %s: %s\n", what, why.c_str());
    ::_exit(1);
}

void say_ready(int ready) {
    if (::write(ready, "r", 1) != 1) ::_exit(1);
}

Client connect(const CrowdPlan& plan) {
    auto client = Client::connect(
        {.socket_path = plan.socket, .pools = {"lease"}, .timeout = std::chrono::minutes(1)});
    if (!client) give_up("connect", client.error().message);
    return std::move(*client);
}

// Asks the same for ever, and wants to be refused.
[[noreturn]] void ask_on(Client& client, const CrowdPlan& plan, const proto::Request& request) {
    for (;;) {
        const int count = plan.is_paced ? paced_depth : depth;
        const Deadline deadline = Clock::now() + std::chrono::minutes(1);
        for (int i = 0; i < count; ++i) {
            if (!client.send(request)) give_up("send", client.error_text());
        }
        for (int i = 0; i < count; ++i) {
            if (!client.receive(deadline)) give_up("receive", client.error_text());
        }
        if (plan.is_paced) std::this_thread::sleep_for(pace);
    }
}

void want_ids(const CrowdPlan& plan, int ready) {
    Client client = connect(plan);
    for (const std::uint64_t count : {std::uint64_t{1'000}, std::uint64_t{1}}) {
        while (client.allocate("lease", count)) {
        }
    }
    const auto got = client.allocate("lease");
    if (got) give_up("IDs", "more than the limit");
    if (got.error().code != Errc::quota_exceeded) give_up("IDs", client.error_text());
    say_ready(ready);
    const std::uint16_t pool = client.find_pool("lease")->index;
    ask_on(client, plan, {.pool = pool, .body = proto::AllocateRequest{.count = 1}});
}

void want_holders(const CrowdPlan& plan, int ready) {
    Client client = connect(plan);
    Result<proto::BindReply> got = client.bind({.name = "0"});
    for (int i = 1; got; ++i)
        got = client.bind({.name = std::to_string(i)});
    if (got.error().code != Errc::quota_exceeded) give_up("holders", client.error_text());
    say_ready(ready);
    ask_on(client, plan, {.body = proto::BindRequest{.name = "one more"}});
}

// Drops what is there to be read.
void drop_replies(int socket) {
    static std::array<std::byte, std::size_t{64} * 1024> memory;
    while (::recv(socket, memory.data(), memory.size(), MSG_DONTWAIT) > 0) {
    }
}

// Requests on every connection that he can have, as many as go in, again and again. Where nobody reads, all
// limits are reached when nothing went in for a while.
void ask_everywhere(const CrowdPlan& plan, int ready) {
    const e2e::Bytes ping = encoded({.tag = 2, .body = proto::PingRequest{}});
    e2e::Bytes bytes;
    for (int i = 0; i < 4'096; ++i)
        bytes.insert(bytes.end(), ping.begin(), ping.end());
    std::vector<e2e::RawConnection> connections;
    std::vector<std::size_t> sent;
    for (unsigned i = 0; i < plan.connections_max - spared; ++i) {
        connections.emplace_back(plan.socket).greet();
        sent.push_back(0);
    }
    auto last_sent = Clock::now();
    for (bool is_ready = false;;) {
        for (std::size_t i = 0; i < connections.size(); ++i) {
            const std::size_t size =
                connections[i].send_some(std::span(bytes).subspan(sent[i] % bytes.size()));
            sent[i] += size;
            if (size > 0) last_sent = Clock::now();
            if (plan.reads) drop_replies(connections[i].fd());
        }
        if (!is_ready && (plan.reads || Clock::now() - last_sent > quiet)) {
            say_ready(ready);
            is_ready = true;
        }
        if (plan.is_paced) std::this_thread::sleep_for(pace);
    }
}

void want_connections(const CrowdPlan& plan, int ready) {
    std::vector<Client> clients;
    bool is_ready = false;
    for (;;) {
        auto client = Client::connect(
            {.socket_path = plan.socket, .pools = {}, .timeout = std::chrono::minutes(1)});
        if (client) {
            clients.push_back(std::move(*client));
        } else if (client.error().code != Errc::quota_exceeded) {
            give_up("connections", client.error().message);
        } else if (!is_ready) {
            is_ready = true;
            say_ready(ready);
        }
        if (is_ready && plan.is_paced) std::this_thread::sleep_for(pace / paced_depth);
    }
}

}  // namespace

void become(uid_t uid, std::optional<int> core) {
    const rlimit limit{.rlim_cur = 4'096, .rlim_max = 4'096};
    cpu_set_t cores;
    CPU_ZERO(&cores);
    if (core) CPU_SET(static_cast<std::size_t>(*core), &cores);
    const bool is_placed = !core || ::sched_setaffinity(0, sizeof(cores), &cores) == 0;
    if (!is_placed || ::setrlimit(RLIMIT_NOFILE, &limit) != 0 || ::setgroups(0, nullptr) != 0 ||
        ::setgid(uid) != 0 || ::setuid(uid) != 0) {
        give_up("become", "it takes root");
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // behind that, which clears it
}

Crowd::Crowd(const CrowdPlan& plan) {
    try {
        for (const Work work : {want_ids, want_holders, ask_everywhere, want_connections})
            add(work, plan);
    } catch (...) {
        kill_all();
        throw;
    }
}

Crowd::~Crowd() {
    kill_all();
}

void Crowd::add(Work work, const CrowdPlan& plan) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    const OwnedFd told(ends[0]);
    const pid_t pid = ::fork();
    if (pid == 0) {
        become(plan.uid, plan.core);
        try {
            work(plan, ends[1]);
        } catch (const std::exception& error) {
            give_up("a crowd", error.what());
        }
        ::_exit(0);
    }
    ::close(ends[1]);
    pids_.push_back(pid);
    char byte = 0;
    if (::read(told.get(), &byte, 1) != 1) throw std::runtime_error("a limit is not reached");
}

void Crowd::kill_all() noexcept {
    for (const pid_t pid : pids_)
        ::kill(pid, SIGKILL);
    for (const pid_t pid : pids_)
        ::waitpid(pid, nullptr, 0);
    pids_.clear();
}

void Crowd::rest() const {
    for (const pid_t pid : pids_) {
        ::kill(pid, SIGSTOP);
        ::waitpid(pid, nullptr, WUNTRACED);
    }
}

void Crowd::go_on() const {
    for (const pid_t pid : pids_)
        ::kill(pid, SIGCONT);
}

}  // namespace inod::bench
