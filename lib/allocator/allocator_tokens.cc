// Requests that carry a token: granted once, and answered as the first time ever after.
#include <algorithm>
#include <array>

#include "lib/allocator/allocator.h"

namespace inod {
namespace {

Errc code_of(TokenRefusal refusal) {
    return refusal == TokenRefusal::quota ? Errc::token_quota : Errc::out_of_memory;
}

}  // namespace

// What another holder asks for is another request: what the one got is not the other's.
TokenFields Allocator::token_of(const Asker& asker, const Asked& asked) noexcept {
    const HolderId holder = asker.acts_as ? asker.acts_as->id : 0;
    const std::array<std::uint64_t, 4> words{asked[0], asked[1], asked[2], holder};
    return {.uid = asker.uid,
            .epoch = asker.token->epoch,
            .number = asker.token->number,
            .digest = request_digest(words)};
}

// The answer to a request that is not to be executed; none if it is.
std::optional<Answer<Lease>> Allocator::find_answer(ServedPool& served_pool, PoolIndex index,
                                                    const TokenFields& token) noexcept {
    const TokenAnswer found = tokens_.find(key_of(token), {.pool = index, .digest = token.digest});
    switch (found.verdict) {
        case TokenVerdict::fresh: return std::nullopt;
        case TokenVerdict::known: return Answer<Lease>{found.reply, recorded_lsn()};
        case TokenVerdict::under_way:
            // Whoever executes it has dropped the lock for a moment. The next slice of a sweep has this
            // one asked again.
            sweep_due_ = true;
            return Answer<Lease>{Errc::block_pending};
        case TokenVerdict::mismatch: return refuse<Lease>(served_pool, index, Errc::token_mismatch);
        case TokenVerdict::expired: break;
    }
    return refuse<Lease>(served_pool, index, Error{Errc::token_expired, tokens_.current_epoch()});
}

Result<Tokens::Place> Allocator::prepare_token(PoolIndex index, const TokenFields& token,
                                               std::uint64_t tokens_max) {
    const auto count_max = std::min<std::uint64_t>(tokens_max, options_.tokens.count_max);
    auto place = tokens_.prepare(key_of(token), {.pool = index, .digest = token.digest},
                                 static_cast<std::uint32_t>(count_max));
    if (!place) return code_of(place.error());
    return std::move(*place);
}

void Allocator::set_tokens(std::uint64_t keep_ms, std::uint32_t count_max) noexcept {
    options_.tokens.keep_ms = keep_ms;
    options_.tokens.count_max = count_max;
    tokens_.set_limits(keep_ms, count_max);
}

Answer<std::uint64_t> Allocator::token_epoch() const noexcept {
    if (options_.tokens.count_max == 0) return {0};
    return {tokens_.current_epoch(), unless_durable(token_epoch_lsn_)};
}

bool Allocator::is_token_epoch_due() const noexcept {
    // Those of before are forgotten in time even where none are offered any more.
    const bool is_used = options_.tokens.count_max > 0 || tokens_.current_epoch() != 0;
    return is_used && !journal_.sealed() && has_room() && tokens_.is_epoch_due(now_);
}

void Allocator::begin_token_epoch(std::uint64_t number) noexcept {
    tokens_.begin_epoch(number, now_);
    token_epoch_lsn_ = append(EpochBegun{.number = number, .at = now_, .alone = false});
}

void Allocator::close_token_epochs(std::uint64_t number) noexcept {
    if (tokens_.current_epoch() == 0) return;
    tokens_.begin_epoch_alone(number, now_);
    token_epoch_lsn_ = append(EpochBegun{.number = number, .at = now_, .alone = true});
}

}  // namespace inod
