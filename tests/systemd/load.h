// Clients that keep many requests under way while the daemon is started again and again: what each of them sees.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "lib/client/client.h"

namespace inod {

// A set of IDs, all below a limit. Thread safety: any thread.
class SeenIds {
public:
    explicit SeenIds(Id limit) : words_(limit / 64 + 1) {}
    // False if it was there already. Throws for one that is not below the limit.
    bool insert(Id id) { return (word(id).fetch_or(bit(id)) & bit(id)) == 0; }
    void erase(Id id) { word(id).fetch_and(~bit(id)); }
    [[nodiscard]] bool has(Id id) const { return (words_.at(id / 64).load() & bit(id)) != 0; }
    [[nodiscard]] Id limit() const { return words_.size() * 64; }

private:
    static std::uint64_t bit(Id id) { return std::uint64_t{1} << (id % 64); }
    std::atomic<std::uint64_t>& word(Id id) { return words_.at(id / 64); }

    std::vector<std::atomic<std::uint64_t>> words_;
};

// What all clients saw together.
struct Observed {
    explicit Observed(Id limit) : ever(limit), live(limit) {}

    SeenIds ever;  // handed out
    SeenIds live;  // acknowledged, and not given back
    std::atomic<std::uint64_t> answered = 0;
    std::atomic<std::uint64_t> failed = 0;
    std::atomic<std::uint64_t> repeated = 0;
    std::atomic<std::uint64_t> reconnects = 0;
};

struct LoadOptions {
    std::string pool = "inode";
    std::size_t depth = 16;  // requests under way
    bool has_tokens =
        false;  // Allocations alone, each with its token, sent again until it is answered.
    bool gives_back = false;  // Each ID when it was answered, one after the other.
};

// One client, on a thread of its own.
class LoadedClient {
public:
    LoadedClient(const LoadOptions& options, Observed& observed);
    LoadedClient(const LoadedClient&) = delete;
    LoadedClient& operator=(const LoadedClient&) = delete;
    // Receives what is under way, and ends.
    ~LoadedClient();

    // Replies so far. Any thread.
    [[nodiscard]] std::uint64_t answered() const { return answered_; }
    // The longest time without one since this was asked last. Any thread.
    [[nodiscard]] std::chrono::microseconds take_longest_pause() {
        return std::chrono::microseconds(longest_pause_us_.exchange(0));
    }

private:
    struct UnderWay {
        proto::Request request;
        Id released = 0;
    };

    void run();
    void send(const UnderWay& what);
    void send_next();
    proto::Token new_token();
    void receive();
    void take(const proto::Reply& reply, const UnderWay& what);
    void note_reply();
    void connect_again();

    const LoadOptions options_;
    Observed& observed_;
    Client client_;
    std::uint16_t pool_;
    std::map<std::uint16_t, UnderWay> under_way_;
    std::vector<Id> to_release_;
    std::chrono::steady_clock::time_point last_reply_;
    std::atomic<std::uint64_t> answered_ = 0;
    std::atomic<std::int64_t> longest_pause_us_ = 0;
    std::atomic<bool> ends_ = false;
    std::thread thread_;
};

}  // namespace inod
