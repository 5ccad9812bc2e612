// Replay of what was granted once, under a token.
#include <boost/container/static_vector.hpp>

#include "lib/allocator/recoverer.h"

namespace inod {

Result<void, Failure> Allocator::Recoverer::apply(const Tokened& record) {
    if (auto leased = apply_lease(record); !leased) return leased;
    if (!knows_tokens_) return {};
    return restore_token({.pool = record.pool,
                          .range = record.range,
                          .generation = record.generation,
                          .token = record.token});
}

Result<void, Failure> Allocator::Recoverer::apply_lease(const Tokened& record) {
    switch (record.how) {
        case HandOut::passed:
            return apply(Passed{record.pool, record.range, record.raised_generation});
        case HandOut::allocated:
            return apply(
                Allocated{record.pool, record.range, record.holder, record.raised_generation});
        case HandOut::claimed:
            return apply(
                Claimed{record.pool, record.range, record.holder, record.raised_generation});
    }
    return unknown("a lease was handed out in a way");
}

Result<void, Failure> Allocator::Recoverer::apply(const EpochBegun& record) {
    if (!knows_tokens_) return {};
    const auto begun = allocator_.tokens_.replay_epoch(record.number, record.at, record.alone);
    return begun ? Result<void, Failure>() : failure_of(begun.error(), "an epoch of tokens");
}

Result<void, Failure> Allocator::Recoverer::apply(const EpochsSaved& record) {
    boost::container::static_vector<TokenEpoch, Tokens::epoch_count_max> epochs;
    for (const EpochsSaved::Epoch& epoch : record.epochs) {
        if (epoch.number == 0) break;
        epochs.push_back({.number = epoch.number, .is_open = epoch.is_open});
    }
    knows_tokens_ = true;
    const auto restored = allocator_.tokens_.restore_epochs(epochs, record.began);
    return restored ? Result<void, Failure>() : failure_of(restored.error(), "epochs of tokens");
}

Result<void, Failure> Allocator::Recoverer::apply(const TokenSaved& record) {
    return restore_token(record);
}

Result<void, Failure> Allocator::Recoverer::restore_token(const TokenSaved& record) {
    const TokenFields& token = record.token;
    const auto restored = allocator_.tokens_.restore(
        {.key = key_of(token),
         .request = {.pool = record.pool, .digest = token.digest},
         .reply = {.range = record.range, .generation = record.generation}});
    return restored ? Result<void, Failure>() : failure_of(restored.error(), "a token");
}

}  // namespace inod
