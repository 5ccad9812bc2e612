// The clients: what they ask for, drawn from the dice, and each answer shown to the oracle.
//
// Releases and lookups are made with no memory to be had, neither from the system nor from the
// budget, since they must never need any; other requests now and then.
//
// Thread safety: none of its own.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "tests/sim/clock.h"
#include "tests/sim/dice.h"
#include "tests/sim/figures.h"
#include "tests/sim/oracle.h"
#include "tests/sim/process.h"
#include "tests/sim/story.h"

namespace inod::sim {

class Clients {
public:
    // `complete_turn` lets the flusher do what it has to do; false if that ended the process.
    Clients(const std::vector<PoolSpec>& pools, Oracle& oracle, Clock& clock, Dice& dice,
            Story& story, Figures& figures, std::function<bool()> complete_turn)
        : pools_(pools),
          oracle_(oracle),
          clock_(clock),
          dice_(dice),
          story_(story),
          figures_(figures),
          complete_turn_(std::move(complete_turn)) {}

    // One operation. Requires process.allocator().has_room(). Where the store's whole budget is
    // small, any request for more may be refused.
    void operate(Process& process, bool budget_is_small);

    // Many operations at once, at most `count` and as long as there is room; each returns how many.
    // Wide leases, so that much can be released; releases of one ID each, which must go on when the
    // disk is full; leases that are released at once, for a long log.
    std::uint64_t lease_much(Process& process, bool budget_is_small, std::uint64_t count);
    std::uint64_t release_many(Process& process, std::uint64_t count);
    std::uint64_t scatter(Process& process, std::uint64_t count);  // of every other ID
    std::uint64_t churn(Process& process, bool budget_is_small, std::uint64_t count);

    // A process was started: what its daemon finds out about holders.
    void begin(Process& process);
    // After everything in which holders may end.
    void look_for_ends(Process& process, Lsn last_before);
    // Time goes on. Requires has_room(), as operate() does.
    void go_on(Process& process);

    [[nodiscard]] std::uint64_t operation_count() const { return operation_count_; }

private:
    PoolIndex some_pool() { return static_cast<PoolIndex>(dice_.below(pools_.size())); }
    std::uint32_t some_user();
    std::uint64_t some_count(const PoolSpec& spec);
    Wish some_wish(const PoolSpec& spec);
    Id some_id(PoolIndex pool, Process& process);
    Id some_of(const std::set<Id>& ids);
    // An ID that is live, if the pool has any.
    std::optional<Id> some_live(PoolIndex pool);

    // The lock of a request that waits for memory: others come in meanwhile.
    struct WaitingGuard {
        Clients& clients;
        Process& process;
        bool budget_is_small;
        PoolIndex pool = 0;
        const Wish* searches = nullptr;  // that pool for this, if anything
        void lock() {
            if (searches != nullptr) clients.oracle_.searched(pool, *searches);
        }
        void unlock() { clients.come_between(process, budget_is_small); }
    };
    void come_between(Process& process, bool budget_is_small);

    // clients_means.h
    template <class Call>
    auto with_little_memory(Process& process, Call call);
    // Nothing if the process is over.
    template <class Call>
    auto insist(Process& process, Call call) -> std::optional<decltype(call())>;
    template <class Call>
    auto without_memory(Process& process, Call call);

    // Holders (clients_holders.cc).
    Asker some_asker();
    static Asker asker_of(const KnownHolder& holder);
    [[nodiscard]] Asker asker_of(const Known& known) const;
    const KnownHolder* some_holder();
    void do_as_holder(Process& process, bool budget_is_small);
    BindRequest some_bind();
    void come_back(Process& process, bool budget_is_small);
    void bind(Process& process, bool budget_is_small, const BindRequest& request,
              std::optional<std::uint32_t> of_user = std::nullopt);
    void renew(Process& process);
    void end_some(Process& process);

    void count_operation();
    void allocate(Process& process, bool budget_is_small, PoolIndex pool, const Wish& wish);
    void count_lease(PoolIndex pool, const Wish& wish, const Lease& lease);
    void claim(Process& process, bool budget_is_small);
    void release(Process& process);
    void release_wrongly(Process& process);
    void release(Process& process, PoolIndex pool, Range range, std::uint64_t generation,
                 const Asker& asker);
    // What administrators ask (clients_admin.cc).
    void administer(Process& process, bool budget_is_small);
    void reserve(Process& process, bool budget_is_small, PoolIndex pool);
    void unreserve(Process& process, bool budget_is_small, PoolIndex pool);
    void advance(Process& process, PoolIndex pool);

    void lookup(Process& process);
    void list(Process& process);
    [[nodiscard]] bool is_for_holder(const Asker& asker, const Error& error) const;
    // Refused for want of means, or to be asked again.
    static bool is_of_means(const Error& error);
    void check_means(const Error& error, const Process& process, bool budget_is_small);

    const std::vector<PoolSpec>& pools_;
    Oracle& oracle_;
    Clock& clock_;
    Dice& dice_;
    Story& story_;
    Figures& figures_;
    std::function<bool()> complete_turn_;
    std::uint64_t operation_count_ = 0;
    bool memory_was_refused_ = false;  // in the request being made
    bool memory_is_scarce_ = false;    // for it
    bool is_process_over_ = false;     // the last request ended with it
    bool is_between_ = false;          // it was made while another waited
    bool small_budget_was_met_ = false;
    std::vector<std::pair<std::uint32_t, HolderRef>> ended_;  // lately, and whose they were
    std::uint64_t keys_told_ = 0;
    std::map<PoolIndex, Lease> last_leases_;  // of those that wrap
};

}  // namespace inod::sim
