// The service under load, in a system of its own that tools/boot boots: what clients see while it is started again, or
// killed, and whether all is there that was acknowledged. Needs root, and ends with status 0 if all is as it has to be.
//
//   under_load restarts COUNT CLIENTS LEASES    systemctl restart, with so many live leases besides
//   under_load kills COUNT CLIENTS              kill -9
//   under_load upgrade CLIENTS COMMAND          the command, once
//   under_load idle CONNECTIONS                 a restart, with connections that ask nothing
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "tests/systemd/load.h"

namespace inod {
namespace {

using std::chrono::duration;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr Id ids_max = 200'000'000;
constexpr const char* restart = "systemctl restart inod.service";
constexpr const char* kill = "systemctl kill --signal=KILL inod.service";

void run(const std::string& command) {
    if (std::system(command.c_str()) != 0) throw std::runtime_error(command + " failed");
}

Client connected() {
    return Client::connect({.pools = {}, .timeout = std::chrono::seconds(60)}).value();
}

// Leases that do not touch, so that each is one of its own.
void make_leases(std::uint64_t count) {
    Client client = connected();
    const std::uint16_t pool = client.find_pool("pid")->index;
    const auto deadline = Clock::now() + std::chrono::minutes(5);
    std::uint64_t sent = 0;
    for (std::uint64_t answered = 0; answered < count;) {
        for (; sent < count && client.under_way() < 1'000; ++sent) {
            const Id id = 1'000'000 + 2 * sent;
            const proto::Request claim{.pool = pool,
                                       .body = proto::AllocateAtRequest{.range = {id, id}}};
            if (!client.send(claim)) throw std::runtime_error(client.error_text());
        }
        const auto reply = client.receive(deadline).value();
        if (std::holds_alternative<proto::ErrorReply>(reply.body))
            throw std::runtime_error("a lease is refused");
        ++answered;
    }
}

using Clients = std::vector<std::unique_ptr<LoadedClient>>;

Clients start_clients(std::size_t count, const LoadOptions& options, Observed& observed) {
    Clients clients;
    while (clients.size() < count)
        clients.push_back(std::make_unique<LoadedClient>(options, observed));
    return clients;
}

// Until each has had some more replies.
void await_progress(const Clients& clients) {
    constexpr std::uint64_t replies = 2'000;
    const auto deadline = Clock::now() + std::chrono::minutes(2);
    std::vector<std::uint64_t> wanted;
    for (const auto& client : clients)
        wanted.push_back(client->answered() + replies);
    for (std::size_t i = 0; i < clients.size(); ++i) {
        while (clients[i]->answered() < wanted[i]) {
            if (Clock::now() > deadline) throw std::runtime_error("a client gets no replies");
            std::this_thread::sleep_for(milliseconds(1));
        }
    }
}

// Does it so often, and prints the longest pauses that any client had.
void disturb(const Clients& clients, int count, const std::string& command) {
    await_progress(clients);
    std::vector<double> pauses;
    for (int i = 0; i < count; ++i) {
        for (const auto& client : clients)
            std::ignore = client->take_longest_pause();
        run(command);
        await_progress(clients);
        std::chrono::microseconds longest{0};
        for (const auto& client : clients)
            longest = std::max(longest, client->take_longest_pause());
        pauses.push_back(duration<double, std::milli>(longest).count());
    }
    std::sort(pauses.begin(), pauses.end());
    std::printf("times: %d, pause: median %.0f ms, longest %.0f ms\n", count,
                pauses[pauses.size() / 2], pauses.back());
}

bool print(const Observed& observed) {
    std::printf("requests: %llu, failed: %llu, repeated: %llu, connected again: %llu\n",
                static_cast<unsigned long long>(observed.answered),
                static_cast<unsigned long long>(observed.failed),
                static_cast<unsigned long long>(observed.repeated),
                static_cast<unsigned long long>(observed.reconnects));
    return observed.failed == 0 && observed.repeated == 0;
}

bool restarts(int count, std::size_t clients, std::uint64_t leases) {
    make_leases(leases);
    Observed observed(ids_max);
    {
        const Clients all = start_clients(clients, {.gives_back = true}, observed);
        disturb(all, count, restart);
    }
    return print(observed) && observed.reconnects == 0;
}

bool upgrade(std::size_t clients, const std::string& command) {
    Observed observed(ids_max);
    {
        const Clients all = start_clients(clients, {.gives_back = true}, observed);
        disturb(all, 1, command);
    }
    return print(observed) && observed.reconnects == 0;
}

// How many of what was acknowledged are not live.
std::uint64_t count_lost(const Observed& observed) {
    Client client = connected();
    std::vector<bool> is_live(observed.live.limit());
    for (Id from = 0;;) {
        const auto page = client.list("inode", from).value();
        for (const auto& lease : page.leases)
            for (Id id = lease.range.first; id <= lease.range.last && id < is_live.size(); ++id)
                is_live[id] = true;
        if (!page.more) break;
        from = page.leases.back().range.last + 1;
    }
    std::uint64_t lost = 0;
    for (Id id = 0; id < is_live.size(); ++id)
        if (observed.live.has(id) && !is_live[id]) ++lost;
    return lost;
}

bool kills(int count, std::size_t clients) {
    Observed observed(ids_max);
    {
        const Clients all = start_clients(clients, {.has_tokens = true}, observed);
        disturb(all, count, kill);
    }
    const bool is_good = print(observed);
    const std::uint64_t lost = count_lost(observed);
    std::printf("acknowledged and lost: %llu\n", static_cast<unsigned long long>(lost));
    return is_good && lost == 0;
}

// All go on with the same connection: none has connected again, as nobody has asked anything.
bool idle(std::size_t count) {
    std::vector<Client> clients;
    while (clients.size() < count)
        clients.push_back(connected());
    run(restart);
    std::size_t failed = 0;
    for (Client& client : clients)
        if (!client.connected() || !client.ping() || !client.connected()) ++failed;
    std::printf("connections: %zu, failed: %zu\n", count, failed);
    return failed == 0;
}

int fail_usage() {
    std::fprintf(stderr, "under_load: see the top of tests/systemd/under_load.cc\n");
    return 2;
}

int run_command(const std::vector<std::string>& words) {
    const auto number = [&words](std::size_t i) { return std::stoull(words.at(i)); };
    const std::string& what = words.at(0);
    bool is_good = false;
    if (what == "restarts") {
        is_good = restarts(static_cast<int>(number(1)), number(2), number(3));
    } else if (what == "kills") {
        is_good = kills(static_cast<int>(number(1)), number(2));
    } else if (what == "upgrade") {
        is_good = upgrade(number(1), words.at(2));
    } else if (what == "idle") {
        is_good = idle(number(1));
    } else {
        return fail_usage();
    }
    return is_good ? 0 : 1;
}

}  // namespace
}  // namespace inod

int main(int argc, char** argv) {
    try {
        return inod::run_command(std::vector<std::string>(argv + 1, argv + argc));
    } catch (const std::out_of_range&) {
        return inod::fail_usage();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "under_load: %s\n", error.what());
        return 1;
    }
}
