// The holders that ever held something, each with an index by which pools and the journal name it.
//
// A holder keeps its index for good; indexes are given in order, 0, 1, 2 and so on.
//
// Thread safety: none of its own; the allocator's lock guards it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "lib/base/memory_budget.h"
#include "lib/base/result.h"
#include "lib/pool/lease.h"

namespace inod {

class Holders {
public:
    explicit Holders(MemoryBudget& budget) : budget_(budget) {}
    Holders(const Holders&) = delete;
    Holders& operator=(const Holders&) = delete;
    ~Holders();

    [[nodiscard]] std::optional<HolderIndex> find(const Holder& holder) const noexcept;

    // Gives a holder that has none the next index. Fails with out_of_memory.
    Result<HolderIndex> add(const Holder& holder);

    [[nodiscard]] std::size_t size() const { return holders_.size(); }
    // Requires index < size().
    [[nodiscard]] const Holder& operator[](HolderIndex index) const { return holders_[index]; }

private:
    MemoryBudget& budget_;
    std::uint64_t budgeted_ = 0;
    std::vector<Holder> holders_;
    boost::unordered_flat_map<std::uint64_t, HolderIndex> indexes_;  // by binding and UID
};

}  // namespace inod
