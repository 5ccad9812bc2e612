// Taking IDs out of a leaf, in place.
#include "lib/base/assert.h"
#include "lib/tree/leaf_item.h"

namespace inod {

template <unsigned words_count>
void Leaf<words_count>::set_header(unsigned item_count, unsigned end) noexcept {
    words_[0] = std::uint64_t{item_count} | std::uint64_t{end - 1} << 8U;
}

// Makes room for `count` payload words at `position`, which belong to item `index`. Requires that
// they are free.
template <unsigned words_count>
void Leaf<words_count>::open_words(unsigned index, unsigned position, unsigned count) noexcept {
    INOD_ASSERT(count <= free_count());
    for (unsigned p = end(); p-- > position;)
        words_[p + count] = words_[p];
    shift_payloads(index + 1, count);
    set_header(item_count(), end() + count);
}

template <unsigned words_count>
void Leaf<words_count>::close_words(unsigned index, unsigned position, unsigned count) noexcept {
    for (unsigned p = position + count; p < end(); ++p)
        words_[p - count] = words_[p];
    shift_payloads(index + 1, 0U - count);
    set_header(item_count(), end() - count);
}

template <unsigned words_count>
void Leaf<words_count>::shift_payloads(unsigned from, unsigned by) noexcept {
    for (unsigned i = from; i < item_count(); ++i) {
        Item item = Item::read(*this, i);
        item.at += by;
        item.write(*this, i);
    }
}

template <unsigned words_count>
void Leaf<words_count>::remove_item(unsigned index) noexcept {
    const Item item = Item::read(*this, index);
    close_words(index, item.at, item.payload_count());
    for (unsigned i = index + 1; i < item_count(); ++i)
        Item::read(*this, i).write(*this, i - 1);
    set_header(item_count() - 1, end());
}

// Takes words without a bit from both ends of a bitmap, and the whole item if none has one.
template <unsigned words_count>
void Leaf<words_count>::trim(unsigned index) noexcept {
    Item item = Item::read(*this, index);
    const auto bitmap = [&](unsigned w) -> std::uint64_t { return words_[item.bitmap_at() + w]; };
    unsigned front = 0;
    while (front < item.bitmap_count && bitmap(front) == 0)
        ++front;
    if (front == item.bitmap_count) {
        remove_item(index);
        return;
    }
    unsigned back = 0;
    while (bitmap(item.bitmap_count - 1 - back) == 0)
        ++back;
    if (back > 0) close_words(index, item.bitmap_at() + item.bitmap_count - back, back);
    if (front > 0) close_words(index, item.bitmap_at(), front);
    item.bitmap_count -= front + back;
    item.first += std::uint64_t{front} * word_bits;
    item.write(*this, index);
}

template <unsigned words_count>
bool Leaf<words_count>::makes_hole_in_wide(Range range) const noexcept {
    const unsigned behind = search(range.first);
    if (behind == 0) return false;
    const Reader reader(*this, behind - 1);
    return reader.item().shape == Shape::wide && reader.item().first < range.first &&
           range.last < reader.wide_last();
}

template <unsigned words_count>
bool Leaf<words_count>::erase(Range range) noexcept {
    if (makes_hole_in_wide(range)) return false;
    const unsigned behind = search(range.first);
    // From the last that it may overlap, so that what goes does not move what is still to come.
    for (unsigned i = search(range.last); i-- > (behind > 0 ? behind - 1 : 0);)
        erase_in_item(i, range);
    return true;
}

template <unsigned words_count>
void Leaf<words_count>::erase_in_item(unsigned index, Range range) noexcept {
    const Reader reader(*this, index);
    const auto part = intersection(range, {reader.first_live(), reader.last_live()});
    if (!part) return;
    Item item = reader.item();
    if (item.shape != Shape::wide) {
        clear_bits(index, part->first - item.first, part->last - item.first);
        return;
    }
    if (part->first == item.first && part->last == reader.wide_last()) {
        remove_item(index);
    } else if (part->first == item.first) {
        item.first = part->last + 1;
        item.write(*this, index);
    } else {
        words_[item.at + 1] = part->first - 1;
    }
}

template <unsigned words_count>
void Leaf<words_count>::clear_bits(unsigned index, std::uint64_t first,
                                   std::uint64_t last) noexcept {
    const Reader reader(*this, index);
    Item item = reader.item();
    if (item.shape == Shape::many) {
        const unsigned rank = reader.rank_of(first);
        const unsigned count = reader.rank_of(last + 1) - rank;
        close_words(index, item.values_at() + rank, count);
        item.value_count -= count;
        item.write(*this, index);
    }
    for_each_word(first, last, [&](std::uint64_t w, std::uint64_t mask) {
        Word& word = words_[item.bitmap_at() + w];
        word = word & ~mask;
    });
    trim(index);
}

INOD_LEAF_INSTANCES

}  // namespace inod
