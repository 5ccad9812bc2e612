// From frames to structs: what a client does, and the texts. The way there is in reply_encode.cc.
#include "proto/reply.h"

#include <algorithm>
#include <charconv>

#include "proto/extension.h"

namespace inod::proto {

std::string_view name(Binding binding) noexcept {
    switch (binding) {
        case Binding::persistent: return "persistent";
        case Binding::connection: return "connection";
        case Binding::process: return "process";
        case Binding::ttl: return "ttl";
    }
    return "unknown";
}

std::string_view name(PoolPolicy policy) noexcept {
    switch (policy) {
        case PoolPolicy::unique: return "unique";
        case PoolPolicy::cyclic: return "cyclic";
        case PoolPolicy::lowest: return "lowest";
    }
    return "unknown";
}

std::string_view name(PoolDurability durability) noexcept {
    switch (durability) {
        case PoolDurability::lease: return "lease";
        case PoolDurability::block: return "block";
    }
    return "unknown";
}

std::string_view name(EventKind kind) noexcept {
    switch (kind) {
        case EventKind::allocated: return "allocated";
        case EventKind::claimed: return "claimed";
        case EventKind::released: return "released";
        case EventKind::reserved_ids: return "reserved";
        case EventKind::unreserved_ids: return "unreserved";
        case EventKind::holder_ended: return "holder_ended";
        case EventKind::released_some: return "released_some";
    }
    return "unknown";
}

void get_item(ByteReader& in, LeaseRecord& lease) {
    lease.range.first = in.get<Id>();
    lease.range.last = in.get<Id>();
    lease.generation = in.get<std::uint64_t>();
    lease.uid = in.get<std::uint32_t>();
    lease.gid = in.get<std::uint32_t>();
    // The binding is the lowest byte.
    const auto bound = in.get<std::uint64_t>();
    lease.binding = static_cast<Binding>(bound & 0xffU);
    lease.holder = bound >> 8U;
}

void get_item(ByteReader& in, LevelRecord& level) {
    level.pool = in.get<std::uint16_t>();
    in.get<std::uint16_t>();
    in.get<std::uint32_t>();
    level.id = in.get<Id>();
    level.generation = in.get<std::uint64_t>();
}

void get_item(ByteReader& in, HolderRecord& holder) {
    holder.holder = in.get<std::uint64_t>();
    holder.ids = in.get<std::uint64_t>();
    holder.index = in.get<std::uint32_t>();
    holder.uid = in.get<std::uint32_t>();
    holder.gid = in.get<std::uint32_t>();
    holder.binding = static_cast<Binding>(in.get<std::uint32_t>() & 0xffU);
    holder.pid = in.get<std::uint32_t>();
    holder.left_ms = in.get<std::uint64_t>();
    get_item(in, holder.name);
}

void get_item(ByteReader& in, Event& event) {
    event.lsn = in.get<std::uint64_t>();
    event.range.first = in.get<Id>();
    event.range.last = in.get<Id>();
    event.generation = in.get<std::uint64_t>();
    event.uid = in.get<std::uint32_t>();
    in.get<std::uint32_t>();
    // The kind is the lowest byte.
    const auto held = in.get<std::uint64_t>();
    event.kind = static_cast<EventKind>(held & 0xffU);
    event.holder = held >> 8U;
}

void get_item(ByteReader& in, PoolEntry& pool) {
    pool.index = in.get<std::uint16_t>();
    pool.policy = static_cast<PoolPolicy>(in.get<std::uint8_t>());
    pool.durability = static_cast<PoolDurability>(in.get<std::uint8_t>());
    pool.lease_count_max = in.get<std::uint32_t>();
    pool.range.first = in.get<Id>();
    pool.range.last = in.get<Id>();
    get_item(in, pool.name);
}

namespace {

using BodyResult = Result<Reply::Body>;

BodyResult get_lease(ByteReader& in) {
    LeaseReply lease;
    lease.range.first = in.get<Id>();
    lease.range.last = in.get<Id>();
    lease.generation = in.get<std::uint64_t>();
    if (lease.range.first > lease.range.last) return Errc::protocol_violation;
    return lease;
}

BodyResult get_record(ByteReader& in) {
    LeaseRecord lease;
    get_item(in, lease);
    if (lease.range.first > lease.range.last) return Errc::protocol_violation;
    return lease;
}

BodyResult get_lookup(ByteReader& in) {
    LookupReply lookup;
    lookup.generation = in.get<std::uint64_t>();
    lookup.uid = in.get<std::uint32_t>();
    lookup.gid = in.get<std::uint32_t>();
    lookup.below = in.get<std::uint32_t>();
    lookup.above = in.get<std::uint32_t>();
    return lookup;
}

template <class Item>
struct Table {
    bool more;
    Packed<Item> items;
};

// Count, more, items; nothing if they are not all there.
template <class Item>
std::optional<Table<Item>> get_table(ByteReader& in) {
    const auto count = in.get<std::uint32_t>();
    const bool more = in.get<std::uint32_t>() != 0;
    const auto items = Packed<Item>::read(in, count);
    if (!items) return std::nullopt;
    return Table<Item>{more, *items};
}

// Callers rely on ascending leases: a next page starts behind the last one's end.
bool ascends(Packed<LeaseRecord> leases) {
    std::optional<Id> last;
    while (const auto lease = leases.take()) {
        if (lease->range.first > lease->range.last) return false;
        if (last && lease->range.first <= *last) return false;
        last = lease->range.last;
    }
    return true;
}

BodyResult get_list(ByteReader& in) {
    const auto table = get_table<LeaseRecord>(in);
    if (!table || !ascends(table->items)) return Errc::protocol_violation;
    // More behind nothing would be asked for without end.
    if (table->more && table->items.count() == 0) return Errc::protocol_violation;
    return ListReply{.more = table->more, .leases = table->items};
}

std::optional<PoolsReply> get_pools(ByteReader& in) {
    const auto table = get_table<PoolEntry>(in);
    if (!table || (table->more && table->items.count() == 0)) return std::nullopt;
    std::optional<std::uint16_t> last;
    for (auto rest = table->items; const auto pool = rest.take();) {
        if (pool->range.first > pool->range.last || (last && pool->index <= *last)) {
            return std::nullopt;
        }
        last = pool->index;
    }
    return PoolsReply{.more = table->more, .pools = table->items};
}

BodyResult get_hello(ByteReader& in) {
    HelloReply hello;
    hello.version = in.get<std::uint16_t>();
    in.get<std::uint16_t>();
    hello.request_size_max = in.get<std::uint32_t>();
    hello.features = in.get<std::uint64_t>();
    hello.token_epoch = in.get<std::uint64_t>();
    const auto key = in.get_bytes(hello.holder_key.size());
    std::copy(key.begin(), key.end(), hello.holder_key.begin());
    hello.tags_max = in.get<std::uint32_t>();
    const auto table = get_pools(in);
    if (!table) return Errc::protocol_violation;
    hello.table = *table;
    return hello;
}

BodyResult get_bind(ByteReader& in) {
    BindReply bind;
    bind.holder = in.get<std::uint64_t>();
    const auto key = in.get_bytes(bind.key.size());
    std::copy(key.begin(), key.end(), bind.key.begin());
    return bind;
}

BodyResult get_holders(ByteReader& in) {
    const auto table = get_table<HolderRecord>(in);
    if (!table || (table->more && table->items.count() == 0)) return Errc::protocol_violation;
    std::optional<std::uint32_t> last;
    for (auto rest = table->items; const auto holder = rest.take();) {
        if (last && holder->index <= *last) return Errc::protocol_violation;
        last = holder->index;
    }
    return HoldersReply{.more = table->more, .holders = table->items};
}

BodyResult get_wait(ByteReader& in) {
    const WaitReply wait{.is_over = in.get<std::uint32_t>() != 0};
    in.get<std::uint32_t>();
    return wait;
}

// A watcher goes on from `next`, so nothing is behind it, and it does not stand still.
BodyResult get_watch(ByteReader& in) {
    WatchReply watch;
    watch.next = in.get<std::uint64_t>();
    watch.missed = in.get<std::uint64_t>();
    const auto table = get_table<Event>(in);
    if (!table || watch.missed > watch.next) return Errc::protocol_violation;
    std::uint64_t last = watch.missed;
    for (auto rest = table->items; const auto event = rest.take();) {
        const bool ascends = event->lsn > last && event->lsn <= watch.next;
        if (!ascends || event->range.first > event->range.last) return Errc::protocol_violation;
        last = event->lsn;
    }
    watch.more = table->more;
    watch.events = table->items;
    return watch;
}

BodyResult get_levels(ByteReader& in) {
    const auto table = get_table<LevelRecord>(in);
    const bool is_sound = table && !table->more && table->items.count() > 0;
    if (!is_sound) return Errc::protocol_violation;
    return LevelsReply{.levels = table->items};
}

BodyResult get_error(ByteReader& in, Errc code) {
    ErrorReply error;
    error.error = Error(code, in.get<std::uint64_t>());
    get_item(in, error.text);
    return error;
}

BodyResult get_success(ByteReader& in, const FrameHeader& header) {
    switch (header.operation) {
        case Operation::ping:
        case Operation::renew:
        case Operation::reserve:
        case Operation::unreserve:
        case Operation::advance:
        case Operation::release: return DoneReply{};
        case Operation::bind: return get_bind(in);
        case Operation::release_all: return CountReply{.count = in.get<std::uint64_t>()};
        case Operation::token_epoch: return EpochReply{.epoch = in.get<std::uint64_t>()};
        case Operation::holders: return get_holders(in);
        case Operation::allocate:
        case Operation::allocate_at: return get_lease(in);
        case Operation::lookup:
            return (header.flags & flag_long) != 0 ? get_record(in) : get_lookup(in);
        case Operation::lookup_levels: return get_levels(in);
        case Operation::next: return get_record(in);
        case Operation::list: return get_list(in);
        case Operation::hello: return get_hello(in);
        case Operation::pools: {
            const auto pools = get_pools(in);
            if (!pools) return Errc::protocol_violation;
            return *pools;
        }
        case Operation::stats: {
            const auto table = get_table<Stat>(in);
            if (!table) return Errc::protocol_violation;
            return StatsReply{.stats = table->items};
        }
        case Operation::wait: return get_wait(in);
        case Operation::watch: return get_watch(in);
        case Operation::resume:
        case Operation::none: break;
    }
    return Error(Errc::operation_unknown, static_cast<std::uint64_t>(header.operation));
}

// A long form is lookup's alone, and there is none of an error.
bool flags_fit(const FrameHeader& header) {
    unsigned allowed = unsigned{flag_reply} | flag_extensions;
    if (header.operation == Operation::lookup && header.code() == Errc::ok) allowed |= flag_long;
    return header.is_reply() && (header.flags & ~allowed) == 0;
}

}  // namespace

Result<Reply> decode_reply(std::span<const std::byte> frame) noexcept {
    if (frame.size() < frame_header_size) return Errc::protocol_violation;
    const FrameHeader header = decode_header(frame);
    if (header.size != frame.size() || !header.is_reply()) return Errc::protocol_violation;

    ByteReader in(frame.subspan(frame_header_size));
    BodyResult body =
        header.code() == Errc::ok ? get_success(in, header) : get_error(in, header.code());
    if (!body) return body.error();
    if (!flags_fit(header) || in.overflowed()) return Errc::protocol_violation;
    if ((header.flags & flag_extensions) != 0) {
        const auto skipped =
            read_extensions(in, [](const Extension& /*unknown*/) { return false; });
        if (!skipped) return Errc::protocol_violation;
    } else if (!in.complete()) {
        return Errc::protocol_violation;
    }
    return Reply{.operation = header.operation, .tag = header.tag, .body = *body};
}

ErrorText::ErrorText(const Error& error) noexcept {
    const auto add = [this](std::string_view text) {
        const std::size_t size = std::min(text.size(), text_.size() - size_);
        std::copy_n(text.begin(), size, text_.begin() + static_cast<std::ptrdiff_t>(size_));
        size_ += size;
    };
    // Above these values are the refusals that a pool gives, of which there may be many.
    if (error.code > Errc::descriptor_unexpected || error.code == Errc::ok) return;
    add(explanation(error.code));
    std::string_view what;
    if (error.code == Errc::extension_unknown) what = "; extension type ";
    if (error.code == Errc::operation_unknown) what = "; operation ";
    if (error.code == Errc::version_unsupported) what = "; the daemon's newest is ";
    if (what.empty()) return;
    add(what);
    std::array<char, 20> digits{};
    char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), error.detail).ptr;
    add({digits.data(), static_cast<std::size_t>(end - digits.data())});
}

}  // namespace inod::proto
