// Putting IDs into a leaf.
#include "lib/base/assert.h"
#include "lib/tree/leaf_item.h"

namespace inod {

// Builds a leaf up in ascending order. Each call is false if there is no room; the leaf is to be thrown
// away then.
template <unsigned words_count>
class Leaf<words_count>::Writer {
public:
    explicit Writer(Leaf& leaf) noexcept : leaf_(leaf) {}

    // The live IDs of an item that are in `part`, of which there are some, in an item of the same
    // shape. `part` begins and ends with a live ID.
    bool copy(const Leaf& source, unsigned index, Range part, bool separate) noexcept {
        const Reader reader(source, index);
        Item item = reader.item();
        const std::uint64_t offset = part.first - item.first;
        const unsigned rank = item.shape == Shape::many ? reader.rank_of(offset) : 0;
        const unsigned values_at = item.values_at() + rank;
        const unsigned bits_at = item.bitmap_at();
        const unsigned bits_end = bits_at + item.bitmap_count;
        item.first = part.first;
        item.separate = separate;
        if (item.shape == Shape::many) {
            item.value_count = reader.rank_of(part.last - reader.item().first) + 1 - rank;
        }
        if (item.shape != Shape::wide) item.bitmap_count = words_for(part.span() + 1);
        if (!open(item)) return false;
        for (unsigned k = 0; k < item.value_count; ++k)
            leaf_.words_[item.values_at() + k] = source.words_[values_at + k];
        if (item.shape == Shape::wide) leaf_.words_[item.at + 1] = part.last;
        for (unsigned w = 0; w < item.bitmap_count; ++w) {
            const std::uint64_t at = offset / word_bits + w;
            const auto shift = static_cast<unsigned>(offset % word_bits);
            std::uint64_t word = source.words_[bits_at + at] >> shift;
            if (shift > 0 && bits_at + at + 1 < bits_end) {
                word |= source.words_[bits_at + at + 1] << (word_bits - shift);
            }
            const std::uint64_t left = part.span() - std::uint64_t{w} * word_bits;
            if (left < word_bits) word &= mask_of(0, static_cast<unsigned>(left));
            leaf_.words_[item.bitmap_at() + w] = word;
        }
        return true;
    }

    // A new range, as part of the last item where that is right and takes no more words than an item
    // of its own.
    bool add(Range range, std::uint64_t value, bool separate) noexcept {
        if (!leaf_.empty() && !separate) {
            if (const auto joined = join(range, value)) return *joined;
        }
        Item item{.shape = Shape::one,
                  .separate = separate,
                  .at = 0,
                  .bitmap_count = 0,
                  .value_count = 1,
                  .first = range.first};
        if (range.span() >= bits_max) {
            item.shape = Shape::wide;
        } else {
            item.bitmap_count = words_for(range.span() + 1);
            if (range.span() == 0) item.shape = Shape::many;
        }
        if (!open(item)) return false;
        leaf_.words_[item.values_at()] = value;
        if (item.shape == Shape::wide) {
            leaf_.words_[item.at + 1] = range.last;
        } else {
            set_bits(item, 0, range.span());
        }
        return true;
    }

private:
    // Puts an item behind the others, its payload still to be written.
    bool open(Item& item) noexcept {
        if (leaf_.free_count() < 2 + item.payload_count()) return false;
        item.at = leaf_.end();
        item.write(leaf_, leaf_.item_count());
        leaf_.set_header(leaf_.item_count() + 1, leaf_.end() + item.payload_count());
        for (unsigned w = 0; w < item.bitmap_count; ++w)
            leaf_.words_[item.bitmap_at() + w] = 0;
        return true;
    }

    void set_bits(const Item& item, std::uint64_t first, std::uint64_t last) noexcept {
        for_each_word(first, last, [&](std::uint64_t w, std::uint64_t mask) {
            Word& word = leaf_.words_[item.bitmap_at() + w];
            word = word | mask;
        });
    }

    // Nothing where the range is to be an item of its own; else whether it had room in the last one.
    std::optional<bool> join(Range range, std::uint64_t value) noexcept {
        const unsigned index = leaf_.item_count() - 1;
        const Reader reader(leaf_, index);
        Item item = reader.item();
        const Id last = reader.last_live();
        const bool touches = last + 1 == range.first;
        const bool equal = reader.value_of(last) == value;
        if (item.shape == Shape::wide) {
            if (!touches || !equal) return std::nullopt;
            leaf_.words_[item.at + 1] = range.last;
            return true;
        }
        if (item.shape == Shape::many) {
            if (range.span() > 0) return std::nullopt;  // equal neighbours were taken out
        } else if (!equal) {
            return std::nullopt;
        }
        const std::uint64_t span = range.last - item.first;
        if (span >= bits_max) {
            const bool is_full = item.shape == Shape::one && touches && begins_full(reader, last);
            if (!is_full) return std::nullopt;
            leaf_.remove_item(index);
            return add({item.first, range.last}, value, item.separate);
        }
        const unsigned more =
            words_for(span + 1) > item.bitmap_count ? words_for(span + 1) - item.bitmap_count : 0;
        if (more > 3 + words_for(range.span() + 1)) return std::nullopt;
        if (leaf_.free_count() < more + (item.shape == Shape::many ? 1 : 0)) return false;
        leaf_.lengthen_bitmap(index, item, more);
        if (item.shape == Shape::many) leaf_.insert_value(index, item, item.value_count, value);
        item.write(leaf_, index);
        set_bits(item, range.first - item.first, span);
        return true;
    }

    // Is every ID from the item's first to `last` live?
    static bool begins_full(const Reader& reader, Id last) noexcept {
        const auto free = reader.next(reader.item().first, false);
        return !free || *free > last;
    }

    Leaf& leaf_;
};

// Adds words without a bit to the end of the item's bitmap. Requires that they are free. The item is
// still to be written.
template <unsigned words_count>
void Leaf<words_count>::lengthen_bitmap(unsigned index, Item& item, unsigned more) noexcept {
    if (more == 0) return;
    const unsigned position = item.bitmap_at() + item.bitmap_count;
    open_words(index, position, more);
    for (unsigned w = 0; w < more; ++w)
        words_[position + w] = 0;
    item.bitmap_count += more;
}

// Makes a value of a `many` the one with this rank. The same holds.
template <unsigned words_count>
void Leaf<words_count>::insert_value(unsigned index, Item& item, unsigned rank,
                                     std::uint64_t value) noexcept {
    open_words(index, item.values_at() + rank, 1);
    words_[item.values_at() + rank] = value;
    ++item.value_count;
}

template <unsigned words_count>
bool Leaf<words_count>::store(Range range, std::uint64_t value, bool merged) noexcept {
    if (range.span() == 0 && insert_single(range.first, value)) return true;
    const Leaf before = *this;
    if (rewrite_with(range, value, merged)) return true;
    *this = before;
    return false;
}

// The common case, without a look at the rest: a single ID becomes one more of an item `many`. False
// if this is another case, or there is no room.
template <unsigned words_count>
bool Leaf<words_count>::insert_single(Id id, std::uint64_t value) noexcept {
    const unsigned behind = search(id);
    if (behind == 0) return false;
    const unsigned index = behind - 1;
    const Reader reader(*this, index);
    Item item = reader.item();
    const std::uint64_t offset = id - item.first;
    if (item.shape != Shape::many || offset >= bits_max) return false;
    const unsigned rank = reader.rank_of(offset);
    const auto value_at = [&](unsigned k) -> std::uint64_t { return words_[item.values_at() + k]; };
    // Equal values do not touch in one item.
    if (rank > 0 && value_at(rank - 1) == value && reader.is_live(id - 1)) return false;
    if (rank < item.value_count && value_at(rank) == value && reader.is_live(id + 1)) return false;
    if (touches_equal_item(index, id, value)) return false;
    if (rank == 0 && id > 0 && value_of(id - 1) == value) return false;

    const auto word = static_cast<unsigned>(offset / word_bits);
    const unsigned more = word < item.bitmap_count ? 0 : word + 1 - item.bitmap_count;
    if (more > 3 || free_count() < more + 1) return false;
    lengthen_bitmap(index, item, more);
    insert_value(index, item, rank, value);
    item.write(*this, index);
    Word& bits = words_[item.bitmap_at() + word];
    bits = bits | std::uint64_t{1} << offset % word_bits;
    return true;
}

// Does the ID touch one with the same value in the item behind this one?
template <unsigned words_count>
bool Leaf<words_count>::touches_equal_item(unsigned index, Id id,
                                           std::uint64_t value) const noexcept {
    if (index + 1 >= item_count() || id == id_max) return false;
    const Reader next(*this, index + 1);
    return next.item().first <= id + 1 && next.is_live(id + 1) && next.value_of(id + 1) == value;
}

// Builds the leaf anew with the range in it. False if there is no room; the leaf is lost then.
template <unsigned words_count>
bool Leaf<words_count>::rewrite_with(Range range, std::uint64_t value, bool merged) noexcept {
    Leaf source = *this;
    bool separate = !merged && range.first > 0 && value_of(range.first - 1) == value;
    // Equal values that touch do not stay in a `many`.
    if (merged && range.first > 0 && source.takes_out_of_many(range.first - 1, value)) {
        separate = begins_separate(range.first - 1);
        --range.first;
    }
    const bool grown =
        merged && range.last < id_max && source.takes_out_of_many(range.last + 1, value);
    if (grown) ++range.last;
    words_[0] = 0;
    Writer writer(*this);
    bool placed = false;
    for (unsigned i = 0; i < source.item_count(); ++i) {
        const Reader reader(source, i);
        Range live{reader.first_live(), reader.last_live()};
        bool own = reader.item().separate;
        if (live.first < range.first) {
            const auto last = reader.previous(range.first - 1, true);
            if (!writer.copy(source, i, {live.first, last.value_or(live.first)}, own)) return false;
            if (live.last < range.first) continue;
            live.first = reader.next(range.last, true).value_or(live.last);
        }
        if (!placed && !writer.add(range, value, separate)) return false;
        placed = true;
        const bool touches = range.last < id_max && live.first == range.last + 1;
        // What was behind the ID that has grown on stays behind it as it was.
        if (touches && !grown && reader.value_of(live.first) == value) own = !merged;
        if (!writer.copy(source, i, live, own)) return false;
    }
    return placed || writer.add(range, value, separate);
}

template <unsigned words_count>
bool Leaf<words_count>::begins_separate(Id id) const noexcept {
    const Reader reader(*this, search(id) - 1);
    return reader.item().separate && reader.first_live() == id;
}

// Erases the ID if it stands in a `many` with this value.
template <unsigned words_count>
bool Leaf<words_count>::takes_out_of_many(Id id, std::uint64_t value) noexcept {
    if (value_of(id) != value) return false;
    const unsigned index = search(id) - 1;
    if (Item::read(*this, index).shape != Shape::many) return false;
    erase_in_item(index, {id, id});
    return true;
}

template <unsigned words_count>
void Leaf<words_count>::move_tail(Id id, Leaf& other) noexcept {
    const Leaf source = *this;
    words_[0] = 0;
    Writer left(*this);
    Writer right(other);
    for (unsigned i = 0; i < source.item_count(); ++i) {
        const Reader reader(source, i);
        const Range live{reader.first_live(), reader.last_live()};
        const bool own = reader.item().separate;
        bool fits = true;
        if (live.last < id) {
            fits = left.copy(source, i, live, own);
        } else if (live.first >= id) {
            fits = right.copy(source, i, live, own);
        } else {
            const auto last = reader.previous(id - 1, true);
            const auto first = reader.next(id, true);
            fits = left.copy(source, i, {live.first, last.value_or(live.first)}, own) &&
                   right.copy(source, i, {first.value_or(live.last), live.last}, false);
        }
        INOD_ASSERT(fits);
    }
}

INOD_LEAF_INSTANCES

}  // namespace inod
