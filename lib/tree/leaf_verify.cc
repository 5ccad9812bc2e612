// Checking a leaf.
#include <string>

#include "lib/tree/leaf_item.h"

namespace inod {

// What is wrong with one item, whose payload should begin at `at`.
template <unsigned words_count>
const char* Leaf<words_count>::wrong_with(unsigned index, unsigned at) const noexcept {
    const Reader reader(*this, index);
    const Item& item = reader.item();
    if (item.at != at) return "its payload is not behind the one before";
    if (item.shape == Shape::wide) {
        return reader.wide_last() < item.first ? "ends before it begins" : nullptr;
    }
    if (words_[item.bitmap_at()] == 0 || words_[item.bitmap_at() + item.bitmap_count - 1] == 0) {
        return "a word without a bit at an end";
    }
    for (unsigned k = 0; k < item.value_count; ++k) {
        if (words_[item.values_at() + k] == 0) return "a value is 0";
    }
    if (item.shape == Shape::one) return nullptr;
    if (reader.rank_of(item.bit_count()) != item.value_count) return "not a value for each bit";
    for (Id id = reader.first_live(); id < reader.last_live(); ++id) {
        if (reader.is_live(id) && reader.is_live(id + 1) &&
            reader.value_of(id) == reader.value_of(id + 1)) {
            return "equal neighbours";
        }
    }
    return nullptr;
}

template <unsigned words_count>
std::optional<std::string> Leaf<words_count>::verify() const {
    if (end() + 2 * item_count() > words_count) return "directory and payloads overlap";
    unsigned at = 1;
    std::optional<Id> before;
    for (unsigned i = 0; i < item_count(); ++i) {
        const std::string which = "item " + std::to_string(i) + ": ";
        if (const char* const wrong = wrong_with(i, at)) return which + wrong;
        const Reader reader(*this, i);
        if (before && reader.item().first <= *before) return which + "begins before the last ends";
        before = reader.last_live();
        at += reader.item().payload_count();
    }
    if (at != end()) return "words behind the last payload";
    return std::nullopt;
}

INOD_LEAF_INSTANCES

}  // namespace inod
