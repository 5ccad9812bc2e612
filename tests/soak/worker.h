// One of those who keep the daemon busy: a connection that acts as a holder of its own, and leases, looks up,
// releases and claims in bursts, each request's reply compared with what it has to be.
//
// How its holder ends depends on the kind: a connection closes, a process is killed, a time limit passes. A
// durable one only loses its connection, with requests under way that it asks again for.
//
// Thread safety: none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/soak/load.h"
#include "tests/soak/sleeper.h"

namespace inod::soak {

enum class Kind : std::uint8_t { durable, connection, process, timed };

struct WorkerOptions {
    Kind kind = Kind::durable;
    unsigned index = 0;                // of all workers, counted from 0
    unsigned worker_count = 1;         // of them
    std::size_t lease_target = 0;      // that it likes to have
    std::chrono::milliseconds ttl{0};  // of a timed one
};

class Worker {
public:
    // Connects and binds. Throws Broken, as all here do.
    Worker(Load& load, const WorkerOptions& options);

    // Sends `count` requests. Between send_burst() and receive_burst() no other call.
    void send_burst(std::size_t count);
    void receive_burst();

    // It ends, or of a durable one the connection does; afterwards it is somebody else, or back again.
    void end();
    // A holder with a time limit: renewed if that is due, or left to its end if it is so late that this could
    // come first.
    void renew();

    // Releases all that it has, one by one, or with its holder, which is gone then.
    void release_each();
    void release_holder();

    // Connects again, to a daemon that was started again.
    void reconnect();

    [[nodiscard]] Kind kind() const { return options_.kind; }
    [[nodiscard]] bool is_idle() const { return ends_by_itself_; }
    [[nodiscard]] bool is_full() const { return leases_.size() >= options_.lease_target; }
    // Of a holder whose time is running out: what it may still have of that pool, as nobody can tell.
    [[nodiscard]] std::uint64_t maybe_live(std::size_t pool) const;

private:
    struct Asked {
        enum class What : std::uint8_t {
            allocate,
            repeat,
            claim,
            release,
            look,
            look_short,
            look_back
        };
        What what = What::allocate;
        Lease lease{};  // what it is about; of one that hands out just the pool
        Id floor = 0;
        std::optional<proto::Token> token{};
        std::uint64_t count = 1;
        bool is_taken = false;  // what is claimed, in the pool where only this worker claims it
    };

    void bind();
    void send(const proto::Request::Body& body, const Asked& asked);
    void send_change();
    void send_allocation();
    void send_claim();
    void send_release();
    void send_lookup();
    void answered(const Asked& asked, const proto::Reply& reply);
    void leased(const Asked& asked, const proto::LeaseReply& reply);
    void refused(const Asked& asked, Errc code, std::string_view text);
    void found(const Asked& asked, const proto::LeaseRecord& record);
    void give_up_all(Clock::time_point when);
    void lose_connection();
    void run_out();
    void renew_late();
    [[noreturn]] void broken(const Asked& asked, const std::string& what) const;

    Load& load_;
    WorkerOptions options_;
    std::optional<Client> client_;
    std::vector<std::uint16_t> indexes_;
    std::optional<Sleeper> process_;
    std::uint64_t holder_ = 0;
    std::vector<Lease> leases_;
    std::optional<Lease> last_given_up_;
    std::unordered_map<std::uint16_t, Asked> asked_;  // by tag
    std::unordered_map<std::uint64_t, proto::LeaseReply>
        told_;                  // by a token's number, of this burst
    std::vector<Id> claiming_;  // in this burst
    Clock::time_point renewed_{};
    bool ends_by_itself_ = false;
    std::vector<Lease> runs_out_with_;        // then
    std::vector<std::uint64_t> running_out_;  // by pool
};

}  // namespace inod::soak
