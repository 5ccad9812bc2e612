// Putting IDs into a leaf.
#include "lib/base/assert.h"
#include "lib/tree/leaf_item.h"

namespace inod {
namespace {

// From this many IDs with one value on, a row of them takes fewer words as a `one` than as part of a
// `many`, its words in the directory included.
constexpr std::uint64_t run_count_min = 4;

constexpr bool is_short(Range range) {
    return range.span() + 1 < run_count_min && range.span() != id_max;
}
// IDs that are further away from each other take fewer words as items of their own.
constexpr std::uint64_t distance_max = word_bits;
// To cut a `many` in two, with a `one` in between, takes about as many words as this many slots.
constexpr unsigned slots_max = 9;

}  // namespace

template <unsigned words>
unsigned Leaf<words>::free_count() const noexcept {
    const NodeMeta meta = node_->meta();
    const unsigned taken = meta.end + 2 * meta.count + spare_;
    return taken < body_count ? body_count - taken : 0;
}

template <unsigned words>
void Leaf<words>::make_empty() noexcept {
    NodeMeta meta = node_->meta();
    meta.level = 0;
    meta.count = 0;
    meta.end = 0;
    meta.dead = 0;
    meta.live = 0;
    node_->set_meta(meta);
}

// Makes room in item `index` for `count` words before `position`. Requires that they are free.
template <unsigned words>
void Leaf<words>::open_words(unsigned index, unsigned position, unsigned count) noexcept {
    NodeMeta meta = node_->meta();
    node_->move(position, position + count, meta.end - position);
    for (unsigned i = index + 1; i < meta.count; ++i) {
        Item it = item(i);
        it.at += count;
        set_item(i, it);
    }
    meta.end += count;
    node_->set_meta(meta);
}

template <unsigned words>
void Leaf<words>::close_words(unsigned index, unsigned position, unsigned count) noexcept {
    NodeMeta meta = node_->meta();
    node_->move(position + count, position, meta.end - position - count);
    for (unsigned i = index + 1; i < meta.count; ++i) {
        Item it = item(i);
        it.at -= count;
        set_item(i, it);
    }
    meta.end -= count;
    node_->set_meta(meta);
}

// Puts an item behind the others; its values are still to be written, its bits are not set.
template <unsigned words>
bool Leaf<words>::open_item(Item& item) noexcept {
    if (free_count() < 2 + item.payload_count()) return false;
    NodeMeta meta = node_->meta();
    item.at = meta.end;
    set_item(meta.count, item);
    ++meta.count;
    meta.end += item.payload_count();
    node_->set_meta(meta);
    const unsigned bits_at = item.shape == Shape::one ? item.at + 1 : item.at;
    const unsigned per_group = item.shape == Shape::many ? 3 : 1;
    for (unsigned i = 0; i < per_group * item.groups; ++i)
        node_->set(bits_at + i, 0);
    return true;
}

template <unsigned words>
void Leaf<words>::count_live(unsigned live) noexcept {
    NodeMeta meta = node_->meta();
    meta.live += live;
    node_->set_meta(meta);
}

// Adds groups without a live ID to the end of a `many` or `one`. Requires that there is room.
template <unsigned words>
void Leaf<words>::lengthen(unsigned index, Item& item, unsigned more) noexcept {
    if (more == 0) return;
    const unsigned count = item.shape == Shape::many ? 3 * more : more;
    const unsigned position =
        item.shape == Shape::many ? item.values_at() : item.at + 1 + item.groups;
    open_words(index, position, count);
    for (unsigned i = 0; i < count; ++i)
        node_->set(position + i, 0);
    item.groups += more;
    set_item(index, item);
}

// Sets IDs of a `many` that has the groups for them, and room for the slots it lacks.
template <unsigned words>
void Leaf<words>::put_into_many(unsigned index, Item& item, Range range, Value value,
                                bool joined) noexcept {
    unsigned revived = 0;
    const std::uint64_t to = item.group_index(range.last);
    for (std::uint64_t k = item.group_index(range.first); k <= to; ++k) {
        const auto g = static_cast<unsigned>(k);
        const std::uint64_t mask = mask_in_group(range, item.base() + Id{word_bits} * k);
        const std::uint64_t lowest = mask & (~mask + 1);
        const std::uint64_t slots = node_->get(item.slots_at(g));
        const unsigned count = count_bits(mask);
        const unsigned present = count_bits(slots & mask);
        // The slots of a run of IDs stand in a row, whichever of them there are.
        const unsigned position = item.values_at() + rank(item, g, lowest - 1);
        if (present < count) {
            open_words(index, position, count - present);
            item.slots += count - present;
            set_item(index, item);
            node_->set(item.slots_at(g), slots | mask);
        }
        revived += present;
        for (unsigned i = 0; i < count; ++i)
            node_->set(position + i, value);
        const std::uint64_t joins = node_->get(item.joined_at(g)) | mask;
        const bool begins = !joined && k == item.group_index(range.first);
        node_->set(item.joined_at(g), begins ? joins & ~lowest : joins);
        node_->set(item.live_at(g), node_->get(item.live_at(g)) | mask);
    }
    NodeMeta meta = node_->meta();
    meta.live += static_cast<unsigned>(range.span()) + 1;
    meta.dead -= revived;
    node_->set_meta(meta);
}

// Drops the slots of a `many` whose IDs were released.
template <unsigned words>
void Leaf<words>::compact(unsigned index, Item& item) noexcept {
    unsigned source = item.values_at();
    unsigned target = source;
    for (unsigned g = 0; g < item.groups; ++g) {
        const std::uint64_t live = node_->get(item.live_at(g));
        for (std::uint64_t slots = node_->get(item.slots_at(g)); slots != 0; slots &= slots - 1) {
            const std::uint64_t value = node_->get(source++);
            node_->set(target, value);
            target += (live & (slots & (~slots + 1))) != 0 ? 1 : 0;
        }
        node_->set(item.slots_at(g), live);
    }
    const unsigned dropped = source - target;
    close_words(index, target, dropped);
    item.slots -= dropped;
    set_item(index, item);
    NodeMeta meta = node_->meta();
    meta.dead -= dropped;
    node_->set_meta(meta);
}

// Sets IDs of a `one` that has the groups for them.
template <unsigned words>
void Leaf<words>::put_into_one(const Item& item, Range range) noexcept {
    const std::uint64_t to = item.group_index(range.last);
    for (std::uint64_t g = item.group_index(range.first); g <= to; ++g) {
        const unsigned position = item.live_at(static_cast<unsigned>(g));
        const Id base = item.base() + Id{word_bits} * g;
        node_->set(position, node_->get(position) | mask_in_group(range, base));
    }
    count_live(static_cast<unsigned>(range.span()) + 1);
}

template <unsigned words>
bool Leaf<words>::append(Range range, Value value, bool joined) noexcept {
    const auto before = previous(id_max);
    return before ? append_behind(*before, range, value, joined)
                  : append_item(range, value, joined);
}

template <unsigned words>
bool Leaf<words>::append_behind(Id before, Range range, Value value, bool joined) noexcept {
    const Item last = item(item_count() - 1);
    const std::uint64_t distance = range.first - before;
    switch (last.shape) {
        case Shape::wide: return false;
        case Shape::one:
            if (node_->get(last.at) == value && (joined || distance > 1) &&
                distance <= 2 * distance_max) {
                return append_to_one(last, range);
            }
            break;
        case Shape::many:
            if (distance <= distance_max) return append_to_many(last, range, value, joined);
            break;
        case Shape::single:
            if (distance <= distance_max) return append_to_single(last, range, value, joined);
            break;
    }
    return append_item(range, value, joined);
}

// As an item of its own.
template <unsigned words>
bool Leaf<words>::append_item(Range range, Value value, bool joined) noexcept {
    if (is_wide(range)) {
        if (item_count() > 0) return false;
        Item wide{.shape = Shape::wide,
                  .joined = joined,
                  .at = 0,
                  .groups = 0,
                  .slots = 0,
                  .first = range.first};
        const bool opened = open_item(wide);
        INOD_ASSERT(opened);
        node_->set(wide.at, value);
        node_->set(wide.at + 1, range.last);
        return true;
    }
    Item fresh{
        .shape = Shape::one,
        .joined = joined,
        .at = 0,
        .groups = static_cast<unsigned>(range.last / word_bits - range.first / word_bits) + 1,
        .slots = 0,
        .first = range.first};
    if (is_short(range)) fresh.shape = Shape::many;
    if (range.span() == 0) fresh.shape = Shape::single;
    if (fresh.shape == Shape::many &&
        free_count() < 2 + fresh.payload_count() + static_cast<unsigned>(range.span()) + 1) {
        return false;
    }
    if (!open_item(fresh)) return false;
    switch (fresh.shape) {
        case Shape::many: put_into_many(item_count() - 1, fresh, range, value, joined); break;
        case Shape::one:
            node_->set(fresh.at, value);
            put_into_one(fresh, range);
            break;
        default: node_->set(fresh.at, value); count_live(1);
    }
    return true;
}

// The ID and what follows it near by become a `many`.
template <unsigned words>
bool Leaf<words>::append_to_single(const Item& item, Range range, Value value,
                                   bool joined) noexcept {
    const Value before = node_->get(item.at);
    if (!is_short(range) && !joined) return append_item(range, value, joined);
    const Range whole{joined ? item.first : range.first, range.last};
    const unsigned index = item_count() - 1;
    const bool as_one = joined && !is_short(whole);
    const auto groups = static_cast<unsigned>(item.group_index(range.last)) + 1;
    const unsigned needed = as_one ? groups : 3 * groups + static_cast<unsigned>(range.span()) + 1;
    if (free_count() < needed || groups > group_count_max) return false;
    NodeMeta meta = node_->meta();
    meta.end = item.at;
    meta.count = index;
    --meta.live;
    node_->set_meta(meta);
    if (as_one) return append_item(whole, value, item.joined);
    Item many = item;
    many.shape = Shape::many;
    many.groups = groups;
    const bool opened = open_item(many);
    INOD_ASSERT(opened);
    put_into_many(index, many, {item.first, item.first}, before, item.joined);
    put_into_many(index, many, range, value, joined);
    return true;
}

template <unsigned words>
bool Leaf<words>::append_to_many(const Item& item, Range range, Value value, bool joined) noexcept {
    if (joined) {
        const Id first = std::max(entry_first(range.first - 1), item.first);
        if (!is_short({first, range.last}))
            return append_run_of_many(item, {first, range.last}, value);
    } else if (!is_short(range)) {
        return append_item(range, value, joined);
    }
    const auto groups = static_cast<unsigned>(item.group_index(range.last)) + 1;
    const unsigned more = groups > item.groups ? groups - item.groups : 0;
    if (free_count() < 3 * more + static_cast<unsigned>(range.span()) + 1) return false;
    const unsigned index = item_count() - 1;
    Item it = item;
    lengthen(index, it, more);
    put_into_many(index, it, range, value, joined);
    return true;
}

// The last IDs of a `many`, from range.first on, and those behind become a `one`.
template <unsigned words>
bool Leaf<words>::append_run_of_many(const Item& item, Range range, Value value) noexcept {
    const unsigned index = item_count() - 1;
    const bool joined = is_joined(range.first);
    // Without the run, whose slots are the last but for some that are dead.
    const auto g = static_cast<unsigned>(item.group_index(range.first));
    const auto before = range.first > item.first ? previous(range.first - 1) : std::nullopt;
    const bool all = !before || *before < item.first;
    const unsigned slots_left = all ? 0 : rank(item, g, mask_of(range.first) - 1);
    const unsigned slots_gone = item.slots - slots_left;
    const auto groups = range.last / word_bits - range.first / word_bits + 1;
    const std::uint64_t available = free_count() + slots_gone + (all ? 2 + 3 * item.groups : 0);
    if (available < 3 + groups || is_wide(range)) return false;
    const unsigned live_gone = [&] {
        unsigned live = 0;
        for (unsigned k = g; k < item.groups; ++k) {
            const std::uint64_t mask = k == g ? ~(mask_of(range.first) - 1) : ~std::uint64_t{0};
            live += count_bits(node_->get(item.live_at(k)) & mask);
            node_->set(item.live_at(k), node_->get(item.live_at(k)) & ~mask);
            node_->set(item.slots_at(k), node_->get(item.slots_at(k)) & ~mask);
        }
        return live;
    }();
    NodeMeta meta = node_->meta();
    meta.live -= live_gone;
    meta.dead -= slots_gone - live_gone;
    meta.end -= slots_gone;
    if (all) {
        meta.end = item.at;
        --meta.count;
    }
    node_->set_meta(meta);
    if (!all) {
        Item it = item;
        it.slots = slots_left;
        set_item(index, it);
    }
    return append_item(range, value, joined);
}

template <unsigned words>
bool Leaf<words>::append_to_one(const Item& item, Range range) noexcept {
    const std::uint64_t groups = item.group_index(range.last) + 1;
    const unsigned index = item_count() - 1;
    if (groups > item.groups && groups - item.groups > free_count()) return false;
    Item it = item;
    if (groups > item.groups) lengthen(index, it, static_cast<unsigned>(groups) - item.groups);
    put_into_one(it, range);
    return true;
}

template <unsigned words>
void Leaf<words>::set_joined(Id id, bool joined) noexcept {
    const unsigned index = search(id) - 1;
    Item it = item(index);
    if (it.shape == Shape::many) {
        const auto g = static_cast<unsigned>(it.group_index(id));
        const std::uint64_t joins = node_->get(it.joined_at(g));
        const std::uint64_t wanted = joined ? joins | mask_of(id) : joins & ~mask_of(id);
        if (joins != wanted) node_->set(it.joined_at(g), wanted);
    } else if (id == it.first) {
        it.joined = joined;
        set_item(index, it);
    } else if (!joined) {
        begin_item_at(index, id, false);
    }
}

// Makes a `one` of which nothing is live before `id` begin there, since within it what touches is
// joined.
template <unsigned words>
void Leaf<words>::begin_item_at(unsigned index, Id id, bool joined) noexcept {
    Item it = item(index);
    const auto skipped = static_cast<unsigned>(it.group_index(id));
    close_words(index, it.live_at(0), skipped);
    it.groups -= skipped;
    it.first = id;
    it.joined = joined;
    set_item(index, it);
}

template <unsigned words>
std::optional<std::uint64_t> Leaf<words>::insert_near(Range range, Value value, Id low) noexcept {
    const unsigned behind = search(range.first);
    if (behind == 0 || range.first / word_bits != range.last / word_bits) return std::nullopt;
    Item it = item(behind - 1);
    const std::uint64_t index = it.group_index(range.first);
    if (it.shape != Shape::many || index >= it.groups) return std::nullopt;
    const Group found = group(it, static_cast<unsigned>(index));
    const std::uint64_t mask = mask_between(bit_of(range.first), bit_of(range.last));
    if ((found.live & mask) != 0) return std::nullopt;
    // What follows may be of another item, or of the next group: to say that it is not joined to the
    // range is more than this does.
    if (behind < item_count() && item(behind).first - 1 <= range.last) return std::nullopt;
    const std::uint64_t next = mask_of(range.last) << 1U;
    if (next == 0 && range.last != id_max && load(range.last + 1) != 0) return std::nullopt;
    if (!make_room(behind - 1, it, found.index, mask)) return std::nullopt;

    const Range around = gap_around(found, range, low);
    const NodeEdit edit(*node_);
    put_into_many(behind - 1, it, range, value, false);
    const unsigned position = it.joined_at(found.index);
    node_->set(position, node_->get(position) & ~next);
    return around.last - around.first + 1;
}

// Sees to it that these IDs of a group of a `many` find words for their values. False if there are none.
template <unsigned words>
bool Leaf<words>::make_room(unsigned index, Item& item, unsigned group,
                            std::uint64_t mask) noexcept {
    const std::uint64_t slots = node_->get(item.slots_at(group));
    if (count_bits(mask & ~slots) <= free_count()) return true;
    // Of an item alone, all that is dead is its own. Of the slots of these IDs none is left then.
    const NodeMeta meta = node_->meta();
    if (meta.count > 1 || count_bits(mask) > free_count() + meta.dead) return false;
    const NodeEdit edit(*node_);
    compact(index, item);
    return true;
}

template <unsigned words>
bool Leaf<words>::insert(Range range, Value value, bool joined, bool joins_next) noexcept {
    if (range.last != id_max && load(range.last + 1) != 0) {
        // Within a `one` what touches is joined: apart from it, it must begin an item.
        const Item behind = item(search(range.last + 1) - 1);
        const bool fits =
            behind.shape != Shape::one || joins_next || behind.first == range.last + 1;
        if (!fits || !insert_in_place(range, value, joined)) {
            return repack_with(range, value, joined, joins_next);
        }
        set_joined(range.last + 1, joins_next);
        return true;
    }
    return insert_in_place(range, value, joined) || repack_with(range, value, joined, joins_next);
}

// Where an item has the groups for it, and few words are needed, or none. False otherwise.
template <unsigned words>
bool Leaf<words>::insert_in_place(Range range, Value value, bool joined) noexcept {
    const unsigned behind = search(range.first);
    if (behind == 0 || search(range.last) != behind) return false;
    const unsigned index = behind - 1;
    Item it = item(index);
    if (it.group_index(range.last) >= it.groups) return false;
    if (it.shape == Shape::one) {
        if (node_->get(it.at) != value) return false;
        const auto before = range.first > it.first ? previous(range.first - 1) : std::nullopt;
        if (!before || *before < it.first) {
            begin_item_at(index, range.first, joined);
            it = item(index);
        } else if (!joined && *before + 1 == range.first) {
            return false;
        }
        put_into_one(it, range);
        return true;
    }
    if (it.shape != Shape::many) return false;
    unsigned slots = 0;
    const std::uint64_t to = it.group_index(range.last);
    for (std::uint64_t g = it.group_index(range.first); g <= to; ++g) {
        const std::uint64_t present = node_->get(it.slots_at(static_cast<unsigned>(g)));
        slots += count_bits(~present & mask_in_group(range, it.base() + Id{word_bits} * g));
    }
    if (slots > slots_max) return false;
    if (slots > free_count()) {
        if (range.span() >= free_count() + node_->meta().dead) return false;
        compact(index, it);  // the range's own slots, too
        if (range.span() >= free_count()) return false;
    }
    put_into_many(index, it, range, value, joined);
    return true;
}

INOD_LEAF_INSTANCES

}  // namespace inod
