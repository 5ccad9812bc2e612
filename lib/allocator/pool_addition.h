// Pools that are added to those of an allocator while it runs: all of them, or none.
//
// In steps, between which requests and flushes go on:
//
//   prepare()  takes all that can be refused, memory and space on disk, and again while it says block_pending
//   record()   has the journal define the pools, and again after a flush until that is done
//   serve()    once is_durable(): from here on they are like any other
//
// Not before that, since a start does not know how far a pool had come whose definition was lost: were its first
// numbers told with the group that defines it, damage to that one group would have them told once more.
//
// A crash between these steps leaves some of the pools defined, of which nothing was handed out: the next start makes
// the others, if the configuration has them.
//
// Thread safety: all calls under the allocator's lock. There is one addition at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lib/allocator/allocator.h"
#include "lib/base/result.h"
#include "lib/pool/pool_spec.h"

namespace inod {

class PoolAddition {
public:
    // Each of `pools` passes validate(), and check_parents() together with those that are served, of which none has a
    // name of theirs. The allocator, which has recovered, outlives the addition.
    PoolAddition(Allocator& allocator, std::vector<PoolSpec> pools);
    PoolAddition(const PoolAddition&) = delete;
    PoolAddition& operator=(const PoolAddition&) = delete;
    // Of what was not recorded nothing is left.
    ~PoolAddition();

    // Errors: block_pending: ask again after the next flush or make_space(). Else nothing has changed, and the message
    //   is for an administrator: out_of_memory, no_space, journal_sealed; pool_changed: the state has a pool of this
    //   name that is not served; config_invalid: there are more than a store, or the witness until a restart, has room
    //   for.
    Result<void, Failure> prepare();
    // True once all is recorded. Requires that prepare() succeeded, and that the lock was kept since, until it was
    // called once.
    [[nodiscard]] bool record();
    [[nodiscard]] bool is_durable() const noexcept;
    // Requires that all is recorded, and is_durable().
    void serve() noexcept;

    // Of a pool that is served, or one of these; no_pool of any other. Requires that prepare() succeeded.
    [[nodiscard]] PoolIndex index_of(std::string_view name) const noexcept;
    // One more than the highest index that a pool has then. Requires that prepare() succeeded.
    [[nodiscard]] std::size_t index_end() const noexcept { return first_ + made_.size(); }

private:
    struct Made {
        std::unique_ptr<Allocator::ServedPool> pool;
        std::vector<Range> reserved;  // the bands of the configuration
    };

    Result<void, Failure> make_all();
    Result<void, Failure> make(const PoolSpec& spec);
    [[nodiscard]] Result<void, Failure> check(const PoolSpec& spec) const;
    Result<void, Failure> reserve_bands(Made& made) const;
    Result<void, Failure> set_space_aside();
    void unmake() noexcept;
    void record(Made& made);

    Allocator& allocator_;
    const std::vector<PoolSpec> specs_;
    std::unordered_map<std::string_view, const PoolSpec*> wanted_;  // the specs, by name
    std::unordered_map<std::string_view, PoolIndex>
        known_;                 // all pools that there are, and those that are made
    std::size_t first_ = 0;     // index of the first
    std::vector<Made> made_;    // parents first
    std::size_t recorded_ = 0;  // of these, which the allocator has
    Lsn lsn_ = 0;               // of the last record
};

}  // namespace inod
