// What a client asks: one struct per operation and form. The byte tables are in PROTOCOL.md.
//
// Neither direction allocates. Thread safety: plain functions and values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "lib/base/bytes.h"
#include "lib/base/range.h"
#include "lib/base/result.h"
#include "proto/frame.h"
#include "proto/packed.h"

namespace inod::proto {

// How a holder's hold ends. A client may meet values of later versions.
enum class Binding : std::uint8_t {
    persistent = 1,  // When it is released.
    connection = 2,  // When its connection ends.
    process = 3,     // When its process ends.
    ttl = 4,         // When its time is over.
};

// "INOD" in the order of its bytes, at the start of a hello's body.
inline constexpr std::uint32_t magic = 0x444f'4e49;

// The secret by which a client that comes back takes its holder over; all zero for none.
using HolderKey = std::array<std::byte, 16>;

// Bits of `features` in a hello and its reply.
inline constexpr std::uint64_t feature_descriptors = 1U << 0U;  // Requests come with descriptors.
inline constexpr std::uint64_t feature_resume = 1U << 1U;  // The connection may go on: resume.h.

// Must be a connection's first frame, and only that.
struct HelloRequest {
    std::uint16_t version_min = version;
    std::uint16_t version_max = version;
    std::uint64_t features = 0;     // Bits that the client would like.
    std::uint64_t token_epoch = 0;  // 0 for none.
    HolderKey holder_key{};
    Packed<std::string_view> pools;  // What the reply's table shall list; none: all there are.

    friend bool operator==(const HelloRequest&, const HelloRequest&) = default;
};

struct PingRequest {
    friend bool operator==(const PingRequest&, const PingRequest&) = default;
};

// `count` IDs in a row, wherever the pool's policy says. At least 1. Travels in the short form where any
// alignment will do.
struct AllocateRequest {
    std::uint64_t count = 1;
    std::uint64_t align = 1;  // The first is a multiple of it. At least 1.

    friend bool operator==(const AllocateRequest&, const AllocateRequest&) = default;
};

// Exactly these IDs.
struct AllocateAtRequest {
    Range range{};

    friend bool operator==(const AllocateAtRequest&, const AllocateAtRequest&) = default;
};

// Any range whose IDs are all live, the asker's and of one generation. Travels in the short form
// when it is one ID without a generation.
struct ReleaseRequest {
    Range range{};
    std::uint64_t generation = 0;  // 0: none given, for which only a unique pool releases.
    bool of_others = false;        // Whoever holds it.

    friend bool operator==(const ReleaseRequest&, const ReleaseRequest&) = default;
};

// Who holds this ID? Answered by a LookupReply.
struct LookupRequest {
    Id id = 0;

    friend bool operator==(const LookupRequest&, const LookupRequest&) = default;
};

// The long form of lookup, answered by the whole LeaseRecord.
struct LookupLeaseRequest {
    Id id = 0;
    std::uint64_t generation = 0;  // 0: any; otherwise another live one is a stale_generation.

    friend bool operator==(const LookupLeaseRequest&, const LookupLeaseRequest&) = default;
};

// The same, answered by the numbers at all levels of pools: a LevelsReply.
struct LookupLevelsRequest {
    Id id = 0;
    std::uint64_t generation = 0;  // as above

    friend bool operator==(const LookupLevelsRequest&, const LookupLevelsRequest&) = default;
};

// The lease at `id`, or the first above it.
struct NextRequest {
    Id id = 0;

    friend bool operator==(const NextRequest&, const NextRequest&) = default;
};

// Leases at and above `from`, at most `limit` of them and as many as fit a frame.
struct ListRequest {
    Id from = 0;
    std::uint32_t limit = 0;  // 0: as many as fit.

    friend bool operator==(const ListRequest&, const ListRequest&) = default;
};

// The table of pools, from the one with index Request::pool on.
struct PoolsRequest {
    friend bool operator==(const PoolsRequest&, const PoolsRequest&) = default;
};

// The numbers of Request::pool, or for whole_daemon of the daemon.
struct StatsRequest {
    friend bool operator==(const StatsRequest&, const StatsRequest&) = default;
};

// Acts as this holder from now on, in this connection. One that is there already is found by its name or
// its process, or by its key; otherwise it is made.
struct BindRequest {
    Binding binding = Binding::persistent;  // As received: may be a value that the enum lacks.
    std::uint32_t ttl_ms = 0;               // Of a ttl holder: 1 and more. Of others 0.
    HolderKey key{};                        // All zero: none.
    std::string_view name{};  // At most holder_name_size_max bytes, of persistent and ttl.

    friend bool operator==(const BindRequest&, const BindRequest&) = default;
};

inline constexpr std::size_t holder_name_size_max = 64;

// The holder that the connection acts as lasts its time again.
struct RenewRequest {
    friend bool operator==(const RenewRequest&, const RenewRequest&) = default;
};

// A holder gives back all that it has, and is at its end.
struct ReleaseAllRequest {
    std::uint64_t holder = 0;  // 0: the one that the connection acts as.

    friend bool operator==(const ReleaseAllRequest&, const ReleaseAllRequest&) = default;
};

// The holders with this index and higher ones.
struct HoldersRequest {
    std::uint32_t from = 0;
    std::uint32_t limit = 0;  // 0: as many as fit.

    friend bool operator==(const HoldersRequest&, const HoldersRequest&) = default;
};

// Takes IDs out of circulation, and gives them back to it.
struct ReserveRequest {
    Range range{};

    friend bool operator==(const ReserveRequest&, const ReserveRequest&) = default;
};
struct UnreserveRequest {
    Range range{};

    friend bool operator==(const UnreserveRequest&, const UnreserveRequest&) = default;
};

// The pool goes on above `last`.
struct AdvanceRequest {
    Id last = 0;

    friend bool operator==(const AdvanceRequest&, const AdvanceRequest&) = default;
};

// By which a request that is sent again is known to be the same, so that it is carried out once: an
// extension of allocate and allocate_at.
struct Token {
    std::uint64_t epoch = 0;   // as the daemon gave it: in a hello's reply, or with token_expired
    std::uint64_t number = 0;  // the client's choice, best a random one: of each request another

    friend bool operator==(const Token&, const Token&) = default;
};

inline constexpr std::uint16_t extension_token = 0x8001;  // its data: epoch, number

// How long a request may wait, milliseconds, that is answered when something has happened.
inline constexpr std::uint32_t no_wait = 0;
inline constexpr std::uint32_t wait_for_ever = 0xffff'ffff;

// Until this ID is not live any more, with this generation. Answered by a WaitReply.
struct WaitRequest {
    Id id = 0;
    std::uint64_t generation = 0;  // 0: whichever it has now.
    std::uint32_t timeout_ms = wait_for_ever;

    friend bool operator==(const WaitRequest&, const WaitRequest&) = default;
};

// In WatchRequest::from: after all that there is. The reply says which LSN that is, and comes at once.
inline constexpr std::uint64_t from_now = ~std::uint64_t{0};

// What happened in the pool after this LSN; if nothing did, once it does. Answered by a WatchReply.
struct WatchRequest {
    std::uint64_t from = from_now;
    std::uint32_t limit = 0;  // 0: as many as fit.
    std::uint32_t timeout_ms = wait_for_ever;

    friend bool operator==(const WatchRequest&, const WatchRequest&) = default;
};

// Which epoch are new tokens to be of?
struct TokenEpochRequest {
    friend bool operator==(const TokenEpochRequest&, const TokenEpochRequest&) = default;
};

struct Request {
    using Body =
        std::variant<HelloRequest, PingRequest, AllocateRequest, AllocateAtRequest, ReleaseRequest,
                     LookupRequest, LookupLeaseRequest, NextRequest, ListRequest, PoolsRequest,
                     StatsRequest, BindRequest, RenewRequest, ReleaseAllRequest, HoldersRequest,
                     ReserveRequest, UnreserveRequest, AdvanceRequest, WaitRequest, WatchRequest,
                     LookupLevelsRequest, TokenEpochRequest>;

    std::uint16_t pool = 0;  // The index from the pool table; 0 where the operation has none.
    std::uint16_t tag = 0;   // 1 to 65535; none that is under way on this connection.
    Body body;
    std::optional<Token> token{};

    friend bool operator==(const Request&, const Request&) = default;
};

Operation operation_of(const Request::Body& body) noexcept;

// Appends the request's frame to `out`. False, and nothing written, if it does not fit there or is
// longer than request_size_max, which only a hello with many pools can be.
[[nodiscard]] bool encode_request(ByteWriter& out, const Request& request) noexcept;

// Reads one whole frame, as FrameSplitter gives it. Any bytes are safe. A hello's pool names point
// into `frame`.
//
// Errors, looked for in this order; the error reply goes to the tag in the frame's header.
//   frame_malformed    Not one whole frame, or a hello without the magic. The session closes.
//   frame_too_long     Above request_size_max. The session closes.
//   operation_unknown  The detail is the operation. From here on, the connection goes on.
//   body_malformed     Tag 0, flags or a pool that the operation has not, a body that does not fit,
//                      a token that the operation does not take.
//   extension_unknown  A required extension that is not known. The detail is its type.
//   count_zero, range_reversed
Result<Request> decode_request(std::span<const std::byte> frame) noexcept;
// The same into `request`, whatever that was. After an error it has the frame's pool and tag, and its body is
// any. For a frame of FrameSplitter, whose header is known.
Result<> decode_request_into(const Frame& frame, Request& request) noexcept;

}  // namespace inod::proto
