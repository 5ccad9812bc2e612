// The holders that there are, each with an index by which pools and the journal name it, and with an ID
// that no other ever has.
//
// A holder that is found again by who it is: a persistent one by its user and name, one bound to a process
// by its user and process, one with a time limit by its user and name, if it has one. Any other is found
// by its key alone, which has its index in it.
//
// Memory: 64 bytes for a holder, 1 for the table by which it is found, 4 for a deadline, and its name. All
// grows by a block of 64 and by a chain at a time: no call moves or copies more than a few holders, however
// many there are.
//
// Thread safety: none of its own; the allocator's lock guards it.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "lib/base/blocks.h"
#include "lib/base/chains.h"
#include "lib/base/growing_map.h"
#include "lib/base/memory_budget.h"
#include "lib/base/result.h"
#include "lib/base/sip_hash.h"
#include "lib/pool/lease.h"

namespace inod {

// A holder as whoever acts as it remembers it: by the time it is used, the index may be another's.
struct HolderRef {
    HolderIndex index = 0;
    HolderId id = 0;

    friend bool operator==(const HolderRef&, const HolderRef&) = default;
};

class Holders {
public:
    // `hash_key` is a secret, or clients could choose names that are all in one chain, with others'.
    explicit Holders(MemoryBudget& budget, const SipKey& hash_key = {});
    Holders(const Holders&) = delete;
    Holders& operator=(const Holders&) = delete;
    ~Holders();

    // The one that is the same: by binding, UID, and name or process.
    [[nodiscard]] std::optional<HolderIndex> find(const Holder& holder) const noexcept;
    // The user's own, without a name: who asks as whoever did not bind. Many requests in a row are of one
    // user, so the one found last is looked at first.
    [[nodiscard]] std::optional<HolderIndex> find_own(std::uint32_t uid) noexcept;
    // The one whose key it is.
    [[nodiscard]] std::optional<HolderIndex> find(const HolderKey& key) const noexcept;
    // The one with this ID. Goes over all of them.
    [[nodiscard]] std::optional<HolderIndex> find_id(HolderId id) const noexcept;
    [[nodiscard]] bool contains(HolderIndex index) const noexcept {
        return index < entries_.size() && entries_[index].id != 0;
    }
    [[nodiscard]] bool contains(const HolderRef& ref) const noexcept {
        return contains(ref.index) && entries_[ref.index].id == ref.id;
    }

    // Gives a holder that has none an index, and the next ID. Its key gets the index into it. Fails with
    // out_of_memory.
    Result<HolderIndex> add(Holder holder);
    // Puts one where it was: recovery. False, and nothing has changed, if the index or who it is has
    // another already.
    Result<bool> restore(HolderIndex index, const Holder& holder);
    void remove(HolderIndex index) noexcept;

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    // How many this user has.
    [[nodiscard]] std::uint32_t count_of(std::uint32_t uid) const noexcept {
        const std::uint32_t* const counted = counts_.find(uid);
        return counted != nullptr ? *counted : 0;
    }
    // One more than the highest index that any has.
    [[nodiscard]] HolderIndex index_end() const noexcept {
        return static_cast<HolderIndex>(entries_.size());
    }
    // Requires contains(index). The name is good until the holder is removed.
    [[nodiscard]] Holder operator[](HolderIndex index) const noexcept;
    [[nodiscard]] HolderId id(HolderIndex index) const noexcept { return entries_[index].id; }
    [[nodiscard]] std::uint32_t uid(HolderIndex index) const noexcept {
        return entries_[index].uid;
    }

    // Has a record told of it? Until then it is only in memory.
    [[nodiscard]] bool is_recorded(HolderIndex index) const noexcept {
        return entries_[index].is_recorded;
    }
    void set_recorded(HolderIndex index) noexcept { entries_[index].is_recorded = true; }

    // While somebody asks on behalf of a holder and may give up the lock, it is pinned, and not removed.
    void pin(HolderIndex index) noexcept { ++entries_[index].pins; }
    void unpin(HolderIndex index) noexcept { --entries_[index].pins; }
    [[nodiscard]] bool is_pinned(HolderIndex index) const noexcept {
        return entries_[index].pins > 0;
    }

    // One that is to end as soon as it can be recorded. Nobody acts as it any more, and it waits for nothing.
    void queue_end(HolderIndex index) noexcept;
    [[nodiscard]] bool is_ending(HolderIndex index) const noexcept {
        return entries_[index].is_ending;
    }
    // Is there one that is not pinned?
    [[nodiscard]] bool has_ending() const noexcept;
    // The first of those that are not pinned, which leaves the queue.
    std::optional<HolderIndex> take_ending() noexcept;

    // Deadlines: of those with a time limit, and of those that wait for their client.

    // Sees to it that set_deadline() of this holder cannot fail. Fails with out_of_memory.
    Result<> prepare_deadline(HolderIndex index);
    // Requires prepare_deadline(), once for a holder.
    void set_deadline(HolderIndex index, BootTime deadline) noexcept;
    // It waits for nothing any more.
    void clear_deadline(HolderIndex index) noexcept;
    // When it ends if nobody comes before; nothing if it waits for nobody.
    [[nodiscard]] std::optional<BootTime> deadline(HolderIndex index) const noexcept {
        const Entry& entry = entries_[index];
        const bool is_due = entry.has_deadline && entry.deadline() != none_due;
        return is_due ? std::optional(entry.deadline()) : std::nullopt;
    }
    [[nodiscard]] std::optional<BootTime> next_deadline() const noexcept;
    // One whose deadline is not after `now`.
    [[nodiscard]] std::optional<HolderIndex> find_overdue(BootTime now) const noexcept;

    [[nodiscard]] HolderId next_id() const noexcept { return next_id_; }
    void skip_ids_below(HolderId id) noexcept { next_id_ = std::max(next_id_, id); }
    // Holders that nothing is known of may have been told of: those that were lost with the end of the journal,
    // or came after a copy.
    void skip_lost_ids() noexcept { next_id_ += lost_ids_max; }

    // By which it is found, of one that is found by who it is.
    [[nodiscard]] std::uint64_t hash_of(const Holder& holder) const noexcept;

    // Bytes that all take in a snapshot at most.
    [[nodiscard]] std::uint64_t saved_size() const noexcept { return saved_size_; }

private:
    static constexpr HolderIndex none = no_index;
    static constexpr BootTime none_due = ~BootTime{0};
    static constexpr HolderId lost_ids_max = HolderId{1} << 20U;

    struct Entry {
        HolderId id = 0;  // 0: there is none here
        std::uint32_t uid = 0;
        std::uint32_t gid = 0;
        // Of those that are spare, or that are to end: the next. Of one with a deadline: its place among
        // all deadlines.
        HolderIndex next_or_place = none;
        // Of one that is found by who it is: the next in its chain. Of a spare one: the one before.
        HolderIndex same_or_previous = none;
        Binding binding = Binding::persistent;
        bool is_recorded : 1 = false;
        bool is_ending : 1 = false;
        bool has_deadline : 1 = false;  // it has a place in deadlines_
        std::uint16_t pins = 0;
        std::uint32_t ttl_ms_or_pid = 0;
        // Of one bound to a process: its inode, start time and PID namespace. Of any other: its key, and its
        // deadline, none_due if it waits for nothing.
        std::array<std::uint64_t, 3> words{};
        std::unique_ptr<char[]> name;  // up to a NUL; none: it has no name

        [[nodiscard]] BootTime deadline() const noexcept { return words[2]; }
        [[nodiscard]] HolderKey key() const noexcept {
            return binding == Binding::process ? HolderKey() : HolderKey{{words[0], words[1]}};
        }
        void set_who(const Holder& holder) noexcept;
        [[nodiscard]] ProcessIdentity process() const noexcept;
    };
    static_assert(sizeof(Entry) == 64);

    [[nodiscard]] bool is_own(HolderIndex index, std::uint32_t uid) const noexcept {
        const Entry& entry = entries_[index];
        return entry.uid == uid && entry.binding == Binding::persistent && !entry.name;
    }

    [[nodiscard]] static bool has_identity(const Holder& holder) noexcept;
    [[nodiscard]] auto link() noexcept {
        return
            [this](HolderIndex index) -> HolderIndex& { return entries_[index].same_or_previous; };
    }

    Result<> make_entries(std::size_t count);
    void add_spare(HolderIndex index) noexcept;
    void take_spare(HolderIndex index) noexcept;
    Result<> put(HolderIndex index, const Holder& holder);
    Result<> take_name(Entry& entry, std::string_view name);
    void uncount(std::uint32_t uid) noexcept;

    // Deadlines (holders_deadlines.cc).
    [[nodiscard]] bool is_due_before(HolderIndex a, HolderIndex b) const noexcept;
    void put_deadline(HolderIndex place, HolderIndex index) noexcept;
    void move_deadline(HolderIndex index, BootTime deadline) noexcept;
    void rise(HolderIndex index) noexcept;
    void sink(HolderIndex index) noexcept;
    void drop_deadline(HolderIndex index) noexcept;

    MemoryBudget& budget_;
    const SipKey hash_key_;
    std::uint64_t budgeted_ = 0;
    Blocks<Entry> entries_;
    Chains identities_;            // of those that are found by who they are
    HolderIndex last_own_ = none;  // that find_own() found last; since then it may have ended
    HolderIndex spare_ = none;     // the first of the entries that are no holder's
    HolderIndex ending_ = none;    // the first of those that are to end
    // A heap: whose place is p is due no later than those with the places 2p + 1 and 2p + 2.
    Blocks<HolderIndex> deadlines_;
    HolderIndex deadline_count_ = 0;
    std::size_t size_ = 0;
    GrowingMap<std::uint32_t, std::uint32_t> counts_;  // by UID
    HolderId next_id_ = 1;
    std::uint64_t saved_size_ = 0;
};

}  // namespace inod
