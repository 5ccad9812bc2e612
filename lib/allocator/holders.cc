#include "lib/allocator/holders.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <new>
#include <span>

#include "lib/base/assert.h"
#include "lib/pool/record.h"

namespace inod {
namespace {

// A holder's record in a snapshot, but for its name: lib/pool/record.h, with its prefix.
constexpr std::uint64_t record_size_max = 2 + 2 + 5 + 10 + 1 + 5 + 5 + 1 + 16 + 35 + 5 + 10;

// Many are found by their key alone and are in no chain, and of the others few are looked for at a time.
constexpr HolderIndex entries_per_chain = 4;

// Bits of a key's last word that are the index; the others are the secret's.
constexpr std::uint64_t index_mask = std::numeric_limits<HolderIndex>::max();

std::uint64_t saved_size_of(const Holder& holder) {
    return record_size_max + holder.name.size();
}

// Bytes that a name takes, with what malloc keeps beside it.
std::uint64_t memory_of(std::string_view name) {
    return name.empty() ? 0 : name.size() + 1 + 24;
}

}  // namespace

Holders::Holders(MemoryBudget& budget, const SipKey& hash_key)
    : budget_(budget), hash_key_(hash_key), counts_(budget) {}

Holders::~Holders() {
    budget_.give(budgeted_);
}

void Holders::Entry::set_who(const Holder& holder) noexcept {
    binding = holder.binding;
    if (binding == Binding::process) {
        const ProcessIdentity& who = holder.process;
        words = {who.inode, who.start_time, who.pid_namespace};
        ttl_ms_or_pid = who.pid;
        return;
    }
    const BootTime deadline = binding == Binding::ttl ? holder.deadline : none_due;
    words = {holder.key.words[0], holder.key.words[1], deadline};
    ttl_ms_or_pid = holder.ttl_ms;
}

ProcessIdentity Holders::Entry::process() const noexcept {
    if (binding != Binding::process) return {};
    return {
        .pid = ttl_ms_or_pid, .inode = words[0], .start_time = words[1], .pid_namespace = words[2]};
}

std::uint64_t Holders::hash_of(const Holder& holder) const noexcept {
    std::array<std::uint64_t, 2 + holder_name_size_max / sizeof(std::uint64_t)> words{
        std::uint64_t{holder.uid} << 32U | holder.name.size() << 8U |
        static_cast<std::uint64_t>(holder.binding)};
    std::size_t count = 1;
    if (holder.binding == Binding::process) {
        words[count++] = holder.process.inode;
        words[count++] = holder.process.start_time;
    }
    for (auto rest = holder.name.substr(0, holder_name_size_max); !rest.empty(); ++count) {
        const std::size_t size = std::min(rest.size(), sizeof(std::uint64_t));
        std::memcpy(&words[count], rest.data(), size);
        rest.remove_prefix(size);
    }
    return SipHash(hash_key_)(std::span(words).first(count));
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
    const HolderIndex found = identities_.find(
        hash_of(holder), [this](HolderIndex index) { return entries_[index].same_or_previous; },
        [&](HolderIndex index) {
            const Entry& mine = entries_[index];
            if (mine.binding != holder.binding || mine.uid != holder.uid) return false;
            return mine.binding == Binding::process ? mine.process() == holder.process
                                                    : (*this)[index].name == holder.name;
        });
    return found != none ? std::optional(found) : std::nullopt;
}

std::optional<HolderIndex> Holders::find_own(std::uint32_t uid) noexcept {
    if (contains(last_own_) && is_own(last_own_, uid)) return last_own_;
    const auto found = find(Holder{.binding = Binding::persistent, .uid = uid});
    if (found) last_own_ = *found;
    return found;
}

std::optional<HolderIndex> Holders::find(const HolderKey& key) const noexcept {
    const auto index = static_cast<HolderIndex>(key.words[1] & index_mask);
    if (key.is_none() || !contains(index)) return std::nullopt;
    // All of it is looked at, so that the time tells nothing of where it differs.
    const HolderKey own = entries_[index].key();
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

// So many of them, the new ones spare, and the chains for them.
Result<> Holders::make_entries(std::size_t count) {
    while (entries_.size() < count) {
        const auto index = static_cast<HolderIndex>(entries_.size());
        if (index == none) return Errc::out_of_memory;
        if (auto room = make_room(entries_, budget_, budgeted_); !room) return room;
        if (index % entries_per_chain == 0) {
            if (auto room = make_room(identities_, budget_, budgeted_); !room) return room;
            identities_.add_chain([this](HolderIndex of) { return hash_of((*this)[of]); }, link());
        }
        entries_.push_back();
        add_spare(index);
    }
    return {};
}

void Holders::add_spare(HolderIndex index) noexcept {
    Entry& entry = entries_[index];
    entry.next_or_place = spare_;
    entry.same_or_previous = none;
    if (spare_ != none) entries_[spare_].same_or_previous = index;
    spare_ = index;
}

void Holders::take_spare(HolderIndex index) noexcept {
    const HolderIndex next = entries_[index].next_or_place;
    const HolderIndex previous = entries_[index].same_or_previous;
    (previous != none ? entries_[previous].next_or_place : spare_) = next;
    if (next != none) entries_[next].same_or_previous = previous;
}

// In a spare entry.
Result<> Holders::put(HolderIndex index, const Holder& holder) {
    Entry& entry = entries_[index];
    const auto counted = counts_.insert(holder.uid);
    if (!counted) return counted.error();
    if (auto taken = take_name(entry, holder.name); !taken) {
        if (**counted == 0) counts_.erase(holder.uid);
        return taken;
    }
    ++**counted;
    take_spare(index);
    entry.id = holder.id;
    entry.uid = holder.uid;
    entry.gid = holder.gid;
    entry.set_who(holder);
    entry.is_recorded = false;
    entry.is_ending = false;
    entry.pins = 0;
    entry.has_deadline = false;
    if (has_identity(holder)) identities_.insert(index, hash_of(holder), link());
    ++size_;
    saved_size_ += saved_size_of(holder);
    next_id_ = std::max(next_id_, holder.id + 1);
    return {};
}

Result<> Holders::take_name(Entry& entry, std::string_view name) {
    if (name.empty()) return {};
    if (!budget_.take(memory_of(name))) return Errc::out_of_memory;
    entry.name.reset(new (std::nothrow) char[name.size() + 1]);
    if (!entry.name) {
        budget_.give(memory_of(name));
        return Errc::out_of_memory;
    }
    *std::copy(name.begin(), name.end(), entry.name.get()) = '\0';
    budgeted_ += memory_of(name);
    return {};
}

void Holders::uncount(std::uint32_t uid) noexcept {
    if (--*counts_.find(uid) == 0) counts_.erase(uid);
}

void Holders::queue_end(HolderIndex index) noexcept {
    Entry& entry = entries_[index];
    if (entry.is_ending) return;
    drop_deadline(index);
    entry.is_ending = true;
    entry.next_or_place = ending_;
    ending_ = index;
}

bool Holders::has_ending() const noexcept {
    HolderIndex index = ending_;
    while (index != none && is_pinned(index))
        index = entries_[index].next_or_place;
    return index != none;
}

std::optional<HolderIndex> Holders::take_ending() noexcept {
    HolderIndex* at = &ending_;
    while (*at != none && is_pinned(*at))
        at = &entries_[*at].next_or_place;
    const HolderIndex index = *at;
    if (index == none) return std::nullopt;
    *at = entries_[index].next_or_place;
    return index;
}

void Holders::remove(HolderIndex index) noexcept {
    INOD_ASSERT(contains(index) && !is_pinned(index));
    Entry& entry = entries_[index];
    const Holder holder = (*this)[index];
    saved_size_ -= saved_size_of(holder);
    if (has_identity(holder)) identities_.remove(index, hash_of(holder), link());
    drop_deadline(index);
    uncount(entry.uid);
    budget_.give(memory_of(holder.name));
    budgeted_ -= memory_of(holder.name);
    // Nobody ever heard of it: its number is the next one's.
    if (!entry.is_recorded && holder.id + 1 == next_id_) --next_id_;
    entry.name.reset();
    entry.id = 0;
    entry.words = {};
    add_spare(index);
    --size_;
}

Holder Holders::operator[](HolderIndex index) const noexcept {
    const Entry& entry = entries_[index];
    return {.id = entry.id,
            .binding = entry.binding,
            .uid = entry.uid,
            .gid = entry.gid,
            .name = entry.name ? std::string_view(entry.name.get()) : std::string_view(),
            .key = entry.key(),
            .process = entry.process(),
            .ttl_ms = entry.binding == Binding::process ? 0 : entry.ttl_ms_or_pid,
            .deadline = entry.binding == Binding::ttl ? entry.deadline() : 0};
}

}  // namespace inod
