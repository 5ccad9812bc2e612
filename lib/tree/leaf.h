// A leaf as the range tree is to have it: entries of one node, packed into words, so that single IDs
// with values of their own cost little more than those values, and so that a release needs no memory.
// docs/tree.md says why; the tree itself does not use it yet.
//
// A leaf is a row of items, ascending and disjoint. Each has two words in the directory, which grows
// downward from the end of the leaf, and a payload; payloads stand one behind the other from word 1:
//
//   word 0          how many items; the first word behind the payloads
//   1 to end - 1    payloads, in the order of the items
//   ...             free
//   N - 2 - 2 i     item i: shape and sizes, and `at`, where its payload begins
//   N - 1 - 2 i     item i: the ID of its bit 0; of a wide item, its first ID
//
//   shape    payload                                             for
//   many     bitmap; one value for each bit that is set          single IDs, each an entry of its own
//   one      value; bitmap                                       runs of IDs with the same value
//   wide     value; last ID                                      a run too wide for a bitmap
//
// A bitmap has a bit for each ID from the first on, and its first and last words are not 0. So what
// erase() leaves of `many` and `one` never takes more words than before: a range of up to bits_max IDs
// is stored with the room for every hole that can be made in it. Only a hole in a wide item does not
// fit in place.
//
// An entry is the longest run of live IDs with the same value, within an item and across items that
// touch; an item that is marked `separate` begins a new entry even so. (The mark means something only
// while the ID before is live and has the same value, and whatever makes it so sets or takes the mark.)
// Neighbours with equal values never stand in the same `many`.
//
// Thread safety: none of its own. Every word is read and written atomically, so that a reader beside a
// writer sees old or new words, though not of one time, and never loops for ever or leaves the leaf.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "lib/base/range.h"

namespace inod {

// 64 bits that others may read while they are written.
class Word {
public:
    Word() = default;
    Word(const Word& other) noexcept : value_(static_cast<std::uint64_t>(other)) {}
    Word& operator=(const Word& other) noexcept {
        return *this = static_cast<std::uint64_t>(other);
    }
    Word& operator=(std::uint64_t value) noexcept {
        value_.store(value, std::memory_order_relaxed);
        return *this;
    }
    // Reads it. NOLINTNEXTLINE(google-explicit-constructor)
    operator std::uint64_t() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

// What a leaf says of an entry. It may go on in the leaf before or behind.
struct LeafEntry {
    Range range;
    std::uint64_t value;

    friend bool operator==(const LeafEntry&, const LeafEntry&) = default;
};

// `words_count` is the size of a leaf in words, 16 to 128.
template <unsigned words_count>
class Leaf {
    static_assert(words_count >= 16 && words_count <= 128);

public:
    // The widest range that is stored with room for every hole: it fills a leaf.
    static constexpr std::uint64_t bits_max = std::uint64_t{64} * (words_count - 1 - 2 - 1);

    [[nodiscard]] bool empty() const noexcept { return item_count() == 0; }
    [[nodiscard]] unsigned item_count() const noexcept {
        return static_cast<unsigned>(words_[0] & 0xffU);
    }
    // Words that are neither directory nor payload.
    [[nodiscard]] unsigned free_count() const noexcept {
        return words_count - 2 * item_count() - end();
    }

    // The first and the last live ID. Requires that the leaf is not empty.
    [[nodiscard]] Id first_id() const noexcept;
    [[nodiscard]] Id last_id() const noexcept;

    // The value of a live ID; 0 if the ID is free.
    [[nodiscard]] std::uint64_t value_of(Id id) const noexcept;
    // The entry that covers `id`, as far as it stands in this leaf.
    [[nodiscard]] std::optional<LeafEntry> find(Id id) const noexcept;

    // The nearest live ID at or after `id`, and at or before it.
    [[nodiscard]] std::optional<Id> next_live(Id id) const noexcept;
    [[nodiscard]] std::optional<Id> previous_live(Id id) const noexcept;
    // The nearest free ID at or after `id`, and at or before it. Nothing where the space ends first.
    [[nodiscard]] std::optional<Id> next_free(Id id) const noexcept;
    [[nodiscard]] std::optional<Id> previous_free(Id id) const noexcept;

    // Stores a range that is free, as an entry of its own or, if `merged`, joined with neighbours of
    // the same value that touch it. False, and nothing is changed, if it does not fit.
    [[nodiscard]] bool store(Range range, std::uint64_t value, bool merged) noexcept;

    // Makes `range` free, whatever it overlaps. False, and nothing is changed, if it makes a hole in
    // a wide item: that is for the tree.
    [[nodiscard]] bool erase(Range range) noexcept;

    // Takes what is live at or after `id` out of this leaf and puts it behind what `other` has.
    // Requires that it fits there, and that no wide item crosses `id`.
    void move_tail(Id id, Leaf& other) noexcept;

    // Nothing, or what is wrong.
    [[nodiscard]] std::optional<std::string> verify() const;

private:
    enum class Shape : std::uint8_t { many, one, wide };
    struct Item;
    class Reader;
    class Writer;

    [[nodiscard]] unsigned search(Id id) const noexcept;
    [[nodiscard]] Range run_in_item(Id id) const noexcept;
    [[nodiscard]] bool begins_entry(Id first) const noexcept;
    [[nodiscard]] bool makes_hole_in_wide(Range range) const noexcept;

    void set_header(unsigned item_count, unsigned end) noexcept;
    void open_words(unsigned index, unsigned position, unsigned count) noexcept;
    void close_words(unsigned index, unsigned position, unsigned count) noexcept;
    void shift_payloads(unsigned from, unsigned by) noexcept;
    void remove_item(unsigned index) noexcept;
    void trim(unsigned index) noexcept;
    void erase_in_item(unsigned index, Range range) noexcept;
    void clear_bits(unsigned index, std::uint64_t first, std::uint64_t last) noexcept;
    void lengthen_bitmap(unsigned index, Item& item, unsigned more) noexcept;
    void insert_value(unsigned index, Item& item, unsigned rank, std::uint64_t value) noexcept;
    [[nodiscard]] bool insert_single(Id id, std::uint64_t value) noexcept;
    [[nodiscard]] bool touches_equal_item(unsigned index, Id id,
                                          std::uint64_t value) const noexcept;
    [[nodiscard]] bool begins_separate(Id id) const noexcept;
    [[nodiscard]] bool takes_out_of_many(Id id, std::uint64_t value) noexcept;
    [[nodiscard]] bool rewrite_with(Range range, std::uint64_t value, bool merged) noexcept;

    [[nodiscard]] const char* wrong_with(unsigned index, unsigned at) const noexcept;

    [[nodiscard]] unsigned end() const noexcept {
        return static_cast<unsigned>((words_[0] >> 8U) & 0xffU) + 1;
    }

    std::array<Word, words_count> words_;
};

}  // namespace inod
