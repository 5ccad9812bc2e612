// A map from numbers to small values, of which no call moves more than a few, however many there are: it
// grows by a chain at a time (lib/base/chains.h). Its memory is the budget's, and is kept for the next.
//
// Thread safety: none of its own.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lib/base/blocks.h"
#include "lib/base/chains.h"
#include "lib/base/memory_budget.h"
#include "lib/base/result.h"

namespace inod {

// Key: an unsigned integer. Value: whatever can be copied without failing.
template <class Key, class Value>
class GrowingMap {
public:
    explicit GrowingMap(MemoryBudget& budget) : budget_(budget) {}
    GrowingMap(const GrowingMap&) = delete;
    GrowingMap& operator=(const GrowingMap&) = delete;
    ~GrowingMap() { budget_.give(budgeted_); }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    // Null if it is not there. Good until it is erased.
    [[nodiscard]] Value* find(Key key) noexcept {
        const ChainIndex index = search(key);
        return index != no_index ? &slots_[index].value : nullptr;
    }
    [[nodiscard]] const Value* find(Key key) const noexcept {
        const ChainIndex index = search(key);
        return index != no_index ? &slots_[index].value : nullptr;
    }

    // The one that is there, or a new one as Value() makes it. Fails with out_of_memory.
    Result<Value*> insert(Key key) {
        if (Value* const known = find(key); known != nullptr) return known;
        if (spare_ == no_index) {
            if (auto room = prepare_slot(); !room) return room.error();
        }
        const ChainIndex index = spare_;
        spare_ = slots_[index].next;
        slots_[index].key = key;
        slots_[index].value = Value();
        chains_.insert(index, mixed(key), link());
        ++size_;
        return &slots_[index].value;
    }

    // Requires that it is there.
    void erase(Key key) noexcept {
        const ChainIndex index = search(key);
        chains_.remove(index, mixed(key), link());
        slots_[index].next = spare_;
        spare_ = index;
        --size_;
    }

private:
    struct Slot {
        Value value{};
        Key key{};
        ChainIndex next = no_index;  // in its chain, or of spare ones
    };

    [[nodiscard]] auto link() noexcept {
        return [this](ChainIndex index) -> ChainIndex& { return slots_[index].next; };
    }
    [[nodiscard]] ChainIndex search(Key key) const noexcept {
        return chains_.find(
            mixed(key), [this](ChainIndex index) { return slots_[index].next; },
            [&](ChainIndex index) { return slots_[index].key == key; });
    }
    // A slot more, and a chain more for it. Requires that none is spare.
    Result<> prepare_slot() {
        if (slots_.size() >= no_index) return Errc::out_of_memory;
        if (auto room = make_room(slots_, budget_, budgeted_); !room) return room;
        if (auto room = make_room(chains_, budget_, budgeted_); !room) return room;
        chains_.add_chain([this](ChainIndex index) { return mixed(slots_[index].key); }, link());
        spare_ = static_cast<ChainIndex>(slots_.size());
        slots_.push_back();
        return {};
    }

    MemoryBudget& budget_;
    std::uint64_t budgeted_ = 0;
    Blocks<Slot> slots_;
    Chains chains_;  // as many as slots
    ChainIndex spare_ = no_index;
    std::size_t size_ = 0;
};

}  // namespace inod
