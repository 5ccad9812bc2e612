// Memory that a session works with while it has something to do, and gives back when it has nothing: of ten
// thousand connections that are idle none needs it. What is little fits into what a session has itself, so
// that it finds its way through a request when there is no desk to be had.
//
// Thread safety: everything on the loop's thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <boost/intrusive/slist.hpp>

#include "lib/base/memory_budget.h"
#include "proto/frame.h"

namespace inod::daemon {

struct Desk : boost::intrusive::slist_base_hook<> {
    // Two replies of the largest size, so that one can be sent while the next is made.
    using ForReplies = std::array<std::byte, 2 * (proto::reply_size_max + 1)>;

    std::array<std::byte, std::size_t{4} * proto::request_size_max> requests;
    ForReplies ready;
    ForReplies waiting;
};

class Desks {
public:
    // Kept for whoever comes next: to make one takes as long as a hundred requests. As many as are used at once
    // where tens of connections ask for much at a time and wait for the disk; but no large part of the budget, though
    // each loop has one.
    static constexpr std::size_t spare_min = 4;
    static constexpr std::size_t spare_max = 64;
    static constexpr std::uint64_t budget_per_spares = 16;  // of it, one such part

    // `loops`: so many loops have some.
    explicit Desks(MemoryBudget& budget, std::size_t loops = 1)
        : budget_(budget),
          kept_max_(
              std::clamp<std::size_t>(budget.size_max() / budget_per_spares / loops / sizeof(Desk),
                                      std::max<std::size_t>(spare_min / loops, 1), spare_max)) {}
    Desks(const Desks&) = delete;
    Desks& operator=(const Desks&) = delete;
    ~Desks();  // requires that all were given back

    // Null if there is no memory for one, or the budget has none left.
    Desk* take() noexcept;
    void give(Desk& desk) noexcept;
    // How many are kept at most.
    [[nodiscard]] std::size_t kept_max() const noexcept { return kept_max_; }
    // How many there are, in use or not.
    [[nodiscard]] std::size_t count() const noexcept { return count_; }

private:
    Desk* make() noexcept;
    void free(Desk& desk) noexcept;

    MemoryBudget& budget_;
    const std::size_t kept_max_;
    std::size_t count_ = 0;
    boost::intrusive::slist<Desk> spare_;
};

}  // namespace inod::daemon
