#include "lib/allocator/tokens.h"

#include <algorithm>
#include <bit>
#include <new>

#include <boost/unordered/unordered_flat_map.hpp>

#include "lib/base/assert.h"
#include "lib/base/sip_hash.h"

namespace inod {
namespace {

// Giving a block back takes as long as looking at so many slots.
constexpr std::size_t visits_per_block = 64;

// The newest is open; with the one before it, if that is, it is the only one.
bool is_sound(std::span<const TokenEpoch> epochs) {
    if (epochs.size() > Tokens::epoch_count_max) return false;
    for (std::size_t i = 0; i < epochs.size(); ++i) {
        const bool is_new =
            std::none_of(epochs.begin(), epochs.begin() + static_cast<std::ptrdiff_t>(i),
                         [&](const TokenEpoch& other) { return other.number == epochs[i].number; });
        const bool may_be_open = i < 2;
        if (epochs[i].number == 0 || !is_new) return false;
        if (epochs[i].is_open ? !may_be_open : i == 0) return false;
    }
    return true;
}

}  // namespace

std::uint64_t request_digest(std::span<const std::uint64_t> asked) noexcept {
    return SipHash({0, 0})(asked);
}

Tokens::Tokens(const TokenOptions& options, MemoryBudget& budget)
    : options_(options), budget_(budget), uid_counts_(budget) {
    INOD_ASSERT(options.count_max < std::uint32_t{1} << 31U);
}

Tokens::~Tokens() {
    INOD_ASSERT(under_way_count_ == 0);
    budget_.give(budgeted_);
}

Tokens::Place::~Place() {
    if (tokens_ == nullptr) return;
    --tokens_->under_way_count_;
    tokens_->remove(link_);
}

TokenAnswer Tokens::find(const TokenKey& key, const TokenRequest& request) const noexcept {
    const TokenEpoch* const epoch = find_epoch(key.epoch);
    if (epoch == nullptr) return {TokenVerdict::expired};
    const Link link = search(key);
    if (link == 0) return {epoch->is_open ? TokenVerdict::fresh : TokenVerdict::expired};
    const Slot& found = slot(link);
    // It may come to nothing, and then the token is free for any request.
    if (found.state == State::under_way) return {TokenVerdict::under_way};
    const bool is_same = found.pool == request.pool && found.digest == request.digest;
    if (!is_same) return {TokenVerdict::mismatch};
    return {TokenVerdict::known, found.reply};
}

void Tokens::set_limits(std::uint64_t keep_ms, std::uint32_t count_max) noexcept {
    INOD_ASSERT(count_max < std::uint32_t{1} << 31U);
    options_.keep_ms = keep_ms;
    options_.count_max = count_max;
}

Result<Tokens::Place, TokenRefusal> Tokens::prepare(const TokenKey& key,
                                                    const TokenRequest& request,
                                                    std::uint32_t uid_count_max) {
    INOD_ASSERT(find(key, request).verdict == TokenVerdict::fresh);
    if (used_count_ >= options_.count_max) return TokenRefusal::quota;
    if (count_of(key.uid) >= uid_count_max) return TokenRefusal::quota;
    if (!make_room(key.uid)) return TokenRefusal::out_of_memory;
    const Link link = take_slot(key, request);
    ++under_way_count_;
    return Place(*this, link);
}

void Tokens::add(Place place, const Lease& reply) noexcept {
    INOD_ASSERT(place.tokens_ == this);
    place.tokens_ = nullptr;
    Slot& filled = slot(place.link_);
    filled.reply = reply;
    filled.state = State::kept;
    --under_way_count_;
    TokenEpoch* const epoch = find_epoch(filled.epoch);
    INOD_ASSERT(epoch != nullptr && epoch->is_open);
    ++epoch->token_count;
}

// A slot, a chain and an entry of the UID for one token more. Fails with out_of_memory.
Result<> Tokens::make_room(std::uint32_t uid) {
    try {
        if (spare_ == 0 && slot_end_ == blocks_.size() * Block::size) {
            if (!budget_.take(sizeof(Block))) return Errc::out_of_memory;
            budgeted_ += sizeof(Block);
            blocks_.push_back(std::make_unique<Block>());
        }
    } catch (const std::bad_alloc&) {
        const std::uint64_t unused = budgeted_ - blocks_.size() * sizeof(Block);
        budget_.give(unused);
        budgeted_ -= unused;
        return Errc::out_of_memory;
    }
    const auto counted = uid_counts_.insert(uid);
    return counted ? Result<>() : counted.error();
}

// A slot for a token that is under way. Requires make_room().
Tokens::Link Tokens::take_slot(const TokenKey& key, const TokenRequest& request) noexcept {
    Link link = spare_;
    if (link != 0) {
        spare_ = slot(link).next;
    } else {
        split_chain();
        link = slot_end_;
    }
    const std::uint32_t hash = hash_of(key);
    Link& first = chain(chain_of(hash));
    slot(link) = {.epoch = key.epoch,
                  .number = key.number,
                  .digest = request.digest,
                  .reply = {},
                  .uid = key.uid,
                  .hash = hash,
                  .next = first,
                  .pool = request.pool,
                  .state = State::under_way};
    first = link;
    ++used_count_;
    ++*uid_counts_.find(key.uid);
    return link;
}

// One slot and one chain more. What belongs into the new chain is all in one other, that which has
// its number but for the highest bit. Source: Litwin, "Linear hashing", VLDB 1980.
void Tokens::split_chain() noexcept {
    const std::uint32_t fresh = slot_end_++;
    chain(fresh) = 0;
    if (fresh == 0) return;
    Link* link = &chain(fresh - std::bit_floor(fresh));
    while (*link != 0) {
        Slot& one = slot(*link);
        if (chain_of(one.hash) != fresh) {
            link = &one.next;
            continue;
        }
        const Link moved = std::exchange(*link, one.next);
        one.next = std::exchange(chain(fresh), moved);
    }
}

void Tokens::remove(Link link) noexcept {
    Slot& gone = slot(link);
    Link* before = &chain(chain_of(gone.hash));
    while (*before != link)
        before = &slot(*before).next;
    *before = gone.next;
    gone.state = State::spare;
    gone.next = std::exchange(spare_, link);

    if (--*uid_counts_.find(gone.uid) == 0) uid_counts_.erase(gone.uid);
    if (--used_count_ > 0) return;
    // The first block is enough to begin with, and the others can go.
    slot_end_ = 0;
    spare_ = 0;
    forget_next_ = 0;
}

Tokens::Link Tokens::search(const TokenKey& key) const noexcept {
    if (slot_end_ == 0) return 0;
    const std::uint32_t hash = hash_of(key);
    for (Link link = chain(chain_of(hash)); link != 0; link = slot(link).next) {
        const Slot& one = slot(link);
        if (one.hash == hash && TokenKey{one.uid, one.epoch, one.number} == key) return link;
    }
    return 0;
}

std::uint32_t Tokens::hash_of(const TokenKey& key) const noexcept {
    const std::array<std::uint64_t, 3> words{key.uid, key.epoch, key.number};
    return static_cast<std::uint32_t>(SipHash(options_.hash_key)(words));
}

// The chain of a hash, of slot_end_ many: as many bits of it as number them all, and one less where
// there is no such chain yet.
std::uint32_t Tokens::chain_of(std::uint32_t hash) const noexcept {
    const std::uint32_t mask = std::bit_ceil(slot_end_) - 1;
    const std::uint32_t index = hash & mask;
    return index < slot_end_ ? index : index & (mask >> 1U);
}

const TokenEpoch* Tokens::find_epoch(std::uint64_t number) const noexcept {
    const auto found = std::find_if(epochs_.begin(), epochs_.end(), [&](const TokenEpoch& epoch) {
        return epoch.number == number;
    });
    return found != epochs_.end() ? &*found : nullptr;
}

TokenEpoch* Tokens::find_epoch(std::uint64_t number) noexcept {
    return const_cast<TokenEpoch*>(std::as_const(*this).find_epoch(number));  // NOLINT: it is ours
}

bool Tokens::is_epoch_due(std::uint64_t now_ms) const noexcept {
    if (epochs_.empty()) return true;
    if (under_way_count_ > 0 || count() == 0 || now_ms < epoch_began_ms_) return false;
    // More, and not as much: what is read in whole milliseconds can be that much less in truth.
    return now_ms - epoch_began_ms_ > options_.keep_ms;
}

std::optional<std::uint64_t> Tokens::next_epoch_due() const noexcept {
    if (epochs_.empty() || under_way_count_ > 0 || count() == 0) return std::nullopt;
    return epoch_began_ms_ + options_.keep_ms + 1;
}

void Tokens::begin_epoch(std::uint64_t number, std::uint64_t now_ms) noexcept {
    INOD_ASSERT(is_epoch_due(now_ms));
    push_epoch(number, now_ms, false);
}

void Tokens::begin_epoch_alone(std::uint64_t number, std::uint64_t now_ms) noexcept {
    INOD_ASSERT(under_way_count_ == 0);
    push_epoch(number, now_ms, true);
}

// What is closed was closed when the present one began, or before, and so has been for keep_ms.
// Unless the new one is `alone`, which can come at any time.
void Tokens::push_epoch(std::uint64_t number, std::uint64_t began_ms, bool alone) noexcept {
    INOD_ASSERT(number != 0 && find_epoch(number) == nullptr);
    while (!alone && !epochs_.empty() && !epochs_.back().is_open)
        forget_oldest_epoch();
    if (epochs_.size() == epoch_count_max) forget_oldest_epoch();
    for (std::size_t i = alone ? 0 : 1; i < epochs_.size(); ++i)
        epochs_[i].is_open = false;
    epochs_.insert(epochs_.begin(), TokenEpoch{.number = number, .is_open = true});
    epoch_began_ms_ = began_ms;
}

void Tokens::forget_oldest_epoch() noexcept {
    forgotten_count_ += epochs_.back().token_count;
    epochs_.pop_back();
}

void Tokens::forget_some(std::size_t visits_max) noexcept {
    for (; visits_max > 0 && forgotten_count_ > 0; --visits_max) {
        if (forget_next_ >= slot_end_) forget_next_ = 0;
        const Link link = ++forget_next_;
        const Slot& one = slot(link);
        if (one.state != State::kept || find_epoch(one.epoch) != nullptr) continue;
        --forgotten_count_;
        remove(link);
    }
    for (; visits_max > 0 && has_idle_blocks();
         visits_max -= std::min(visits_max, visits_per_block))
        drop_idle_block();
}

void Tokens::drop_idle_block() noexcept {
    blocks_.pop_back();
    budgeted_ -= sizeof(Block);
    budget_.give(sizeof(Block));
}

std::optional<Token> Tokens::next(TokenPosition& position,
                                  std::size_t& visits_left) const noexcept {
    while (position.next_slot < std::min(position.end, slot_end_)) {
        if (visits_left == 0) return std::nullopt;
        --visits_left;
        const Slot& one = slot(++position.next_slot);
        if (one.state != State::kept || find_epoch(one.epoch) == nullptr) continue;
        if (one.marked && position.skips_marked) continue;
        return Token{.key = {.uid = one.uid, .epoch = one.epoch, .number = one.number},
                     .request = {.pool = one.pool, .digest = one.digest},
                     .reply = one.reply};
    }
    position.next_slot = position.end;
    return std::nullopt;
}

void Tokens::mark(const TokenKey& key) noexcept {
    if (const Link link = search(key); link != 0) slot(link).marked = true;
}

void Tokens::unmark_all() noexcept {
    for (Link link = 1; link <= slot_end_; ++link)
        slot(link).marked = false;
}

Result<> Tokens::restore_epochs(std::span<const TokenEpoch> epochs, std::uint64_t began_ms) {
    if (!epochs_.empty() || !is_sound(epochs)) return Errc::journal_damaged;
    for (const TokenEpoch& epoch : epochs)
        epochs_.push_back({.number = epoch.number, .is_open = epoch.is_open});
    epoch_began_ms_ = began_ms;
    return {};
}

Result<> Tokens::restore(const Token& token) {
    INOD_ASSERT(under_way_count_ == 0);
    TokenEpoch* const epoch = find_epoch(token.key.epoch);
    if (epoch == nullptr) return Errc::journal_damaged;
    if (search(token.key) != 0) {
        const bool is_same = find(token.key, token.request) ==
                             TokenAnswer{.verdict = TokenVerdict::known, .reply = token.reply};
        return is_same ? Result<>() : Errc::journal_damaged;
    }
    if (auto room = make_room(token.key.uid); !room) return room;
    Slot& filled = slot(take_slot(token.key, token.request));
    filled.reply = token.reply;
    filled.state = State::kept;
    ++epoch->token_count;
    return {};
}

Result<> Tokens::replay_epoch(std::uint64_t number, std::uint64_t began_ms, bool alone) {
    if (number == 0 || find_epoch(number) != nullptr) return Errc::journal_damaged;
    push_epoch(number, began_ms, alone);
    // Nobody waits yet, and the log may have more tokens than there is room for at once.
    while (is_forgetting())
        forget_some(visits_per_slice);
    return {};
}

void Tokens::begin_run(std::uint64_t now_ms, bool same_clock) noexcept {
    if (!same_clock || epoch_began_ms_ > now_ms) epoch_began_ms_ = now_ms;
}

std::uint32_t Tokens::count() const noexcept {
    return used_count_ - under_way_count_ - forgotten_count_;
}

std::uint32_t Tokens::count_of(std::uint32_t uid) const noexcept {
    const std::uint32_t* const found = uid_counts_.find(uid);
    return found != nullptr ? *found : 0;
}

std::optional<std::string> Tokens::verify() const {
    if (!is_sound(epochs_)) return "the epochs are not in order";
    if (budgeted_ != blocks_.size() * sizeof(Block)) return "other blocks are paid than there are";
    if (slot_end_ > blocks_.size() * Block::size) return "there are slots outside of the blocks";
    if (auto broken = verify_chains()) return broken;
    return verify_counts();
}

std::optional<std::string> Tokens::verify_chains() const {
    std::uint32_t chained = 0;
    for (std::uint32_t index = 0; index < slot_end_; ++index) {
        for (Link link = chain(index); link != 0; link = slot(link).next) {
            if (link > slot_end_ || ++chained > used_count_) return "a chain has no end";
            const Slot& one = slot(link);
            if (one.state == State::spare) return "a spare slot is in a chain";
            const TokenKey key{one.uid, one.epoch, one.number};
            if (one.hash != hash_of(key) || chain_of(one.hash) != index || search(key) != link) {
                return "slot " + std::to_string(link) + " is not found";
            }
        }
    }
    std::uint32_t spare = 0;
    for (Link link = spare_; link != 0; link = slot(link).next) {
        if (link > slot_end_ || ++spare > slot_end_) return "the spare slots have no end";
        if (slot(link).state != State::spare) return "a slot is spare and used";
    }
    if (chained != used_count_ || chained + spare != slot_end_) return "a slot is lost";
    return std::nullopt;
}

std::optional<std::string> Tokens::verify_counts() const {
    boost::unordered_flat_map<std::uint32_t, std::uint32_t> uid_counts;
    boost::unordered_flat_map<std::uint64_t, std::uint32_t> epoch_counts;
    std::uint32_t under_way = 0;
    std::uint32_t forgotten = 0;
    for (Link link = 1; link <= slot_end_; ++link) {
        const Slot& one = slot(link);
        if (one.state == State::spare) continue;
        ++uid_counts[one.uid];
        if (one.state == State::under_way) {
            ++under_way;
        } else if (find_epoch(one.epoch) == nullptr) {
            ++forgotten;
        } else {
            ++epoch_counts[one.epoch];
        }
    }
    const bool epochs_agree = std::all_of(
        epochs_.begin(), epochs_.end(),
        [&](const TokenEpoch& epoch) { return epoch_counts[epoch.number] == epoch.token_count; });
    if (!epochs_agree) return "an epoch counts other tokens than it has";
    if (under_way != under_way_count_) return "other tokens are under way than are counted";
    if (forgotten != forgotten_count_) return "other tokens are forgotten than are counted";
    const bool uids_agree =
        uid_counts.size() == uid_counts_.size() &&
        std::all_of(uid_counts.begin(), uid_counts.end(), [this](const auto& counted) {
            return count_of(counted.first) == counted.second;
        });
    return uids_agree ? std::nullopt
                      : std::optional<std::string>("a UID counts other tokens than it has");
}

}  // namespace inod
