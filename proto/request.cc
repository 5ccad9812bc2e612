#include "proto/request.h"

#include <algorithm>
#include <array>

#include "proto/extension.h"

namespace inod::proto {

void get_item(ByteReader& in, std::string_view& name) {
    const auto size = in.get<std::uint16_t>();
    name = in.get_text(size);
}

void put_item(ByteWriter& out, std::string_view name) {
    out.put(static_cast<std::uint16_t>(name.size()));
    out.put_text(name);
}

namespace {

// The bodies, one pair of functions per form: put() writes one, get_...() reads it. Fields must
// stand in the same order in both and in PROTOCOL.md; the golden vectors hold all three together.

void put(ByteWriter& out, const HelloRequest& hello) {
    out.put(magic);
    out.put(hello.version_min);
    out.put(hello.version_max);
    out.put(hello.features);
    out.put(hello.token_epoch);
    out.put_bytes(hello.holder_key);
    out.put(static_cast<std::uint16_t>(hello.pools.count()));
    out.put_bytes(hello.pools.bytes());
}

void put(ByteWriter&, const PingRequest&) {}
void put(ByteWriter&, const PoolsRequest&) {}
void put(ByteWriter&, const StatsRequest&) {}
void put(ByteWriter& out, const AllocateRequest& allocate) {
    out.put(allocate.count);
}
void put(ByteWriter& out, const LookupRequest& lookup) {
    out.put(lookup.id);
}
void put(ByteWriter& out, const NextRequest& next) {
    out.put(next.id);
}

void put(ByteWriter& out, const AllocateAtRequest& allocate) {
    out.put(allocate.range.first);
    out.put(allocate.range.last);
}

bool is_short(const ReleaseRequest& release) {
    return release.range.first == release.range.last && release.generation == 0;
}

void put(ByteWriter& out, const ReleaseRequest& release) {
    out.put(release.range.first);
    if (is_short(release)) return;
    out.put(release.range.last);
    out.put(release.generation);
}

void put(ByteWriter& out, const LookupLeaseRequest& lookup) {
    out.put(lookup.id);
    out.put(lookup.generation);
}

void put(ByteWriter& out, const ListRequest& list) {
    out.put(list.from);
    out.put(list.limit);
    out.put(std::uint32_t{0});
}

bool has_long_form(Operation operation) {
    return operation == Operation::release || operation == Operation::lookup;
}

bool is_long(const Request::Body& body) {
    if (const auto* const release = std::get_if<ReleaseRequest>(&body)) return !is_short(*release);
    return std::holds_alternative<LookupLeaseRequest>(body);
}

bool has_pool(Operation operation) {
    return operation != Operation::hello && operation != Operation::ping;
}

Range get_range(ByteReader& in) {
    const Id first = in.get<Id>();
    return Range{first, in.get<Id>()};
}

// A body whose bytes end too early comes back as if it were whole: `in` remembers that, and
// decode_request() asks it once for all of them.
using BodyResult = Result<Request::Body>;

BodyResult get_hello(ByteReader& in) {
    // Whoever does not begin so is no client of ours, and what follows need not be frames.
    if (in.get<std::uint32_t>() != magic) return Errc::frame_malformed;
    HelloRequest hello;
    hello.version_min = in.get<std::uint16_t>();
    hello.version_max = in.get<std::uint16_t>();
    hello.features = in.get<std::uint64_t>();
    hello.token_epoch = in.get<std::uint64_t>();
    const auto key = in.get_bytes(hello.holder_key.size());
    std::copy(key.begin(), key.end(), hello.holder_key.begin());
    const auto count = in.get<std::uint16_t>();
    const auto pools = Packed<std::string_view>::read(in, count);
    if (!pools || hello.version_min > hello.version_max) return Errc::body_malformed;
    hello.pools = *pools;
    return hello;
}

BodyResult get_release(ByteReader& in, bool long_form) {
    if (!long_form) {
        const Id id = in.get<Id>();
        return ReleaseRequest{.range = {id, id}, .generation = 0};
    }
    const Range range = get_range(in);
    return ReleaseRequest{.range = range, .generation = in.get<std::uint64_t>()};
}

BodyResult get_lookup(ByteReader& in, bool long_form) {
    const Id id = in.get<Id>();
    if (!long_form) return LookupRequest{.id = id};
    return LookupLeaseRequest{.id = id, .generation = in.get<std::uint64_t>()};
}

BodyResult get_list(ByteReader& in) {
    const Id from = in.get<Id>();
    const auto limit = in.get<std::uint32_t>();
    if (in.get<std::uint32_t>() != 0) return Errc::body_malformed;
    return ListRequest{.from = from, .limit = limit};
}

BodyResult get_body(ByteReader& in, Operation operation, bool long_form) {
    switch (operation) {
        case Operation::hello: return get_hello(in);
        case Operation::ping: return PingRequest{};
        case Operation::allocate: return AllocateRequest{.count = in.get<std::uint64_t>()};
        case Operation::allocate_at: return AllocateAtRequest{.range = get_range(in)};
        case Operation::release: return get_release(in, long_form);
        case Operation::lookup: return get_lookup(in, long_form);
        case Operation::next: return NextRequest{.id = in.get<Id>()};
        case Operation::list: return get_list(in);
        case Operation::pools: return PoolsRequest{};
        case Operation::stats: return StatsRequest{};
        case Operation::none: break;
    }
    return Error(Errc::operation_unknown, static_cast<std::uint64_t>(operation));
}

// What the header alone tells, once the operation is known.
bool header_fits(const FrameHeader& header) {
    const unsigned allowed =
        flag_extensions | (has_long_form(header.operation) ? unsigned{flag_long} : 0U);
    return (header.flags & ~allowed) == 0 && header.tag != 0 &&
           (has_pool(header.operation) || header.pool == 0);
}

// What the body says that no pool could grant.
Result<> check_values(const Request::Body& body) {
    if (const auto* const allocate = std::get_if<AllocateRequest>(&body)) {
        if (allocate->count == 0) return Errc::count_zero;
    } else if (const auto* const claim = std::get_if<AllocateAtRequest>(&body)) {
        if (claim->range.first > claim->range.last) return Errc::range_reversed;
    } else if (const auto* const release = std::get_if<ReleaseRequest>(&body)) {
        if (release->range.first > release->range.last) return Errc::range_reversed;
    }
    return {};
}

}  // namespace

Operation operation_of(const Request::Body& body) noexcept {
    // In the order of the variant's alternatives.
    static constexpr std::array operations{
        Operation::hello,   Operation::ping,   Operation::allocate, Operation::allocate_at,
        Operation::release, Operation::lookup, Operation::lookup,   Operation::next,
        Operation::list,    Operation::pools,  Operation::stats};
    static_assert(operations.size() == std::variant_size_v<Request::Body>);
    return operations.at(body.index());
}

bool encode_request(ByteWriter& out, const Request& request) noexcept {
    std::array<std::byte, request_size_max> memory;
    const std::span<std::byte> frame(memory);
    ByteWriter body(frame.subspan(frame_header_size));
    std::visit([&body](const auto& b) { put(body, b); }, request.body);
    if (body.overflowed()) return false;

    const std::size_t size = frame_header_size + body.size();
    ByteWriter head(frame);
    head.put(static_cast<std::uint16_t>(size));
    head.put(static_cast<std::uint8_t>(operation_of(request.body)));
    head.put(is_long(request.body) ? flag_long : std::uint8_t{0});
    head.put(request.pool);
    head.put(request.tag);
    if (size > out.room()) return false;
    out.put_bytes(frame.first(size));
    return true;
}

Result<Request> decode_request(std::span<const std::byte> frame) noexcept {
    if (frame.size() < frame_header_size) return Errc::frame_malformed;
    const FrameHeader header = decode_header(frame);
    if (header.size > request_size_max) return Errc::frame_too_long;
    if (header.size != frame.size()) return Errc::frame_malformed;

    ByteReader in(frame.subspan(frame_header_size));
    const bool long_form = (header.flags & flag_long) != 0;
    BodyResult body = get_body(in, header.operation, long_form);
    if (!body) return body.error();
    if (!header_fits(header) || in.overflowed()) return Errc::body_malformed;
    if ((header.flags & flag_extensions) != 0) {
        if (const auto skipped = skip_extensions(in); !skipped) return skipped.error();
    } else if (!in.complete()) {
        return Errc::body_malformed;
    }
    if (const auto checked = check_values(*body); !checked) return checked.error();
    return Request{.pool = header.pool, .tag = header.tag, .body = *body};
}

}  // namespace inod::proto
