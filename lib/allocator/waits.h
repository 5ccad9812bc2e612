// Who waits for an ID to be released: found by the ID when something is released, and by the holder when
// one comes to its end.
//
// Whoever waits looks the ID up, and where it is live has itself woken here; woken, it looks again. What is
// released wakes few by itself, at most `wakes_max`: where more wait for it all are woken, one by one, as
// fast as take_woken() is called. So a release takes a bounded time, however many wait for it, and needs
// no memory.
//
// Thread safety: none of its own; the allocator's lock guards it. No call allocates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <tuple>

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>

#include "lib/base/range.h"
#include "lib/pool/lease.h"

namespace inod {

// Somebody who waits, in memory of its own: in none of the hooks, or in by_id and by_holder, or in woken.
struct Wait {
    struct ById;
    struct ByHolder;
    template <class Tag>
    using SetHook = boost::intrusive::set_member_hook<boost::intrusive::tag<Tag>>;

    PoolIndex pool = 0;
    Id id = 0;
    HolderId holder = 0;       // who has it
    std::uint64_t number = 0;  // which wait it is, of all there were; Waits gives it

    SetHook<ById> by_id{};
    SetHook<ByHolder> by_holder{};
    boost::intrusive::list_member_hook<> woken{};
};

class Waits {
public:
    static constexpr std::size_t wakes_max = 64;

    Waits() = default;
    Waits(const Waits&) = delete;
    Waits& operator=(const Waits&) = delete;
    // Requires that nobody waits.
    ~Waits() = default;

    // Until it is woken or removed. Requires that it is neither waiting nor woken.
    void add(Wait& wait) noexcept;
    // Of one that neither waits nor was woken nothing happens.
    void remove(Wait& wait) noexcept;

    // These IDs are free now, or all that this holder had.
    void released(PoolIndex pool, Range range) noexcept;
    void ended(HolderId holder) noexcept;

    // One that is to look again, which leaves here; null: none at the moment.
    Wait* take_woken() noexcept;
    [[nodiscard]] bool has_woken() const noexcept { return !woken_.empty() || left_ > 0; }
    [[nodiscard]] bool empty() const noexcept { return by_id_.empty() && woken_.empty(); }

private:
    using IdKey = std::tuple<PoolIndex, Id, std::uint64_t>;
    using HolderKey = std::tuple<HolderId, std::uint64_t>;
    // The names are Boost.Intrusive's.
    // NOLINTBEGIN(readability-identifier-naming)
    struct IdOf {
        using type = IdKey;
        type operator()(const Wait& wait) const noexcept {
            return {wait.pool, wait.id, wait.number};
        }
    };
    struct HolderOf {
        using type = HolderKey;
        type operator()(const Wait& wait) const noexcept { return {wait.holder, wait.number}; }
    };
    // NOLINTEND(readability-identifier-naming)
    template <class Tag, Wait::SetHook<Tag> Wait::*hook, class Key>
    using Set =
        boost::intrusive::set<Wait, boost::intrusive::member_hook<Wait, Wait::SetHook<Tag>, hook>,
                              boost::intrusive::key_of_value<Key>>;

    void unlink(Wait& wait) noexcept;
    void wake(Wait& wait) noexcept;
    void wake_all() noexcept { left_ = by_id_.size(); }
    Wait& take_next_of_circle() noexcept;

    Set<Wait::ById, &Wait::by_id, IdOf> by_id_;
    Set<Wait::ByHolder, &Wait::by_holder, HolderOf> by_holder_;
    boost::intrusive::list<Wait, boost::intrusive::member_hook<
                                     Wait, boost::intrusive::list_member_hook<>, &Wait::woken>>
        woken_;
    std::uint64_t last_number_ = 0;
    // All are woken, in a circle: so many are left, and it goes on from here.
    std::uint64_t left_ = 0;
    IdKey from_{};
    bool is_turn_of_circle_ = false;
};

}  // namespace inod
