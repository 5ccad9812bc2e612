#include "lib/allocator/waits.h"

#include "lib/base/assert.h"

namespace inod {

void Waits::add(Wait& wait) noexcept {
    INOD_ASSERT(!wait.by_id.is_linked() && !wait.woken.is_linked());
    // Whoever looked and waits on keeps its place, which the circle has passed. A new one, in front of
    // those who were there, shall not take the turn of one of them.
    if (wait.number == 0) {
        wait.number = ++last_number_;
        if (left_ > 0) ++left_;
    }
    by_id_.insert(wait);
    by_holder_.insert(wait);
}

void Waits::remove(Wait& wait) noexcept {
    if (wait.woken.is_linked()) woken_.erase(woken_.iterator_to(wait));
    if (wait.by_id.is_linked()) unlink(wait);
}

void Waits::unlink(Wait& wait) noexcept {
    by_id_.erase(by_id_.iterator_to(wait));
    by_holder_.erase(by_holder_.iterator_to(wait));
    if (by_id_.empty()) left_ = 0;
}

void Waits::wake(Wait& wait) noexcept {
    unlink(wait);
    woken_.push_back(wait);
}

void Waits::released(PoolIndex pool, Range range) noexcept {
    for (std::size_t count = 0;; ++count) {
        const auto found = by_id_.lower_bound(IdKey{pool, range.first, 0});
        const bool waits = found != by_id_.end() && found->pool == pool && found->id <= range.last;
        if (!waits) return;
        if (count == wakes_max) {
            wake_all();
            return;
        }
        wake(*found);
    }
}

void Waits::ended(HolderId holder) noexcept {
    for (std::size_t count = 0;; ++count) {
        const auto found = by_holder_.lower_bound(HolderKey{holder, 0});
        const bool waits = found != by_holder_.end() && found->holder == holder;
        if (!waits) return;
        if (count == wakes_max) {
            wake_all();
            return;
        }
        wake(*found);
    }
}

Wait* Waits::take_woken() noexcept {
    // Neither holds up the other.
    is_turn_of_circle_ = left_ > 0 && (woken_.empty() || !is_turn_of_circle_);
    if (is_turn_of_circle_) return &take_next_of_circle();
    if (woken_.empty()) return nullptr;
    Wait& wait = woken_.front();
    woken_.pop_front();
    return &wait;
}

Wait& Waits::take_next_of_circle() noexcept {
    --left_;
    auto next = by_id_.lower_bound(from_);
    if (next == by_id_.end()) next = by_id_.begin();
    Wait& wait = *next;
    from_ = {wait.pool, wait.id, wait.number + 1};
    unlink(wait);
    return wait;
}

}  // namespace inod
