// What all who take part in a soak share: the dice, what was told of each pool, what was counted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "lib/client/client.h"
#include "tests/soak/model.h"
#include "tests/soak/pools.h"

namespace inod::soak {

struct Figures {
    std::uint64_t allocations = 0;
    std::uint64_t claims = 0;
    std::uint64_t tokened = 0;  // allocations among them
    std::uint64_t asked_again = 0;
    std::uint64_t releases = 0;
    std::uint64_t lookups = 0;
    std::uint64_t refusals = 0;
    std::uint64_t renewals = 0;
    std::uint64_t waits = 0;
    std::uint64_t events = 0;
    std::uint64_t missed = 0;  // times that some were
    std::uint64_t deaths = 0;  // by SIGKILL
    std::uint64_t ends = 0;    // of holders of connections and with a time limit
    std::uint64_t reconnects = 0;

    [[nodiscard]] std::uint64_t requests() const {
        return allocations + claims + asked_again + releases + lookups + refusals + renewals +
               waits;
    }
};

// How long nothing takes that is not stuck.
inline constexpr std::chrono::seconds patience{60};

// What each of a Client's blocking calls may come to. Throws Broken with what it says otherwise.
template <class T, class E>
T sure(Result<T, E> result, const char* what, const Client& client) {
    if (!result) throw Broken(std::string(what) + ": " + client.error_text());
    if constexpr (!std::is_void_v<T>) return *std::move(result);
}

// A connection of its own that waits for numbers to be free.
class Observer {
public:
    using Then = std::function<void(Clock::time_point)>;

    Observer(const std::string& socket, Figures& figures);

    // Calls `then` from poll() once the first of these is not live any more.
    void expect_end(const Lease& lease, Then then);
    // What has come by now. Throws Broken where an end is overdue.
    void poll();
    // Until all that is expected has come.
    void finish();

private:
    struct Expected {
        std::uint16_t tag;
        Clock::time_point begun;
        Then then;
    };
    void answered(const proto::Reply& reply);

    Client client_;
    std::vector<std::uint16_t> pools_;  // indexes
    std::vector<Expected> expected_;
    Figures& figures_;
};

struct Load {
    Load(std::string socket_path, std::uint64_t seed);

    [[nodiscard]] std::uint64_t below(std::uint64_t end) { return random() % end; }
    [[nodiscard]] bool one_in(std::uint64_t count) { return below(count) == 0; }
    [[nodiscard]] Client connect() const;

    std::string socket;
    std::mt19937_64 random;
    std::vector<PoolModel> pools;
    Figures figures;
    Observer observer;
};

// What stands for each of pool_kinds in requests.
std::vector<std::uint16_t> pool_indexes(const Client& client);

}  // namespace inod::soak
