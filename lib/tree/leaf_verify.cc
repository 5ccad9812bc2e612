// Checking and drawing a leaf.
#include <ostream>

#include "lib/tree/leaf_item.h"

namespace inod {

// What is wrong with one item, whose payload should begin at `at`.
template <unsigned words>
const char* Leaf<words>::wrong_with(const Item& item, unsigned at) const noexcept {
    if (item.at != at) return "its payload is not behind the one before";
    if (item.shape == Shape::wide) {
        if (node_->get(item.at) == 0) return "has no value";
        return is_wide({item.first, node_->get(item.at + 1)}) ? nullptr : "is not wide";
    }
    if (item.shape == Shape::single) return node_->get(item.at) == 0 ? "has no value" : nullptr;
    if (item.groups == 0) return "has no group";
    const bool passes_end = item.groups - 1 > (id_max - item.base()) / word_bits;
    if (passes_end) return "passes the last ID of all";
    for (unsigned g = 0; g < item.groups; ++g) {
        const std::uint64_t before = g == 0 ? mask_of(item.first) - 1 : 0;
        const std::uint64_t live = node_->get(item.live_at(g));
        if ((live & before) != 0) return "is live before its first ID";
        if (item.shape == Shape::one) continue;
        const std::uint64_t slots = node_->get(item.slots_at(g));
        if ((live & ~slots) != 0) return "a live ID has no slot";
        if ((slots & before) != 0) return "has a slot before its first ID";
    }
    if (item.shape == Shape::one) return node_->get(item.at) == 0 ? "has no value" : nullptr;
    if (rank(item, item.groups - 1, ~std::uint64_t{0}) != item.slots) return "not a value a slot";
    for (unsigned i = 0; i < item.slots; ++i) {
        if (node_->get(item.values_at() + i) == 0) return "a slot has no value";
    }
    return nullptr;
}

// What going over the items counts, in order.
template <unsigned words>
struct Leaf<words>::Tally {
    unsigned at = 0;  // behind the payloads so far
    unsigned live = 0;
    unsigned dead = 0;
    std::optional<Id> last;  // the last live ID so far
};

template <unsigned words>
const char* Leaf<words>::count(unsigned index, Tally& tally) const noexcept {
    const Item it = item(index);
    if (const char* const wrong = wrong_with(it, tally.at)) return wrong;
    tally.at += it.payload_count();
    if (it.shape == Shape::wide) return item_count() > 1 ? "a wide entry is not alone" : nullptr;
    if (tally.last && *tally.last >= it.first) return "begins before the last one ends";
    unsigned live = 0;
    for (unsigned g = 0; g < (it.shape == Shape::single ? 1 : it.groups); ++g) {
        const Group found = group(it, g);
        live += count_bits(found.live);
        if (found.live != 0) tally.last = found.base + highest_bit(found.live);
    }
    if (live == 0) return "nothing of it is live";
    tally.live += live;
    if (it.shape == Shape::many) tally.dead += it.slots - live;
    return nullptr;
}

template <unsigned words>
std::optional<std::string> Leaf<words>::verify() const {
    const NodeMeta meta = node_->meta();
    if (meta.end + 2 * meta.count > body_count) return "directory and payloads overlap";
    Tally tally;
    for (unsigned i = 0; i < meta.count; ++i) {
        if (const char* const wrong = count(i, tally)) {
            return "item " + std::to_string(i) + ": " + wrong;
        }
    }
    if (tally.at != meta.end) return "words behind the last payload";
    if (tally.live != meta.live) return "live IDs are miscounted";
    if (tally.dead != meta.dead) return "dead slots are miscounted";
    return wrong_with_joins();
}

// Within a `one` all values are the same; elsewhere an ID that is joined has the value of the one before.
template <unsigned words>
std::optional<std::string> Leaf<words>::wrong_with_joins() const {
    for (unsigned i = 0; i < item_count(); ++i) {
        const Item it = item(i);
        if (it.shape == Shape::wide) continue;
        for (unsigned g = 0; g < (it.shape == Shape::many ? it.groups : 1); ++g) {
            const Group found = group(it, g);
            std::uint64_t joined = found.live & this->joined(found);
            if (it.shape != Shape::many) joined &= mask_of(it.first);
            for (; joined != 0; joined &= joined - 1) {
                const Id id = found.base + lowest_bit(joined);
                const Value before = id > 0 ? load(id - 1) : 0;
                if (before != 0 && before != load(id)) {
                    return "ID " + std::to_string(id) + " is joined to one with another value";
                }
            }
        }
    }
    return std::nullopt;
}

template <unsigned words>
void Leaf<words>::dump(std::ostream& out) const {
    out << '[';
    for (unsigned i = 0; i < item_count(); ++i) {
        const Item it = item(i);
        if (i > 0) out << ' ';
        if (it.joined) out << '+';
        out << it.first;
        switch (it.shape) {
            case Shape::single: out << '=' << node_->get(it.at); break;
            case Shape::wide:
                out << '-' << node_->get(it.at + 1) << '=' << node_->get(it.at);
                break;
            case Shape::one:
                out << "..=" << node_->get(it.at) << " one, " << it.groups << " groups";
                break;
            case Shape::many:
                out << ".. many, " << it.groups << " groups, " << it.slots << " slots";
                break;
        }
    }
    out << ']';
}

INOD_LEAF_INSTANCES

}  // namespace inod
