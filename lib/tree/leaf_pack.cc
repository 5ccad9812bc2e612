// Writing what leaves hold anew: splits, merges, and stores for which there is no room in place.
#include "lib/base/assert.h"
#include "lib/tree/leaf_item.h"

namespace inod {

// What is taken over of one item.
template <unsigned words>
struct Leaf<words>::Piece {
    const Leaf& source;
    Item item;
    Range live;   // from its first live ID that is taken to the last
    bool joined;  // the first of these, to the ID before
    bool bridges;
};

template <unsigned words>
std::optional<Id> Leaf<words>::take_over(const Leaf& source, Range part,
                                         const TakeOver& how) noexcept {
    std::optional<Id> reached;
    for (unsigned i = 0; i < source.item_count(); ++i) {
        const Item it = source.item(i);
        const Id end = i + 1 < source.item_count() ? source.item(i + 1).first - 1 : id_max;
        const Range room{std::max(it.first, part.first), std::min(end, part.last)};
        if (room.first > room.last) continue;
        const auto first = source.next(room.first);
        if (!first || *first > room.last) continue;
        const Range live{*first, *source.previous(room.last)};
        bool joined = source.is_joined(live.first);
        if (live.first == part.first) joined = how.joins.value_or(joined);
        // An ID is joined to the one before, which must be there if anything is.
        if (!empty() && *previous(id_max) + 1 != live.first) joined = false;
        const Piece piece{source, it, live, joined, how.bridges};
        std::optional<Id> taken;
        if (live.first == live.last) {
            const Value value = source.load(live.first);
            const bool fits =
                how.bridges ? append(live, value, joined) : append_item(live, value, joined);
            if (fits) taken = live.last;
        } else if (it.shape == Shape::many) {
            taken = take_over_many(piece);
        } else {
            taken = take_over_one(piece);
        }
        if (taken) reached = taken;
        if (taken != live.last) return reached;
    }
    return part.last;
}

// May an ID of the piece go on in the last item, which is not of the same piece?
template <unsigned words>
bool Leaf<words>::can_go_on(const Item& last, const Piece& piece, Id first) const noexcept {
    if (!piece.bridges || last.shape != piece.item.shape) return false;
    if (last.shape == Shape::many) return true;
    const bool touches = *previous(id_max) + 1 == first;
    return node_->get(last.at) == piece.source.node_->get(piece.item.at) &&
           (piece.joined || !touches);
}

template <unsigned words>
std::optional<Id> Leaf<words>::take_over_many(const Piece& piece) noexcept {
    std::optional<Id> taken;
    bool is_own = false;
    const auto begin = static_cast<unsigned>(piece.item.group_index(piece.live.first));
    const auto end = static_cast<unsigned>(piece.item.group_index(piece.live.last));
    for (unsigned g = begin; g <= end; ++g) {
        const Group found = piece.source.group(piece.item, g);
        std::uint64_t rest = found.live & mask_in_group(piece.live, found.base);
        while (rest != 0) {
            const std::uint64_t mask = take_over_group(piece, g, rest, is_own);
            if (mask == 0) return taken;
            rest &= ~mask;
            taken = found.base + highest_bit(mask);
        }
    }
    return taken;
}

// Takes over the lowest of these IDs of a group of a `many`, as many as there is room for. `is_own`: the
// last item is of this piece.
template <unsigned words>
std::uint64_t Leaf<words>::take_over_group(const Piece& piece, unsigned group, std::uint64_t rest,
                                           bool& is_own) noexcept {
    const Id first = piece.item.base() + Id{word_bits} * group + lowest_bit(rest);
    if (item_count() > 0) {
        const Item last = item(item_count() - 1);
        const bool may_go_on = is_own || can_go_on(last, piece, first);
        const std::uint64_t groups = may_go_on ? last.group_index(first) + 1 : 0;
        // A new item takes five words, two groups more in the last one six.
        if (last.shape == Shape::many && may_go_on && groups <= last.groups + 1) {
            return extend_many(piece, group, rest, groups > last.groups ? 1 : 0);
        }
    }
    if (count_bits(rest) == 1) {
        is_own = false;
        const bool joined =
            first == piece.live.first ? piece.joined : piece.source.is_joined(first);
        return append_item({first, first}, piece.source.load(first), joined) ? rest : 0;
    }
    if (free_count() < 2 + 3 + 1) return 0;
    is_own = true;
    Item fresh{
        .shape = Shape::many, .joined = false, .at = 0, .groups = 1, .slots = 0, .first = first};
    const bool opened = open_item(fresh);
    INOD_ASSERT(opened);
    return extend_many(piece, group, rest, 0);
}

// The same for a `many` that lacks `more` groups for it.
template <unsigned words>
std::uint64_t Leaf<words>::extend_many(const Piece& piece, unsigned group, std::uint64_t rest,
                                       unsigned more) noexcept {
    if (free_count() < 3 * more + 1) return 0;
    while (count_bits(rest) > free_count() - 3 * more)
        rest &= ~std::bit_floor(rest);
    if (more > 0) {
        Item last = item(item_count() - 1);
        lengthen(item_count() - 1, last, more + groups_that_fit(piece, group, rest));
    }
    copy_group(piece, group, rest);
    return rest;
}

// How many groups behind this one there is room for as well once these IDs of it are taken over and it
// is one group more: to add them all at once moves the values behind them once.
template <unsigned words>
unsigned Leaf<words>::groups_that_fit(const Piece& piece, unsigned group,
                                      std::uint64_t mask) const noexcept {
    const auto end = static_cast<unsigned>(piece.item.group_index(piece.live.last));
    unsigned needed = 3 + count_bits(mask);
    unsigned count = 0;
    for (unsigned g = group + 1; g <= end; ++g, ++count) {
        const Group found = piece.source.group(piece.item, g);
        const std::uint64_t live = found.live & mask_in_group(piece.live, found.base);
        needed += 3 + count_bits(live);
        if (live == 0 || needed > free_count()) break;
    }
    return count;
}

// Copies IDs of a group behind those that the last item has. Requires the group, and room.
template <unsigned words>
void Leaf<words>::copy_group(const Piece& piece, unsigned group, std::uint64_t mask) noexcept {
    const Leaf& source = piece.source;
    const Item& from = piece.item;
    const unsigned index = item_count() - 1;
    Item to = item(index);
    const Group found = source.group(from, group);
    const auto g = static_cast<unsigned>(to.group_index(found.base + lowest_bit(mask)));

    const std::uint64_t lowest = mask & (~mask + 1);
    unsigned position = from.values_at() + source.rank(from, group, lowest - 1);
    std::uint64_t slots = source.node_->get(from.slots_at(group)) & ~(lowest - 1);
    unsigned target = to.values_at() + to.slots;
    // Without branches, since which slots are dead cannot be predicted: a dead one's value is
    // overwritten by the next.
    for (std::uint64_t left = mask; left != 0; slots &= slots - 1, ++position) {
        const std::uint64_t bit = slots & (~slots + 1);
        node_->set(target, source.node_->get(position));
        target += (left & bit) != 0 ? 1 : 0;
        left &= ~bit;
    }
    std::uint64_t joined = source.joined(found) & mask;
    if (group_of(piece.live.first) == found.base && (mask & mask_of(piece.live.first)) != 0) {
        joined =
            piece.joined ? joined | mask_of(piece.live.first) : joined & ~mask_of(piece.live.first);
    }
    node_->set(to.slots_at(g), node_->get(to.slots_at(g)) | mask);
    node_->set(to.live_at(g), node_->get(to.live_at(g)) | mask);
    node_->set(to.joined_at(g), node_->get(to.joined_at(g)) | joined);
    const unsigned count = count_bits(mask);
    to.slots += count;
    set_item(index, to);
    NodeMeta meta = node_->meta();
    meta.end += count;
    meta.live += count;
    node_->set_meta(meta);
}

template <unsigned words>
std::optional<Id> Leaf<words>::take_over_one(const Piece& piece) noexcept {
    const auto begin = static_cast<unsigned>(piece.item.group_index(piece.live.first));
    const auto end = static_cast<unsigned>(piece.item.group_index(piece.live.last));
    const unsigned count = item_count();
    std::uint64_t more = 3;  // words that going on in the last item takes before the first group
    if (count > 0) {
        const Item last = item(count - 1);
        if (can_go_on(last, piece, piece.live.first)) {
            const std::uint64_t groups = last.group_index(piece.live.first);
            more = groups > last.groups ? groups - last.groups : 0;
        }
    }
    if (more >= 3) {
        if (free_count() < 2 + 1 + 1) return std::nullopt;
        Item fresh{.shape = Shape::one,
                   .joined = piece.joined,
                   .at = 0,
                   .groups = 1,
                   .slots = 0,
                   .first = piece.live.first};
        const bool opened = open_item(fresh);
        INOD_ASSERT(opened);
        node_->set(fresh.at, piece.source.node_->get(piece.item.at));
    }
    const unsigned index = item_count() - 1;
    std::optional<Id> taken;
    for (unsigned g = begin; g <= end; ++g) {
        const Group found = piece.source.group(piece.item, g);
        const std::uint64_t mask = found.live & mask_in_group(piece.live, found.base);
        if (mask == 0) continue;
        Item to = item(index);
        const std::uint64_t groups = to.group_index(found.base + lowest_bit(mask)) + 1;
        const std::uint64_t added = groups > to.groups ? groups - to.groups : 0;
        if (added > free_count()) return taken;
        lengthen(index, to, static_cast<unsigned>(added));
        const unsigned position = to.live_at(static_cast<unsigned>(groups) - 1);
        node_->set(position, node_->get(position) | mask);
        count_live(count_bits(mask));
        taken = found.base + highest_bit(mask);
    }
    return taken;
}

template <unsigned words>
void Leaf<words>::assign(const Leaf& other) noexcept {
    const NodeMeta from = other.node_->meta();
    for (unsigned i = 0; i < from.end; ++i)
        node_->set(i, other.node_->get(i));
    for (unsigned i = body_count - 2 * from.count; i < body_count; ++i)
        node_->set(i, other.node_->get(i));
    NodeMeta meta = from;
    meta.place = node_->meta().place;
    meta.level = 0;
    node_->set_meta(meta);
}

template <unsigned words>
bool Leaf<words>::repack_with(Range range, Value value, bool joined, bool joins_next) noexcept {
    // What it takes at least: a value for each, or an item of its own, for which a `many` is cut, unless
    // it goes on with another.
    const auto groups = range.last / word_bits - range.first / word_bits + 1;
    const unsigned behind = search(range.first);
    const auto is_one = [&](unsigned i) { return i < item_count() && item(i).shape == Shape::one; };
    const bool may_go_on = (behind > 0 && is_one(behind - 1)) || is_one(behind);
    const bool cuts =
        behind > 0 && item(behind - 1).group_index(range.last) + 1 < item(behind - 1).groups;
    const std::uint64_t as_one = groups + (may_go_on ? 0U : 3U) + (cuts ? 5U : 0U);
    const std::uint64_t needed = range.span() < as_one ? range.span() + 1 : as_one;
    if (packed_count() + needed > body_count) return false;
    return repack(range, value, joined, joins_next, true) ||
           repack(range, value, joined, joins_next, false);
}

template <unsigned words>
bool Leaf<words>::repack(Range range, Value value, bool joined, bool joins_next,
                         bool bridges) noexcept {
    Node scratch;
    scratch.set_meta({});
    Leaf fresh(scratch);
    if (range.first > 0) {
        const Range before{0, range.first - 1};
        if (fresh.take_over(*this, before, {.bridges = bridges}) != before.last) return false;
    }
    const bool fits =
        bridges ? fresh.append(range, value, joined) : fresh.append_item(range, value, joined);
    if (!fits) return false;
    if (range.last < id_max) {
        const Range behind{range.last + 1, id_max};
        const TakeOver how{.bridges = bridges, .joins = joins_next};
        if (fresh.take_over(*this, behind, how) != behind.last) return false;
    }
    assign(fresh);
    return true;
}

INOD_LEAF_INSTANCES

}  // namespace inod
