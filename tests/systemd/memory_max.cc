// Promise: a daemon whose memory is limited (MemoryMax=) says out_of_memory before the kernel's limit is met,
// releases whatever is live, and goes on.
//
// Runs beside it, as root, in the machine of tools/memory-max:
//
//   memory_max SOCKET POOL CGROUP    the pool is a unique one, the cgroup's directory that of the service
//
// Prints what it did and saw. The exit status is 0 if all of it was as promised.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "lib/client/client.h"

namespace inod {
namespace {

// Leases that are worth much memory: a hole in such a range can need a node of its own each.
constexpr std::uint64_t lease_count = 100'000;
// A node for each of these is set aside. A hole in each asks for all of them.
constexpr std::uint64_t ids_per_node = 16'064;

constexpr std::chrono::seconds patience{120};

[[noreturn]] void fail(const std::string& what) {
    std::printf("memory_max: FAILED: %s\n", what.c_str());
    std::exit(1);
}

void require(bool is_so, const std::string& what) {
    if (!is_so) fail(what);
}

std::string text_of(const Error& error) {
    return std::string(name(error.code));
}

// A file of the cgroup (cgroups(7)): its number, or the number behind `word`.
std::uint64_t cgroup_number(const std::string& directory, const char* file,
                            std::string_view word = {}) {
    std::ifstream in(directory + "/" + file);
    if (!word.empty()) {
        for (std::string found; in >> found && found != word;) {
        }
    }
    std::uint64_t number = 0;
    if (!(in >> number)) fail("no number in " + directory + "/" + file);
    return number;
}

std::uint64_t stat_of(Client& client, proto::StatId id) {
    for (const auto& stat : client.daemon_stats().value()) {
        if (stat.id == id) return stat.value;
    }
    fail("no stat");
}

class Load {
public:
    Load(std::string socket, std::string pool, std::string cgroup)
        : socket_(std::move(socket)), pool_(std::move(pool)), cgroup_(std::move(cgroup)) {}

    void run() {
        clients_.push_back(connect().value());
        say("at first");
        fill();
        connect_until_refused();
        say("at the limit");
        release_all();
        say("all released");
        go_on();
        say("in the end");
        expect_no_kill();
    }

private:
    [[nodiscard]] Result<Client, Failure> connect() const {
        return Client::connect({.socket_path = socket_, .pools = {pool_}, .timeout = patience});
    }
    Client& client() { return clients_.front(); }

    void say(const char* when) {
        std::printf("%s: memory_used=%lu memory_max=%lu cgroup current=%lu max=%lu\n", when,
                    stat_of(client(), proto::StatId::memory_used),
                    stat_of(client(), proto::StatId::memory_max),
                    cgroup_number(cgroup_, "memory.current"), cgroup_number(cgroup_, "memory.max"));
        std::fflush(stdout);
    }
    // Leases as large as possible, then as small as possible, until nothing is to be had.
    void fill() {
        for (const std::uint64_t count : {lease_count, std::uint64_t{20'000}, std::uint64_t{1}}) {
            for (;;) {
                const auto lease = client().allocate(pool_, count);
                if (!lease) {
                    require(lease.error().code == Errc::out_of_memory,
                            "an allocation was refused with " + text_of(lease.error()));
                    break;
                }
                leases_.push_back(lease->range);
                require(leases_.size() < 1'000'000, "there is no limit");
                // Of one number each, many more fit into what is there.
                if (count == 1 && ++singles_ == singles_max) break;
            }
        }
        std::printf("%zu leases until out_of_memory\n", leases_.size());
    }
    void connect_until_refused() {
        for (;;) {
            auto made = connect();
            if (!made) {
                require(made.error().code == Errc::out_of_memory,
                        "a connection was refused with " + std::string(name(made.error().code)));
                break;
            }
            clients_.push_back(*std::move(made));
            require(clients_.size() < 100'000, "there is no limit");
        }
        std::printf("%zu connections until out_of_memory\n", clients_.size());
        for (Client& other : clients_)
            require(other.ping().has_value(), "a connection is not served");
    }
    // First a hole in each part that could need a node for it, then what is left, in any order.
    void release_all() {
        std::vector<Range> holes;
        std::vector<Range> rest;
        for (const Range& lease : leases_) {
            Id first = lease.first;
            for (Id hole = lease.first + ids_per_node / 2; hole < lease.last;
                 hole += ids_per_node) {
                holes.push_back({hole, hole});
                rest.push_back({first, hole - 1});
                first = hole + 1;
            }
            rest.push_back({first, lease.last});
        }
        release(holes);
        say("a hole in each part");
        release(rest);
        std::printf("%zu releases, all ok\n", holes.size() + rest.size());
    }
    void release(std::vector<Range>& ranges) {
        constexpr std::size_t depth = 500;
        std::shuffle(ranges.begin(), ranges.end(), random_);
        const std::uint16_t pool = client().pool_table().front().index;
        for (std::size_t sent = 0; sent < ranges.size() || client().under_way() > 0;) {
            for (; sent < ranges.size() && client().under_way() < depth; ++sent) {
                client()
                    .send({.pool = pool, .body = proto::ReleaseRequest{.range = ranges[sent]}})
                    .value();
            }
            const auto reply = client().receive(std::chrono::steady_clock::now() + patience);
            require(reply.has_value(), "no answer to a release");
            const auto* const error = std::get_if<proto::ErrorReply>(&reply->body);
            require(error == nullptr,
                    "a release was refused with " +
                        (error == nullptr ? std::string() : text_of(error->error)));
        }
    }
    void go_on() {
        require(connect().has_value(), "no connection when all is released");
        for (int i = 0; i < 100; ++i) {
            const auto lease = client().allocate(pool_, lease_count);
            require(lease.has_value(), "no number when all is released");
            require(client().release(pool_, lease->range).has_value(), "not released");
        }
    }
    void expect_no_kill() {
        for (const char* const event : {"max", "oom", "oom_kill"}) {
            std::printf("memory.events %s: %lu\n", event,
                        cgroup_number(cgroup_, "memory.events", event));
        }
        std::printf("memory.peak: %lu\n", cgroup_number(cgroup_, "memory.peak"));
        require(cgroup_number(cgroup_, "memory.events", "oom_kill") == 0, "the kernel killed it");
        require(cgroup_number(cgroup_, "memory.events", "oom") == 0, "the kernel met the limit");
        std::printf("memory_max: ok\n");
    }

    static constexpr std::size_t singles_max = 1'000;

    const std::string socket_;
    const std::string pool_;
    const std::string cgroup_;
    std::vector<Client> clients_;
    std::vector<Range> leases_;
    std::size_t singles_ = 0;
    std::mt19937_64 random_{1};
};

}  // namespace
}  // namespace inod

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    try {
        inod::Load(argv[1], argv[2], argv[3]).run();
        return 0;
    } catch (const std::exception& error) {
        std::printf("memory_max: FAILED: %s\n", error.what());
        return 1;
    }
}
