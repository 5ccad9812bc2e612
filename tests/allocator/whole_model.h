// All pools of a store, who holds what in them, and the tokens that it keeps: what an Allocator must do,
// number by number, beside it. tests/allocator/pool_model.h has the pools.
//
// It is told what was asked and what the allocator answered. Where an answer is wrong it says what is wrong
// with it; where it is right, it follows.
//
// Thread safety: none. Copies are independent, so that a life can be gone back to.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "lib/allocator/allocator.h"
#include "tests/allocator/pool_model.h"

namespace inod {

struct ModelHolder {
    HolderRef ref;
    Binding binding = Binding::persistent;
    std::uint32_t uid = 0;
    std::string name{};
    HolderKey key{};
    std::uint64_t process = 0;
    std::uint32_t ttl_ms = 0;
    std::optional<BootTime> deadline{};
};

struct ModelToken {
    PoolIndex pool;
    std::array<std::uint64_t, 4> asked;  // as the digest has it
    Lease reply;
    std::uint64_t at;  // in time that goes on over reboots
};

// A request that hands out: allocate(), or allocate_at() where there is a claim.
struct HandOutRequest {
    PoolIndex pool = 0;
    Wish wish{};
    std::optional<Range> claim{};
    Asker asker{};

    [[nodiscard]] std::uint64_t count() const { return claim ? claim->count() : wish.count; }
};

// What the allocator came to: the lease, or the error; and of a lease the number at each level with which
// it begins, the pool that was asked as the last one, and who has it.
struct HandOutAnswer {
    Result<Lease> result;
    std::vector<LevelNumber> levels{};
    HolderRef holder{};
};

class WholeModel {
public:
    explicit WholeModel(const std::vector<PoolSpec>& specs, const TokenOptions& tokens);

    // Hand-outs. Is the answer right? If so, it is so from now on. `notes` gets what was special.
    std::string hand_out(const HandOutRequest& request, const HandOutAnswer& answer,
                         std::vector<std::string>& notes);

    [[nodiscard]] std::optional<Error> release_refusal(PoolIndex pool, Range range,
                                                       std::uint64_t generation,
                                                       const Asker& asker) const;
    void release(PoolIndex pool, Range range);
    [[nodiscard]] std::vector<LevelNumber> levels(PoolIndex pool, Id id) const;
    [[nodiscard]] std::vector<PoolIndex> path(PoolIndex pool) const;  // from the highest one down

    // Holders.
    [[nodiscard]] std::optional<Error> bind_refusal(const Asker& asker,
                                                    const BindRequest& request) const;
    [[nodiscard]] const ModelHolder* found(const Asker& asker, const BindRequest& request) const;
    std::string bound(const Asker& asker, const BindRequest& request, const Bound& answer);
    [[nodiscard]] const ModelHolder* holder(const HolderRef& ref) const;
    [[nodiscard]] const ModelHolder* acting(const Asker& asker) const;
    void renew(const HolderRef& ref);
    void end(const HolderRef& ref);
    [[nodiscard]] std::uint64_t holdings(const HolderRef& ref) const;

    // Whose time is over comes to an end.
    void set_time(BootTime now);
    [[nodiscard]] std::optional<BootTime> next_deadline() const;

    // Tokens.
    [[nodiscard]] bool is_token_epoch_due() const;
    // What is wrong with that it begins now.
    std::string begin_token_epoch(std::uint64_t number);
    [[nodiscard]] std::uint64_t token_epoch() const {
        return epochs_.empty() ? 0 : epochs_.front().number;
    }
    [[nodiscard]] std::uint64_t token_count(std::optional<std::uint32_t> uid = {}) const;

    // A new life: so many milliseconds holders have to come back.
    void restart(bool was_clean, std::uint32_t grace_ms);
    // The machine was started anew, and a new life begins.
    void reboot(bool was_clean, std::uint32_t grace_ms, BootTime now_there);

    std::vector<PoolModel> pools;
    std::map<HolderId, ModelHolder> holders;
    std::map<std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>, ModelToken> tokens;
    BootTime now = 0;
    std::uint64_t elapsed = 0;  // milliseconds of all lives, reboots or not

private:
    struct Epoch {
        std::uint64_t number;
        bool is_open;
    };
    [[nodiscard]] static ModelToken token_of(const HandOutRequest& request);
    [[nodiscard]] std::optional<Result<Lease>> token_answer(const HandOutRequest& request) const;
    [[nodiscard]] std::optional<Error> admission_refusal(const HandOutRequest& request) const;
    [[nodiscard]] std::optional<Error> quota_refusal(PoolIndex pool, const Asker& asker,
                                                     std::uint64_t count, const Quota& quota) const;
    [[nodiscard]] std::optional<Error> form_refusal(const HandOutRequest& request,
                                                    PoolIndex level) const;
    [[nodiscard]] PoolModel::Wanted wanted_at(const HandOutRequest& request, PoolIndex level) const;
    std::string refused(const HandOutRequest& request, const Error& error);
    std::string granted(const HandOutRequest& request, const HandOutAnswer& answer,
                        std::vector<std::string>& notes);
    [[nodiscard]] std::string wrong_at(const HandOutRequest& request, const LevelNumber& at,
                                       std::vector<std::string>& notes) const;
    std::string hold_at(const HandOutRequest& request, const HandOutAnswer& answer,
                        std::size_t level);
    std::string note_holder(const HandOutRequest& request, const HolderRef& ref);
    void note_token(const HandOutRequest& request, const Lease& lease);
    void wait_for_clients(std::uint32_t grace_ms);
    void set_clock(BootTime to);

    std::vector<PoolIndex> parents_;
    TokenOptions token_options_;
    std::vector<Epoch> epochs_;  // the newest first
    BootTime epoch_began_ = 0;
};

}  // namespace inod
