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
void put(ByteWriter&, const RenewRequest&) {}
void put(ByteWriter&, const TokenEpochRequest&) {}
void put(ByteWriter& out, const AllocateRequest& allocate) {
    out.put(allocate.count);
    if (allocate.align != 1) out.put(allocate.align);
}
void put(ByteWriter& out, const ReleaseAllRequest& release) {
    out.put(release.holder);
}
void put(ByteWriter& out, const AdvanceRequest& advance) {
    out.put(advance.last);
}

void put_range(ByteWriter& out, Range range) {
    out.put(range.first);
    out.put(range.last);
}

void put(ByteWriter& out, const ReserveRequest& reserve) {
    put_range(out, reserve.range);
}
void put(ByteWriter& out, const UnreserveRequest& unreserve) {
    put_range(out, unreserve.range);
}

void put(ByteWriter& out, const HoldersRequest& holders) {
    out.put(holders.from);
    out.put(holders.limit);
}

void put(ByteWriter& out, const BindRequest& bind) {
    out.put(static_cast<std::uint8_t>(bind.binding));
    out.put(std::uint8_t{0});
    out.put(std::uint16_t{0});
    out.put(bind.ttl_ms);
    out.put_bytes(bind.key);
    put_item(out, bind.name);
}

void put(ByteWriter& out, const WaitRequest& wait) {
    out.put(wait.id);
    out.put(wait.generation);
    out.put(wait.timeout_ms);
    out.put(std::uint32_t{0});
}

void put(ByteWriter& out, const WatchRequest& watch) {
    out.put(watch.from);
    out.put(watch.limit);
    out.put(watch.timeout_ms);
}

void put(ByteWriter& out, const LookupRequest& lookup) {
    out.put(lookup.id);
}
void put(ByteWriter& out, const NextRequest& next) {
    out.put(next.id);
}

void put(ByteWriter& out, const AllocateAtRequest& allocate) {
    put_range(out, allocate.range);
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

void put(ByteWriter& out, const LookupLevelsRequest& lookup) {
    out.put(lookup.id);
    out.put(lookup.generation);
}

void put(ByteWriter& out, const ListRequest& list) {
    out.put(list.from);
    out.put(list.limit);
    out.put(std::uint32_t{0});
}

bool has_long_form(Operation operation) {
    return operation == Operation::release || operation == Operation::lookup ||
           operation == Operation::allocate;
}

bool is_long(const Request::Body& body) {
    if (const auto* const release = std::get_if<ReleaseRequest>(&body)) return !is_short(*release);
    if (const auto* const allocate = std::get_if<AllocateRequest>(&body)) {
        return allocate->align != 1;
    }
    return std::holds_alternative<LookupLeaseRequest>(body);
}

std::uint8_t flags_of(const Request::Body& body) {
    const auto* const release = std::get_if<ReleaseRequest>(&body);
    const bool is_of_others = release != nullptr && release->of_others;
    return static_cast<std::uint8_t>((is_long(body) ? flag_long : 0U) |
                                     (is_of_others ? flag_others : 0U));
}

bool has_pool(Operation operation) {
    switch (operation) {
        case Operation::hello:
        case Operation::ping:
        case Operation::bind:
        case Operation::renew:
        case Operation::release_all:
        case Operation::token_epoch:
        case Operation::holders: return false;
        default: return true;
    }
}

Range get_range(ByteReader& in) {
    const Id first = in.get<Id>();
    return Range{first, in.get<Id>()};
}

// A body whose bytes end too early comes back as if it were whole: `in` remembers that, and
// decode_request() asks it once for all of them.

Result<HelloRequest> get_hello(ByteReader& in) {
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

ReleaseRequest get_release(ByteReader& in, std::uint8_t flags) {
    const bool of_others = (flags & flag_others) != 0;
    if ((flags & flag_long) == 0) {
        const Id id = in.get<Id>();
        return ReleaseRequest{.range = {id, id}, .generation = 0, .of_others = of_others};
    }
    const Range range = get_range(in);
    return ReleaseRequest{
        .range = range, .generation = in.get<std::uint64_t>(), .of_others = of_others};
}

LookupLeaseRequest get_lookup_lease(ByteReader& in) {
    const Id id = in.get<Id>();
    return {.id = id, .generation = in.get<std::uint64_t>()};
}

AllocateRequest get_allocate(ByteReader& in, bool long_form) {
    const auto count = in.get<std::uint64_t>();
    return AllocateRequest{.count = count, .align = long_form ? in.get<std::uint64_t>() : 1};
}

Result<BindRequest> get_bind(ByteReader& in) {
    BindRequest bind;
    bind.binding = static_cast<Binding>(in.get<std::uint8_t>());
    const bool has_zeros = in.get<std::uint8_t>() == 0 && in.get<std::uint16_t>() == 0;
    bind.ttl_ms = in.get<std::uint32_t>();
    const auto key = in.get_bytes(bind.key.size());
    std::copy(key.begin(), key.end(), bind.key.begin());
    get_item(in, bind.name);
    if (!has_zeros) return Errc::body_malformed;
    return bind;
}

HoldersRequest get_holders(ByteReader& in) {
    const auto from = in.get<std::uint32_t>();
    return HoldersRequest{.from = from, .limit = in.get<std::uint32_t>()};
}

LookupLevelsRequest get_lookup_levels(ByteReader& in) {
    const Id id = in.get<Id>();
    return LookupLevelsRequest{.id = id, .generation = in.get<std::uint64_t>()};
}

Result<ListRequest> get_list(ByteReader& in) {
    const Id from = in.get<Id>();
    const auto limit = in.get<std::uint32_t>();
    if (in.get<std::uint32_t>() != 0) return Errc::body_malformed;
    return ListRequest{.from = from, .limit = limit};
}

Result<WaitRequest> get_wait(ByteReader& in) {
    const Id id = in.get<Id>();
    const auto generation = in.get<std::uint64_t>();
    const auto timeout_ms = in.get<std::uint32_t>();
    if (in.get<std::uint32_t>() != 0) return Errc::body_malformed;
    return WaitRequest{.id = id, .generation = generation, .timeout_ms = timeout_ms};
}

WatchRequest get_watch(ByteReader& in) {
    const auto from = in.get<std::uint64_t>();
    const auto limit = in.get<std::uint32_t>();
    return WatchRequest{.from = from, .limit = limit, .timeout_ms = in.get<std::uint32_t>()};
}

template <class Body>
Result<> put_into(Request::Body& body, const Body& got) {
    body = got;
    return {};
}
template <class Body>
Result<> put_into(Request::Body& body, const Result<Body>& got) {
    if (!got) return got.error();
    return put_into(body, *got);
}

Result<> get_body(ByteReader& in, const FrameHeader& header, Request::Body& body) {
    const bool long_form = (header.flags & flag_long) != 0;
    switch (header.operation) {
        case Operation::hello: return put_into(body, get_hello(in));
        case Operation::ping: return put_into(body, PingRequest{});
        case Operation::allocate: return put_into(body, get_allocate(in, long_form));
        case Operation::allocate_at:
            return put_into(body, AllocateAtRequest{.range = get_range(in)});
        case Operation::release: return put_into(body, get_release(in, header.flags));
        case Operation::lookup:
            return long_form ? put_into(body, get_lookup_lease(in))
                             : put_into(body, LookupRequest{.id = in.get<Id>()});
        case Operation::lookup_levels: return put_into(body, get_lookup_levels(in));
        case Operation::next: return put_into(body, NextRequest{.id = in.get<Id>()});
        case Operation::list: return put_into(body, get_list(in));
        case Operation::pools: return put_into(body, PoolsRequest{});
        case Operation::stats: return put_into(body, StatsRequest{});
        case Operation::bind: return put_into(body, get_bind(in));
        case Operation::renew: return put_into(body, RenewRequest{});
        case Operation::token_epoch: return put_into(body, TokenEpochRequest{});
        case Operation::release_all:
            return put_into(body, ReleaseAllRequest{.holder = in.get<std::uint64_t>()});
        case Operation::holders: return put_into(body, get_holders(in));
        case Operation::reserve: return put_into(body, ReserveRequest{.range = get_range(in)});
        case Operation::unreserve: return put_into(body, UnreserveRequest{.range = get_range(in)});
        case Operation::advance: return put_into(body, AdvanceRequest{.last = in.get<Id>()});
        case Operation::wait: return put_into(body, get_wait(in));
        case Operation::watch: return put_into(body, get_watch(in));
        case Operation::resume:
        case Operation::none: break;
    }
    return Error(Errc::operation_unknown, static_cast<std::uint64_t>(header.operation));
}

// What the header alone tells, once the operation is known.
bool header_fits(const FrameHeader& header) {
    const unsigned allowed = flag_extensions |
                             (has_long_form(header.operation) ? unsigned{flag_long} : 0U) |
                             (header.operation == Operation::release ? unsigned{flag_others} : 0U);
    return (header.flags & ~allowed) == 0 && header.tag != 0 &&
           (has_pool(header.operation) || header.pool == 0);
}

bool takes_token(const Request::Body& body) {
    return std::holds_alternative<AllocateRequest>(body) ||
           std::holds_alternative<AllocateAtRequest>(body);
}

Result<> get_extensions(ByteReader in, Request& request) {
    return read_extensions(in, [&](const Extension& extension) -> Result<bool> {
        if (extension.type != extension_token) return false;
        ByteReader data(extension.data);
        const auto epoch = data.get<std::uint64_t>();
        const auto number = data.get<std::uint64_t>();
        const bool is_sound = data.complete() && takes_token(request.body) && !request.token;
        if (!is_sound) return Errc::body_malformed;
        request.token = Token{.epoch = epoch, .number = number};
        return true;
    });
}

// Returns the frame's new size.
std::size_t add_token(std::span<std::byte> frame, std::size_t size, const Token& token) {
    std::array<std::byte, 16> memory;
    ByteWriter data(memory);
    data.put(token.epoch);
    data.put(token.number);
    return add_extension(frame, size, {.type = extension_token, .data = memory});
}

// What the body says that no pool could grant.
Result<> check_values(const Request::Body& body) {
    if (const auto* const allocate = std::get_if<AllocateRequest>(&body)) {
        return allocate->count == 0 ? Errc::count_zero : Result<>();
    }
    return std::visit(
        [](const auto& b) -> Result<> {
            if constexpr (requires { b.range; }) {
                if (b.range.first > b.range.last) return Errc::range_reversed;
            }
            return {};
        },
        body);
}

}  // namespace

Operation operation_of(const Request::Body& body) noexcept {
    // In the order of the variant's alternatives.
    static constexpr std::array operations{
        Operation::hello,       Operation::ping,        Operation::allocate,
        Operation::allocate_at, Operation::release,     Operation::lookup,
        Operation::lookup,      Operation::next,        Operation::list,
        Operation::pools,       Operation::stats,       Operation::bind,
        Operation::renew,       Operation::release_all, Operation::holders,
        Operation::reserve,     Operation::unreserve,   Operation::advance,
        Operation::wait,        Operation::watch,       Operation::lookup_levels,
        Operation::token_epoch};
    static_assert(operations.size() == std::variant_size_v<Request::Body>);
    return operations.at(body.index());
}

bool encode_request(ByteWriter& out, const Request& request) noexcept {
    std::array<std::byte, request_size_max> memory;
    const std::span<std::byte> frame(memory);
    ByteWriter body(frame.subspan(frame_header_size));
    std::visit([&body](const auto& b) { put(body, b); }, request.body);
    if (body.overflowed()) return false;

    std::size_t size = frame_header_size + body.size();
    ByteWriter head(frame);
    encode_header(head, {.size = static_cast<std::uint16_t>(size),
                         .operation = operation_of(request.body),
                         .flags = flags_of(request.body),
                         .pool = request.pool,
                         .tag = request.tag});
    if (request.token) size = add_token(frame, size, *request.token);
    if (size == 0) return false;
    if (size > out.room()) return false;
    out.put_bytes(frame.first(size));
    return true;
}

Result<Request> decode_request(std::span<const std::byte> frame) noexcept {
    if (frame.size() < frame_header_size) return Errc::frame_malformed;
    const FrameHeader header = decode_header(frame);
    if (header.size > request_size_max) return Errc::frame_too_long;
    if (header.size != frame.size()) return Errc::frame_malformed;

    Request request;
    if (const auto done = decode_request_into(Frame{header, frame}, request); !done)
        return done.error();
    return request;
}

Result<> decode_request_into(const Frame& frame, Request& request) noexcept {
    const FrameHeader& header = frame.header;
    request.pool = header.pool;
    request.tag = header.tag;
    request.token.reset();
    ByteReader in(frame.bytes.subspan(frame_header_size));
    if (const auto got = get_body(in, header, request.body); !got) return got;
    if (!header_fits(header) || in.overflowed()) return Errc::body_malformed;
    if ((header.flags & flag_extensions) != 0) {
        if (const auto known = get_extensions(in, request); !known) return known;
    } else if (!in.complete()) {
        return Errc::body_malformed;
    }
    return check_values(request.body);
}

}  // namespace inod::proto
