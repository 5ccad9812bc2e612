// From structs to frames: what the daemon does. The way back is in reply.cc.
#include <algorithm>
#include <type_traits>

#include "lib/base/assert.h"
#include "proto/reply.h"

namespace inod::proto {

void put_item(ByteWriter& out, const LeaseRecord& lease) {
    out.put(lease.range.first);
    out.put(lease.range.last);
    out.put(lease.generation);
    out.put(lease.uid);
    out.put(lease.gid);
    out.put(lease.holder << 8U | std::uint64_t{static_cast<std::uint8_t>(lease.binding)});
}

void put_item(ByteWriter& out, const LevelRecord& level) {
    out.put(level.pool);
    out.put(std::uint16_t{0});
    out.put(std::uint32_t{0});
    out.put(level.id);
    out.put(level.generation);
}

void put_item(ByteWriter& out, const HolderRecord& holder) {
    out.put(holder.holder);
    out.put(holder.ids);
    out.put(holder.index);
    out.put(holder.uid);
    out.put(holder.gid);
    out.put(std::uint32_t{static_cast<std::uint8_t>(holder.binding)});
    out.put(holder.pid);
    out.put(holder.left_ms);
    put_item(out, holder.name);
}

void put_item(ByteWriter& out, const Event& event) {
    out.put(event.lsn);
    out.put(event.range.first);
    out.put(event.range.last);
    out.put(event.generation);
    out.put(event.uid);
    out.put(std::uint32_t{0});
    out.put(event.holder << 8U | std::uint64_t{static_cast<std::uint8_t>(event.kind)});
}

void put_item(ByteWriter& out, const PoolEntry& pool) {
    out.put(pool.index);
    out.put(static_cast<std::uint8_t>(pool.policy));
    out.put(static_cast<std::uint8_t>(pool.durability));
    out.put(pool.lease_count_max);
    out.put(pool.range.first);
    out.put(pool.range.last);
    put_item(out, pool.name);
}

namespace {

constexpr std::size_t list_head_size = frame_header_size + 4 + 4;
constexpr std::size_t hello_head_size = frame_header_size + 2 + 2 + 4 + 8 + 8 + 16 + 4 + 4 + 4;
static_assert(hello_head_size == table_head_size_max);
constexpr std::size_t watch_head_size = frame_header_size + 8 + 8 + 4 + 4;
static_assert(watch_head_size <= table_head_size_max);

void put_header(ByteWriter& out, std::size_t size, Operation operation, std::uint8_t flags,
                Errc code, std::uint16_t tag) {
    encode_header(out, {.size = static_cast<std::uint16_t>(size),
                        .operation = operation,
                        .flags = static_cast<std::uint8_t>(flags | flag_reply),
                        .pool = static_cast<std::uint16_t>(code),
                        .tag = tag});
}

// What stands before the items of a list, of pools and of stats.
void put_count(ByteWriter& out, std::uint32_t count, bool more) {
    out.put(count);
    out.put(std::uint32_t{more});
}

void put_hello(ByteWriter& out, const HelloReply& hello) {
    out.put(hello.version);
    out.put(std::uint16_t{0});
    out.put(hello.request_size_max);
    out.put(hello.features);
    out.put(hello.token_epoch);
    out.put_bytes(hello.holder_key);
    out.put(hello.tags_max);
}

template <class Item>
void put_table(ByteWriter& out, const Packed<Item>& items, bool more) {
    put_count(out, items.count(), more);
    out.put_bytes(items.bytes());
}

void put(ByteWriter&, const DoneReply&) {}
void put(ByteWriter& out, const LeaseRecord& lease) {
    put_item(out, lease);
}
void put(ByteWriter& out, const ListReply& list) {
    put_table(out, list.leases, list.more);
}
void put(ByteWriter& out, const PoolsReply& table) {
    put_table(out, table.pools, table.more);
}
void put(ByteWriter& out, const StatsReply& stats) {
    put_table(out, stats.stats, false);
}

void put(ByteWriter& out, const LeaseReply& lease) {
    out.put(lease.range.first);
    out.put(lease.range.last);
    out.put(lease.generation);
}

void put(ByteWriter& out, const BindReply& bind) {
    out.put(bind.holder);
    out.put_bytes(bind.key);
}

void put(ByteWriter& out, const CountReply& counted) {
    out.put(counted.count);
}

void put(ByteWriter& out, const EpochReply& told) {
    out.put(told.epoch);
}

void put(ByteWriter& out, const HoldersReply& table) {
    put_table(out, table.holders, table.more);
}

void put(ByteWriter& out, const WaitReply& wait) {
    out.put(std::uint32_t{wait.is_over});
    out.put(std::uint32_t{0});
}

void put_watch(ByteWriter& out, const WatchReply& watch) {
    out.put(watch.next);
    out.put(watch.missed);
}

void put(ByteWriter& out, const WatchReply& watch) {
    put_watch(out, watch);
    put_table(out, watch.events, watch.more);
}

void put(ByteWriter& out, const LevelsReply& table) {
    put_table(out, table.levels, false);
}

void put(ByteWriter& out, const LookupReply& lookup) {
    out.put(lookup.generation);
    out.put(lookup.uid);
    out.put(lookup.gid);
    out.put(lookup.below);
    out.put(lookup.above);
}

void put(ByteWriter& out, const HelloReply& hello) {
    put_hello(out, hello);
    put(out, hello.table);
}

// At most error_text_size_max bytes of it, cut before a character and not inside one.
std::string_view cut(std::string_view text) {
    if (text.size() <= error_text_size_max) return text;
    std::size_t size = error_text_size_max;
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0U) == 0x80U)
        --size;
    return text.substr(0, size);
}

void put(ByteWriter& out, const ErrorReply& error) {
    out.put(error.error.detail);
    put_item(out, cut(error.text));
}

// The bytes of each body, which is what put() writes.
template <class Item>
std::size_t table_size(const Packed<Item>& items) {
    return 4 + 4 + items.bytes().size();
}

std::size_t size_of(const DoneReply&) {
    return 0;
}
std::size_t size_of(const LeaseReply&) {
    return 24;
}
std::size_t size_of(const LookupReply&) {
    return 24;
}
std::size_t size_of(const LeaseRecord&) {
    return lease_record_size;
}
std::size_t size_of(const ListReply& list) {
    return table_size(list.leases);
}
std::size_t size_of(const PoolsReply& table) {
    return table_size(table.pools);
}
std::size_t size_of(const StatsReply& stats) {
    return table_size(stats.stats);
}
std::size_t size_of(const BindReply&) {
    return 24;
}
std::size_t size_of(const CountReply&) {
    return 8;
}
std::size_t size_of(const EpochReply&) {
    return 8;
}
std::size_t size_of(const HoldersReply& table) {
    return table_size(table.holders);
}
std::size_t size_of(const WaitReply&) {
    return 8;
}
std::size_t size_of(const WatchReply& watch) {
    return watch_head_size - list_head_size + table_size(watch.events);
}
std::size_t size_of(const LevelsReply& table) {
    return table_size(table.levels);
}
std::size_t size_of(const HelloReply& hello) {
    return hello_head_size - list_head_size + table_size(hello.table.pools);
}
std::size_t size_of(const ErrorReply& error) {
    return 8 + 2 + cut(error.text).size();
}

template <class Body>
constexpr Errc code_of(const Body& body) {
    if constexpr (std::is_same_v<Body, ErrorReply>) return body.error.code;
    return Errc::ok;
}

}  // namespace

template <class Body>
bool encode_reply_of(ByteWriter& out, Operation operation, std::uint16_t tag,
                     const Body& body) noexcept {
    const std::size_t size = frame_header_size + size_of(body);
    if (size > std::min(out.room(), reply_size_max)) return false;
    const bool long_form = std::is_same_v<Body, LeaseRecord> && operation == Operation::lookup;
    const std::size_t before = out.size();
    put_header(out, size, operation, long_form ? flag_long : std::uint8_t{0}, code_of(body), tag);
    put(out, body);
    INOD_ASSERT(out.size() == before + size);
    return true;
}

bool encode_reply(ByteWriter& out, const Reply& reply) noexcept {
    return std::visit(
        [&](const auto& body) { return encode_reply_of(out, reply.operation, reply.tag, body); },
        reply.body);
}

// Each alternative of Reply::Body.
template bool encode_reply_of(ByteWriter&, Operation, std::uint16_t, const DoneReply&) noexcept;
template bool encode_reply_of(ByteWriter&, Operation, std::uint16_t, const LeaseReply&) noexcept;
template bool encode_reply_of(ByteWriter&, Operation, std::uint16_t, const LookupReply&) noexcept;
template bool encode_reply_of(ByteWriter&, Operation, std::uint16_t, const LeaseRecord&) noexcept;
template bool encode_reply_of(ByteWriter&, Operation, std::uint16_t, const ListReply&) noexcept;
template bool encode_reply_of(ByteWriter&, Operation, std::uint16_t, const PoolsReply&) noexcept;
template bool encode_reply_of(ByteWriter&, Operation, std::uint16_t, const StatsReply&) noexcept;
template bool encode_reply_of(ByteWriter&, Operation, std::uint16_t, const HelloReply&) noexcept;
template bool encode_reply_of(ByteWriter&, Operation, std::uint16_t, const ErrorReply&) noexcept;
template bool encode_reply_of(ByteWriter&, Operation, std::uint16_t, const BindReply&) noexcept;
template bool encode_reply_of(ByteWriter&, Operation, std::uint16_t, const CountReply&) noexcept;
template bool encode_reply_of(ByteWriter&, Operation, std::uint16_t, const HoldersReply&) noexcept;
template bool encode_reply_of(ByteWriter&, Operation, std::uint16_t, const WaitReply&) noexcept;
template bool encode_reply_of(ByteWriter&, Operation, std::uint16_t, const WatchReply&) noexcept;
template bool encode_reply_of(ByteWriter&, Operation, std::uint16_t, const LevelsReply&) noexcept;
template bool encode_reply_of(ByteWriter&, Operation, std::uint16_t, const EpochReply&) noexcept;

std::size_t reply_size_limit(Operation operation) noexcept {
    switch (operation) {
        case Operation::release:
        case Operation::ping:
        case Operation::allocate:
        case Operation::renew:
        case Operation::release_all:
        case Operation::token_epoch:
        case Operation::bind:
        case Operation::reserve:
        case Operation::unreserve:
        case Operation::advance:
        case Operation::wait:
        case Operation::allocate_at: return frame_header_size + 24;
        case Operation::lookup:
        case Operation::next: return frame_header_size + lease_record_size;
        case Operation::lookup_levels: return list_head_size + levels_max * level_record_size;
        default: return reply_size_max;
    }
}

TableWriter::TableWriter(std::span<std::byte> memory, std::size_t head_size) noexcept
    : memory_(memory.first(std::min(memory.size(), reply_size_max))), size_(head_size) {
    INOD_ASSERT(memory.size() >= head_size);
}

TableWriter::TableWriter(std::span<std::byte> memory) noexcept
    : TableWriter(memory, list_head_size) {}

std::size_t TableWriter::finish(Operation operation, std::uint16_t tag, bool more) noexcept {
    ByteWriter out(memory_);
    put_header(out, size_, operation, 0, Errc::ok, tag);
    put_count(out, count_, more);
    return size_;
}

WatchReplyWriter::WatchReplyWriter(std::span<std::byte> memory) noexcept
    : TableWriter(memory, watch_head_size) {}

std::size_t WatchReplyWriter::finish(std::uint16_t tag, const WatchReply& watch) noexcept {
    ByteWriter out(memory_);
    put_header(out, size_, Operation::watch, 0, Errc::ok, tag);
    put_watch(out, watch);
    put_count(out, count_, watch.more);
    return size_;
}

HelloReplyWriter::HelloReplyWriter(std::span<std::byte> memory) noexcept
    : TableWriter(memory, hello_head_size) {}

std::size_t HelloReplyWriter::finish(std::uint16_t tag, const HelloReply& hello,
                                     bool more) noexcept {
    ByteWriter out(memory_);
    put_header(out, size_, Operation::hello, 0, Errc::ok, tag);
    put_hello(out, hello);
    put_count(out, count_, more);
    return size_;
}

}  // namespace inod::proto
