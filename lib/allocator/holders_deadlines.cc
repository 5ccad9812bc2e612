// When holders end by themselves: a heap of those that have a deadline.
#include <algorithm>
#include <utility>

#include "lib/allocator/holders.h"
#include "lib/base/assert.h"

namespace inod {

Result<> Holders::prepare_deadline(HolderIndex index) {
    Entry& entry = entries_[index];
    if (entry.has_deadline) return {};
    if (deadline_count_ == deadlines_.size()) {
        if (auto room = make_room(deadlines_, budget_, budgeted_); !room) return room;
        deadlines_.push_back();
    }
    entry.has_deadline = true;
    put_deadline(deadline_count_++, index);
    rise(index);
    return {};
}

void Holders::set_deadline(HolderIndex index, BootTime deadline) noexcept {
    INOD_ASSERT(entries_[index].has_deadline);
    move_deadline(index, std::min(deadline, none_due - 1));
}

void Holders::clear_deadline(HolderIndex index) noexcept {
    if (entries_[index].has_deadline) move_deadline(index, none_due);
}

std::optional<BootTime> Holders::next_deadline() const noexcept {
    if (deadline_count_ == 0) return std::nullopt;
    return deadline(deadlines_[0]);
}

std::optional<HolderIndex> Holders::find_overdue(BootTime now) const noexcept {
    const auto next = next_deadline();
    return next && *next <= now ? std::optional(deadlines_[0]) : std::nullopt;
}

// Of two that are due at once, the lower index comes first.
bool Holders::is_due_before(HolderIndex a, HolderIndex b) const noexcept {
    return std::pair(entries_[a].deadline(), a) < std::pair(entries_[b].deadline(), b);
}

void Holders::put_deadline(HolderIndex place, HolderIndex index) noexcept {
    deadlines_[place] = index;
    entries_[index].next_or_place = place;
}

void Holders::move_deadline(HolderIndex index, BootTime deadline) noexcept {
    entries_[index].words[2] = deadline;
    rise(index);
    sink(index);
}

void Holders::rise(HolderIndex index) noexcept {
    HolderIndex place = entries_[index].next_or_place;
    while (place > 0 && is_due_before(index, deadlines_[(place - 1) / 2])) {
        put_deadline(place, deadlines_[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put_deadline(place, index);
}

void Holders::sink(HolderIndex index) noexcept {
    std::size_t place = entries_[index].next_or_place;
    for (std::size_t below = 2 * place + 1; below < deadline_count_; below = 2 * place + 1) {
        const std::size_t other = below + 1;
        if (other < deadline_count_ && is_due_before(deadlines_[other], deadlines_[below])) {
            below = other;
        }
        if (!is_due_before(deadlines_[below], index)) break;
        put_deadline(static_cast<HolderIndex>(place), deadlines_[below]);
        place = below;
    }
    put_deadline(static_cast<HolderIndex>(place), index);
}

// It has a place no more; the last one takes it.
void Holders::drop_deadline(HolderIndex index) noexcept {
    Entry& entry = entries_[index];
    if (!entry.has_deadline) return;
    entry.has_deadline = false;
    const HolderIndex place = entry.next_or_place;
    const HolderIndex last = deadlines_[--deadline_count_];
    if (last == index) return;
    put_deadline(place, last);
    rise(last);
    sink(last);
}

}  // namespace inod
