// The structures that others have built, as tools/bench tree measures them. See structure.h.
#pragma once

#include <map>
#include <roaring/roaring64map.hh>

#include <Judy.h>
#include <absl/container/btree_map.h>

#include "tests/bench/tree/structure.h"

namespace inod::bench {

// Arrays of 256-way nodes that compress themselves, by Doug Baskins. Knows the first absent key.
class Judy {
public:
    static constexpr unsigned gap_max = 1;
    static constexpr unsigned gap_count = 2000;

    Judy() = default;
    Judy(const Judy&) = delete;
    Judy& operator=(const Judy&) = delete;
    ~Judy() { JudyLFreeArray(&array_, nullptr); }

    Id allocate(Value value) {
        cursor_ = first_empty(cursor_);
        insert(cursor_, value);
        return cursor_++;
    }
    [[nodiscard]] Value lookup(Id id) const {
        const auto* const value = reinterpret_cast<const Word_t*>(JudyLGet(array_, id, nullptr));
        return value != nullptr ? *value : 0;
    }
    void release(Id id) { JudyLDel(&array_, id, nullptr); }
    void allocate_lowest(unsigned /*n*/, Value value) { insert(first_empty(0), value); }

private:
    [[nodiscard]] Id first_empty(Word_t from) const {
        JudyLFirstEmpty(array_, &from, nullptr);
        return from;
    }
    void insert(Id id, Value value) {
        *reinterpret_cast<Word_t*>(JudyLIns(&array_, id, nullptr)) = value;
    }

    Pvoid_t array_ = nullptr;
    Word_t cursor_ = 0;
};

// An ordered map from ID to value; free runs are found by walking.
template <class Map>
class OrderedMap {
public:
    static constexpr unsigned gap_max = 16;
    static constexpr unsigned gap_count = 10;

    Id allocate(Value value) {
        while (map_.find(cursor_) != map_.end())
            ++cursor_;
        map_.emplace_hint(map_.end(), cursor_, value);
        return cursor_++;
    }
    [[nodiscard]] Value lookup(Id id) const {
        const auto found = map_.find(id);
        return found != map_.end() ? found->second : 0;
    }
    void release(Id id) { map_.erase(id); }
    void allocate_lowest(unsigned n, Value value) {
        Id first = 0;
        for (const auto& [id, ignored] : map_) {
            if (id - first >= n) break;
            first = id + 1;
        }
        for (unsigned i = 0; i < n; ++i)
            map_.emplace(first + i, value);
    }

private:
    Map map_;
    Id cursor_ = 0;
};

using AbslBtree = OrderedMap<absl::btree_map<Id, Value>>;
using StdMap = OrderedMap<std::map<Id, Value>>;

// A compressed bitmap: which IDs are taken, and nothing else.
class RoaringBitmap {
public:
    Id allocate(Value /*value*/) {
        while (!bitmap_.addChecked(cursor_))
            ++cursor_;
        return cursor_++;
    }
    [[nodiscard]] Value lookup(Id id) const { return bitmap_.contains(id) ? 1 : 0; }
    void release(Id id) { bitmap_.remove(id); }

private:
    Roaring64Map bitmap_;
    Id cursor_ = 0;
};

}  // namespace inod::bench
