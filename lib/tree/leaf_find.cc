// Looking into a leaf.
#include "lib/tree/leaf_item.h"

namespace inod {

// How many items begin at or before `id`: the last of them is the one that `id` may be live in.
template <unsigned words_count>
unsigned Leaf<words_count>::search(Id id) const noexcept {
    unsigned begin = 0;
    for (unsigned count = item_count(); count > 0;) {
        const unsigned half = (count + 1) / 2;
        const Id first = words_[words_count - 1 - 2 * (begin + half - 1)];
        begin += first <= id ? half : 0;
        count = first <= id ? count - half : half - 1;
    }
    return begin;
}

template <unsigned words_count>
Id Leaf<words_count>::first_id() const noexcept {
    return Reader(*this, 0).first_live();
}

template <unsigned words_count>
Id Leaf<words_count>::last_id() const noexcept {
    return Reader(*this, item_count() - 1).last_live();
}

template <unsigned words_count>
std::uint64_t Leaf<words_count>::value_of(Id id) const noexcept {
    const unsigned behind = search(id);
    if (behind == 0) return 0;
    const Reader reader(*this, behind - 1);
    return reader.is_live(id) ? reader.value_of(id) : 0;
}

template <unsigned words_count>
std::optional<Id> Leaf<words_count>::next_live(Id id) const noexcept {
    const unsigned behind = search(id);
    if (behind > 0) {
        if (const auto found = Reader(*this, behind - 1).next(id, true)) return found;
    }
    if (behind == item_count()) return std::nullopt;
    return Reader(*this, behind).first_live();
}

template <unsigned words_count>
std::optional<Id> Leaf<words_count>::previous_live(Id id) const noexcept {
    const unsigned behind = search(id);
    if (behind == 0) return std::nullopt;
    if (const auto found = Reader(*this, behind - 1).previous(id, true)) return found;
    if (behind == 1) return std::nullopt;
    return Reader(*this, behind - 2).last_live();
}

template <unsigned words_count>
std::optional<Id> Leaf<words_count>::next_free(Id id) const noexcept {
    for (unsigned steps = item_count() + 1; steps > 0; --steps) {
        const unsigned behind = search(id);
        if (behind == 0) return id;
        const Reader reader(*this, behind - 1);
        const auto free = reader.next(id, false);
        // It may be another item's first ID: then that one is asked.
        if (!free || *free == id) return free;
        id = *free;
    }
    return id;
}

template <unsigned words_count>
std::optional<Id> Leaf<words_count>::previous_free(Id id) const noexcept {
    for (unsigned steps = item_count() + 1; steps > 0; --steps) {
        const unsigned behind = search(id);
        if (behind == 0) return id;
        const auto free = Reader(*this, behind - 1).previous(id, false);
        if (!free || *free == id) return free;
        id = *free;
    }
    return id;
}

// Where the run of live IDs with one value around a live `id` begins and ends within its item.
template <unsigned words_count>
Range Leaf<words_count>::run_in_item(Id id) const noexcept {
    const Reader reader(*this, search(id) - 1);
    if (reader.item().shape == Shape::many) return {id, id};
    const auto before = reader.previous(id, false);
    const auto behind = reader.next(id, false);
    return {before ? *before + 1 : 0, behind ? *behind - 1 : id_max};
}

// Does the entry that has the live ID `first` begin with it, as far as this leaf knows?
template <unsigned words_count>
bool Leaf<words_count>::begins_entry(Id first) const noexcept {
    if (first == 0 || value_of(first - 1) != value_of(first)) return true;
    const Reader reader(*this, search(first) - 1);
    return reader.item().separate && reader.first_live() == first;
}

template <unsigned words_count>
std::optional<LeafEntry> Leaf<words_count>::find(Id id) const noexcept {
    const std::uint64_t value = value_of(id);
    if (value == 0) return std::nullopt;
    Range range = run_in_item(id);
    for (unsigned steps = item_count(); steps > 0 && !begins_entry(range.first); --steps)
        range.first = run_in_item(range.first - 1).first;
    for (unsigned steps = item_count(); steps > 0 && range.last < id_max; --steps) {
        if (value_of(range.last + 1) != value || begins_entry(range.last + 1)) break;
        range.last = run_in_item(range.last + 1).last;
    }
    return LeafEntry{.range = range, .value = value};
}

INOD_LEAF_INSTANCES

}  // namespace inod
