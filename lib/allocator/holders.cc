#include "lib/allocator/holders.h"

#include <limits>
#include <new>
#include <string_view>

#include "lib/base/assert.h"
#include "lib/pool/record.h"

namespace inod {
namespace {

// Bytes that a holder may cost: its entry, and its user's count; its part of a hash table that has just doubled and is being
// copied; a node of a tree for its deadline; its name, or its process.
constexpr std::uint64_t bytes_per_entry = 64 + 24;
constexpr std::uint64_t bytes_per_identity = 12;
constexpr std::uint64_t bytes_per_deadline = 64;
constexpr std::uint64_t bytes_per_more = 80 + holder_name_size_max;

// A holder's record in a snapshot, but for its name: lib/pool/record.h, with its prefix.
constexpr std::uint64_t record_size_max = 2 + 2 + 5 + 10 + 1 + 5 + 5 + 1 + 16 + 35 + 5 + 10;

// Bits of a key's last word that are the index; the others are the secret's.
constexpr std::uint64_t index_mask = std::numeric_limits<HolderIndex>::max();

std::uint64_t saved_size_of(const Holder& holder) {
    return record_size_max + holder.name.size();
}

std::uint64_t memory_of(const Holder& holder, bool has_identity, bool has_deadline) {
    const bool has_more = !holder.name.empty() || holder.binding == Binding::process;
    return (has_identity ? bytes_per_identity : 0) + (has_more ? bytes_per_more : 0) +
           (has_deadline ? bytes_per_deadline : 0);
}

std::size_t mixed(std::uint64_t hash) {
    // The finalizer of SplitMix64, as in lib/pool/tags.cc.
    hash = (hash ^ (hash >> 30U)) * 0xBF58476D1CE4E5B9;
    hash = (hash ^ (hash >> 27U)) * 0x94D049BB133111EB;
    return hash ^ (hash >> 31U);
}

}  // namespace

Holders::Holders(MemoryBudget& budget)
    : budget_(budget), identities_(0, SameHash{this}, SameAs{this}) {}

Holders::~Holders() {
    budget_.give(budgeted_);
}

std::size_t Holders::SameHash::operator()(const Holder& holder) const noexcept {
    const std::uint64_t what = holder.binding == Binding::process
                                   ? holder.process.inode ^ holder.process.start_time
                                   : std::hash<std::string_view>()(holder.name);
    const auto binding = static_cast<std::uint64_t>(holder.binding);
    return mixed(what * 0x9E3779B97F4A7C15 + (binding << 32U | holder.uid));
}

std::size_t Holders::SameHash::operator()(HolderIndex index) const noexcept {
    return (*this)((*holders)[index]);
}

bool Holders::SameAs::operator()(HolderIndex index, const Holder& holder) const noexcept {
    const Holder mine = (*holders)[index];
    if (mine.binding != holder.binding || mine.uid != holder.uid) return false;
    return mine.binding == Binding::process ? mine.process == holder.process
                                            : mine.name == holder.name;
}

bool Holders::has_identity(const Holder& holder) noexcept {
    switch (holder.binding) {
        case Binding::persistent:
        case Binding::process: return true;
        case Binding::ttl: return !holder.name.empty();
        case Binding::connection: return false;
    }
    return false;
}

std::optional<HolderIndex> Holders::find(const Holder& holder) const noexcept {
    if (!has_identity(holder)) return std::nullopt;
    const auto found = identities_.find(holder);
    return found != identities_.end() ? std::optional(*found) : std::nullopt;
}

std::optional<HolderIndex> Holders::find(const HolderKey& key) const noexcept {
    const auto index = static_cast<HolderIndex>(key.words[1] & index_mask);
    if (key.is_none() || !contains(index)) return std::nullopt;
    // All of it is looked at, so that the time tells nothing of where it differs.
    const HolderKey& own = entries_[index].key;
    const std::uint64_t difference = (own.words[0] ^ key.words[0]) | (own.words[1] ^ key.words[1]);
    return difference == 0 ? std::optional(index) : std::nullopt;
}

std::optional<HolderIndex> Holders::find_id(HolderId id) const noexcept {
    if (id == 0) return std::nullopt;
    for (HolderIndex index = 0; index < index_end(); ++index) {
        if (entries_[index].id == id) return index;
    }
    return std::nullopt;
}

Result<HolderIndex> Holders::add(Holder holder) {
    if (spare_ == none) {
        if (auto made = make_entries(entries_.size() + 1); !made) return made.error();
    }
    const HolderIndex index = spare_;
    holder.id = next_id_;
    if (!holder.key.is_none()) holder.key.words[1] = (holder.key.words[1] & ~index_mask) | index;
    if (auto done = put(index, holder); !done) return done.error();
    return index;
}

Result<bool> Holders::restore(HolderIndex index, const Holder& holder) {
    if (index == none || holder.id == 0 || contains(index) || find(holder)) return false;
    if (auto made = make_entries(std::size_t{index} + 1); !made) return made.error();
    if (auto done = put(index, holder); !done) return done.error();
    entries_[index].is_recorded = true;
    return true;
}

// So many of them, the new ones spare.
Result<> Holders::make_entries(std::size_t count) {
    while (entries_.size() < count) {
        const auto index = static_cast<HolderIndex>(entries_.size());
        if (index == none || !budget_.take(bytes_per_entry)) return Errc::out_of_memory;
        try {
            entries_.emplace_back().next = spare_;
        } catch (const std::bad_alloc&) {
            budget_.give(bytes_per_entry);
            return Errc::out_of_memory;
        }
        budgeted_ += bytes_per_entry;
        spare_ = index;
    }
    return {};
}

// In a spare entry.
Result<> Holders::put(HolderIndex index, const Holder& holder) {
    const std::uint64_t size = memory_of(holder, has_identity(holder), false);
    if (!budget_.take(size)) return Errc::out_of_memory;
    Entry& entry = entries_[index];
    try {
        if (!holder.name.empty() || holder.binding == Binding::process) {
            entry.more = std::make_unique<More>(
                More{.name = std::string(holder.name), .process = holder.process});
        }
        entry.uid = holder.uid;
        entry.binding = holder.binding;
        ++counts_[holder.uid];
        if (has_identity(holder)) insert_identity(index);
    } catch (const std::bad_alloc&) {
        entry.more.reset();
        budget_.give(size);
        return Errc::out_of_memory;
    }
    budgeted_ += size;
    unlink(spare_, index);
    entry.id = holder.id;
    entry.key = holder.key;
    entry.gid = holder.gid;
    entry.ttl_ms = holder.ttl_ms;
    entry.is_recorded = false;
    entry.is_ending = false;
    entry.pins = 0;
    entry.has_deadline = false;
    entry.deadline = holder.binding == Binding::ttl ? holder.deadline : none_due;
    ++size_;
    saved_size_ += saved_size_of(holder);
    next_id_ = std::max(next_id_, holder.id + 1);
    return {};
}

// Of the two tables that a new one is in, this is the second.
void Holders::insert_identity(HolderIndex index) {
    try {
        identities_.insert(index);
    } catch (const std::bad_alloc&) {
        uncount(entries_[index].uid);
        throw;
    }
}

void Holders::uncount(std::uint32_t uid) noexcept {
    const auto counted = counts_.find(uid);
    if (--counted->second == 0) counts_.erase(counted);
}

void Holders::unlink(HolderIndex& first, HolderIndex index) noexcept {
    HolderIndex* at = &first;
    while (*at != index)
        at = &entries_[*at].next;
    *at = entries_[index].next;
}

void Holders::queue_end(HolderIndex index) noexcept {
    Entry& entry = entries_[index];
    if (entry.is_ending) return;
    entry.is_ending = true;
    entry.next = ending_;
    ending_ = index;
}

std::optional<HolderIndex> Holders::take_ending() noexcept {
    HolderIndex index = ending_;
    while (index != none && is_pinned(index))
        index = entries_[index].next;
    if (index == none) return std::nullopt;
    unlink(ending_, index);
    return index;
}

void Holders::remove(HolderIndex index) noexcept {
    INOD_ASSERT(contains(index) && !is_pinned(index));
    Entry& entry = entries_[index];
    const Holder holder = (*this)[index];
    const std::uint64_t size = memory_of(holder, has_identity(holder), entry.has_deadline);
    saved_size_ -= saved_size_of(holder);
    if (has_identity(holder)) identities_.erase(index);
    if (entry.has_deadline) deadlines_.erase({entry.deadline, index});
    uncount(entry.uid);
    entry.more.reset();
    entry.id = 0;
    entry.key = {};
    entry.has_deadline = false;
    entry.next = spare_;
    spare_ = index;
    budget_.give(size);
    budgeted_ -= size;
    --size_;
    // Nobody ever heard of it: its number is the next one's.
    if (!entry.is_recorded && holder.id + 1 == next_id_) --next_id_;
}

Holder Holders::operator[](HolderIndex index) const noexcept {
    const Entry& entry = entries_[index];
    return {.id = entry.id,
            .binding = entry.binding,
            .uid = entry.uid,
            .gid = entry.gid,
            .name = entry.more ? std::string_view(entry.more->name) : std::string_view(),
            .key = entry.key,
            .process = entry.more ? entry.more->process : ProcessIdentity(),
            .ttl_ms = entry.ttl_ms,
            .deadline = entry.binding == Binding::ttl ? entry.deadline : 0};
}

Result<> Holders::prepare_deadline(HolderIndex index) {
    Entry& entry = entries_[index];
    if (entry.has_deadline) return {};
    if (!budget_.take(bytes_per_deadline)) return Errc::out_of_memory;
    try {
        deadlines_.emplace(entry.deadline, index);
    } catch (const std::bad_alloc&) {
        budget_.give(bytes_per_deadline);
        return Errc::out_of_memory;
    }
    budgeted_ += bytes_per_deadline;
    entry.has_deadline = true;
    return {};
}

void Holders::set_deadline(HolderIndex index, BootTime deadline) noexcept {
    INOD_ASSERT(entries_[index].has_deadline);
    move_deadline(index, std::min(deadline, none_due - 1));
}

void Holders::clear_deadline(HolderIndex index) noexcept {
    if (entries_[index].has_deadline) move_deadline(index, none_due);
}

void Holders::move_deadline(HolderIndex index, BootTime deadline) noexcept {
    Entry& entry = entries_[index];
    auto node = deadlines_.extract({entry.deadline, index});
    node.value().first = deadline;
    deadlines_.insert(std::move(node));
    entry.deadline = deadline;
}

std::optional<BootTime> Holders::next_deadline() const noexcept {
    if (deadlines_.empty() || deadlines_.begin()->first == none_due) return std::nullopt;
    return deadlines_.begin()->first;
}

std::optional<HolderIndex> Holders::find_overdue(BootTime now) const noexcept {
    const auto next = next_deadline();
    return next && *next <= now ? std::optional(deadlines_.begin()->second) : std::nullopt;
}

}  // namespace inod
