#include "lib/allocator/links.h"

#include <algorithm>
#include <new>

#include "lib/base/assert.h"
#include "lib/pool/record.h"

namespace inod {
namespace {

// A value is how far the parent's ID is above the own one, and this more: never 0, and never `reserved`.
constexpr Value middle = Value{1} << 63U;

Value value_of(const Link& link) {
    return link.above.first - link.own.first + middle;
}

Range above_of(Range own, Value value) {
    return {own.first + (value - middle), own.last + (value - middle)};
}

Range own_of(Range above, Value value) {
    return {above.first - (value - middle), above.last - (value - middle)};
}

// An item with a tag of its own: no holder, and any generation.
constexpr std::uint64_t tag_size = 1 + varint_size_max;

}  // namespace

Result<> Links::set_parent(PoolIndex pool, PoolIndex parent) {
    if (const Edge* const known = edge(pool)) {
        return known->parent == parent ? Result<>() : Errc::journal_damaged;
    }
    if (parent >= pool) return Errc::journal_damaged;
    try {
        if (pools_.size() <= pool) pools_.resize(std::size_t{pool} + 1);
        auto made = std::make_unique<Edge>(parent, budget_);
        pools_[parent].children.push_back(pool);
        pools_[pool].up = std::move(made);
    } catch (const std::bad_alloc&) {
        return Errc::out_of_memory;
    }
    return {};
}

void Links::forget_pool(PoolIndex pool) noexcept {
    if (edge(pool) == nullptr) return;
    INOD_ASSERT(edge(pool)->by_own.entry_count() == 0);
    std::erase(pools_[edge(pool)->parent].children, pool);
    pools_[pool].up.reset();
}

const std::vector<PoolIndex>& Links::children_of(PoolIndex pool) const noexcept {
    static const std::vector<PoolIndex> none;
    return pool < pools_.size() ? pools_[pool].children : none;
}

bool Links::is_possible(const Link& link) noexcept {
    const Id low = std::min(link.own.first, link.above.first);
    const Id high = std::max(link.own.first, link.above.first);
    return high - low <= level_distance_max && link.own.span() == link.above.span();
}

Result<> Links::prepare(GuardRef guard, PoolIndex pool, const Link& link) {
    Edge& of = *edge(pool);
    if (auto room = of.by_own.preallocate(guard, link.own); !room) return room;
    return of.by_above.preallocate(guard, link.above);
}

void Links::store(PoolIndex pool, const Link& link) noexcept {
    Edge& of = *edge(pool);
    const std::uint64_t before = of.by_own.id_count();
    of.by_own.store_merged(link.own, value_of(link));
    of.by_above.store_merged(link.above, value_of(link));
    INOD_ASSERT(of.by_own.id_count() - before == link.own.count());
    INOD_ASSERT(of.by_own.id_count() == of.by_above.id_count());
}

void Links::trim(PoolIndex pool) noexcept {
    Edge* const of = edge(pool);
    if (of == nullptr) return;
    of->by_own.trim();
    of->by_above.trim();
}

std::optional<Link> Links::next_above(PoolIndex pool, Range range) const noexcept {
    const auto entry = edge(pool)->by_own.next(range.first);
    const auto own = entry ? intersection(entry->range, range) : std::nullopt;
    return own ? std::optional(Link{*own, above_of(*own, entry->value)}) : std::nullopt;
}

std::optional<Link> Links::next_below(PoolIndex pool, Range range) const noexcept {
    const auto entry = edge(pool)->by_above.next(range.first);
    const auto above = entry ? intersection(entry->range, range) : std::nullopt;
    return above ? std::optional(Link{own_of(*above, entry->value), *above}) : std::nullopt;
}

void Links::erase(PoolIndex pool, Range own) noexcept {
    Edge& of = *edge(pool);
    while (const auto link = next_above(pool, own)) {
        of.by_own.erase(link->own);
        of.by_above.erase(link->above);
    }
}

void Links::erase_below(PoolIndex pool, Range above) noexcept {
    Edge& of = *edge(pool);
    while (const auto link = next_below(pool, above)) {
        of.by_own.erase(link->own);
        of.by_above.erase(link->above);
    }
}

void Links::forget(PoolIndex pool, Range range) noexcept {
    if (edge(pool) != nullptr) erase(pool, range);
    for (const PoolIndex child : children_of(pool))
        erase_below(child, range);
}

LevelLinks::Way Links::way_of(PoolIndex pool, Range range) const noexcept {
    Way way{.via = no_pool, .last = range.last};
    for (const PoolIndex child : children_of(pool)) {
        const auto link = next_below(child, range);
        if (!link) continue;
        if (link->above.first == range.first) return {.via = child, .last = link->above.last};
        way.last = std::min(way.last, link->above.first - 1);
    }
    return way;
}

void Links::swept(PoolIndex pool, PoolIndex via, Range range) noexcept {
    if (edge(pool) != nullptr) erase(pool, range);
    if (via != no_pool && edge(via) != nullptr) erase_below(via, range);
}

Link Links::saved_link(const Run& run) noexcept {
    const std::uint64_t folded = saved_generation - run.tag.generation;
    const std::uint64_t distance = folded / 2 + folded % 2;
    const std::uint64_t up = folded % 2 == 0 ? distance : 0 - distance;
    return {.own = run.range, .above = {run.range.first + up, run.range.last + up}};
}

Id Links::save(PoolIndex pool, Id from, RunWriter& out, std::size_t& visits_left) const {
    const Edge* const of = edge(pool);
    if (of == nullptr) return id_max;
    for (auto cursor = of->by_own.begin_at(from); cursor; ++cursor) {
        const Entry& entry = *cursor;
        const Range range{std::max(entry.range.first, from), entry.range.last};
        const std::uint64_t folded =
            entry.value >= middle ? 2 * (entry.value - middle) : 2 * (middle - entry.value) - 1;
        const Tag tag{.holder = 0, .claimed = false, .generation = saved_generation - folded};
        if (!out.add({range, tag})) return range.first - 1;
        visits_left -= visits_left > 0 ? 1 : 0;
        if (visits_left == 0) return range.last;
    }
    return id_max;
}

Result<> Links::restore(PoolIndex pool, Range covered, RunReader items) {
    NoGuard nobody_else;
    erase(pool, covered);
    const PoolIndex parent = edge(pool)->parent;
    while (const auto run = items.next()) {
        const Link link = saved_link(*run);
        if (!covered.contains(link.own) || link.above.last < link.above.first ||
            !is_possible(link)) {
            return Error{Errc::journal_damaged, link.own.first};
        }
        for (const PoolIndex child : children_of(parent))
            erase_below(child, link.above);
        if (auto ready = prepare(nobody_else, pool, link); !ready) return ready;
        store(pool, link);
    }
    return items.complete() ? Result<>() : Error{Errc::journal_damaged, covered.first};
}

SavedSize Links::saved_size(PoolIndex pool) const noexcept {
    const Edge* const of = edge(pool);
    if (of == nullptr) return {};
    std::uint64_t items = 0;
    if (const std::uint64_t count = of->by_own.entry_count(); count > 0) {
        const Id first = of->by_own.next(0)->range.first;
        const Id last = of->by_own.previous(id_max)->range.last;
        items = runs_size_max(count, of->by_own.id_count(), last - first, tag_size);
    }
    return {.kept = items + heads_size_max(items) + encoded_record_size_max,
            .holes = holes_size_max(of->by_own.id_count())};
}

std::optional<std::string> Links::verify() const {
    for (std::size_t i = 0; i < pools_.size(); ++i) {
        const Edge* const of = pools_[i].up.get();
        if (of == nullptr) continue;
        const std::string place = "links of pool " + std::to_string(i) + ": ";
        if (auto broken = of->by_own.verify()) return place + *broken;
        if (auto broken = of->by_above.verify()) return place + *broken;
        bool is_mirrored = of->by_own.entry_count() == of->by_above.entry_count();
        of->by_own.for_each([&](const Entry& entry) {
            const Range above = above_of(entry.range, entry.value);
            is_mirrored =
                is_mirrored && of->by_above.find(above.first) == Entry{above, entry.value};
        });
        if (!is_mirrored) return place + "what is known of both sides differs";
    }
    return std::nullopt;
}

}  // namespace inod
