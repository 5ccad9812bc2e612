// The frame: what every message on inod's binary socket is wrapped in. PROTOCOL.md describes the
// whole wire; this folder is it in C++, without any I/O.
//
// A frame is its header and a body. Integers are little-endian.
//
//   offset  size  field
//        0     2  size       bytes of the whole frame, header included, from 8
//        2     1  operation  see Operation; a reply has that of its request
//        3     1  flags      see flag_long and its neighbours; all others are 0
//        4     2  pool       in a request: the pool's index; in a reply: an Errc, 0 for success
//        6     2  tag        chosen by the client, comes back in the reply; 0 is for frames that
//                            the daemon sends unasked
//        8        body       as the operation says, then extensions if flag_extensions is set
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "lib/base/assert.h"
#include "lib/base/bytes.h"
#include "lib/base/errc.h"

namespace inod::proto {

// The protocol version that this folder speaks.
inline constexpr std::uint16_t version = 1;

inline constexpr std::size_t frame_header_size = 2 + 1 + 1 + 2 + 2;
inline constexpr std::size_t request_size_max = 4096;  // bytes of a request's whole frame
inline constexpr std::size_t reply_size_max = 65'535;  // bytes of a reply's whole frame

enum class Operation : std::uint8_t {
    none = 0,  // In frames that the daemon sends unasked and that belong to no operation.
    hello = 1,
    ping = 2,
    allocate = 3,
    allocate_at = 4,
    release = 5,
    lookup = 6,
    next = 7,
    list = 8,
    pools = 9,
    stats = 10,
    bind = 11,
    renew = 12,
    release_all = 13,
    holders = 14,
    reserve = 15,
    unreserve = 16,
    advance = 17,
    wait = 18,
    watch = 19,
    lookup_levels = 20,
    token_epoch = 21,
    resume = 22,  // no request: see resume.h
};

// The operation's name as in the enumeration; "unknown" for a value that is none.
std::string_view name(Operation operation) noexcept;

// Does a request of this operation take a file descriptor that comes with it?
bool takes_descriptor(Operation operation) noexcept;

inline constexpr std::uint8_t flag_long = 1U << 0U;        // The operation's long form.
inline constexpr std::uint8_t flag_extensions = 1U << 1U;  // Extensions follow the body.
inline constexpr std::uint8_t flag_reply = 1U << 2U;       // In every frame from the daemon.
inline constexpr std::uint8_t flag_others = 1U << 3U;      // Of release: whoever holds it.

// In `pool` of a stats request: the daemon as a whole. No pool has this index.
inline constexpr std::uint16_t whole_daemon = 0xffff;

struct FrameHeader {
    std::uint16_t size = 0;
    Operation operation = Operation::none;  // As received: may be a value that the enum lacks.
    std::uint8_t flags = 0;
    std::uint16_t pool = 0;  // In a reply the Errc, see code().
    std::uint16_t tag = 0;

    [[nodiscard]] bool is_reply() const { return (flags & flag_reply) != 0; }
    [[nodiscard]] Errc code() const { return static_cast<Errc>(pool); }

    friend bool operator==(const FrameHeader&, const FrameHeader&) = default;
};

// Requires at least frame_header_size bytes. Any bytes are a header; what they mean is not checked. Its fields
// are read at once, and written: they are one integer, too.
inline FrameHeader decode_header(std::span<const std::byte> bytes) noexcept {
    INOD_ASSERT(bytes.size() >= frame_header_size);
    const auto fields = ByteReader(bytes).get<std::uint64_t>();
    return {.size = static_cast<std::uint16_t>(fields),
            .operation = static_cast<Operation>(static_cast<std::uint8_t>(fields >> 16U)),
            .flags = static_cast<std::uint8_t>(fields >> 24U),
            .pool = static_cast<std::uint16_t>(fields >> 32U),
            .tag = static_cast<std::uint16_t>(fields >> 48U)};
}
inline void encode_header(ByteWriter& out, const FrameHeader& header) noexcept {
    out.put(std::uint64_t{header.size} |
            std::uint64_t{static_cast<std::uint8_t>(header.operation)} << 16U |
            std::uint64_t{header.flags} << 24U | std::uint64_t{header.pool} << 32U |
            std::uint64_t{header.tag} << 48U);
}

// One whole frame as it was received: its header, and all its bytes, header included.
struct Frame {
    FrameHeader header;
    std::span<const std::byte> bytes;

    // There was no room for it: `bytes` are its header alone.
    [[nodiscard]] bool is_cut() const noexcept { return bytes.size() < header.size; }
};

// Cuts a received stream into frames, in memory that its owner gives, allocating nothing:
//
//     const auto size = recv(fd, splitter.prepare());
//     splitter.received(size);
//     while (const auto frame = splitter.next()) answer(*frame);
//     if (splitter.error() != Errc::ok) close();
//
// Thread safety: none of its own; it belongs to one session.
class FrameSplitter {
public:
    // `frame_size_max` is request_size_max in a daemon and reply_size_max in a client. `memory` outlives
    // the splitter, or until move_to(). If it is smaller than frame_size_max, a frame may be cut. Requires that it
    // is larger than a header.
    FrameSplitter(std::span<std::byte> memory, std::size_t frame_size_max) noexcept;

    // Where the next bytes go: all the room behind those already there. Frames that next() gave
    // before are no longer valid after this, since the bytes of a frame not yet complete may move
    // to the start. Never empty when next() has said that there is no frame: one that has filled the memory
    // and is not whole yet is cut.
    std::span<std::byte> prepare() noexcept;

    // Says that `size` bytes were put where prepare() said. Requires that they fit there.
    void received(std::size_t size) noexcept;

    // The next whole frame, or nothing: then either more bytes are needed or the stream is out of
    // step, which error() tells. One that is cut comes when its last byte has.
    std::optional<Frame> next() noexcept;

    // Takes back the frame that next() gave last: it gives it once more. For whoever cannot answer
    // it yet. Requires that neither next() nor prepare() was called since.
    void put_back(const Frame& frame) noexcept;

    // ok; frame_malformed (a size below 8) or frame_too_long, for good from the first such header
    // on. The daemon's session sends an error frame with tag 0 and closes; the client closes.
    [[nodiscard]] Errc error() const noexcept { return error_; }

    // How many bytes wait, of frames complete or not; of one that is cut its header's.
    [[nodiscard]] std::size_t pending() const noexcept { return end_ - begin_; }

    // Passes over all that was received up to and with the first place where these bytes stand, at the beginning
    // of a frame or not. False if they have not come yet: no more is kept of what has than their beginning. Requires that
    // next() was not called before, or they came once.
    bool skip_past(std::span<const std::byte> mark) noexcept;

    // Goes on in other memory. Frames that next() gave before are no longer valid. Requires that what is
    // pending fits there.
    void move_to(std::span<std::byte> memory) noexcept;

    // Do the next bytes to come belong to a frame that has begun? Requires that next() said that there is no
    // frame.
    [[nodiscard]] bool is_within_frame() const noexcept { return pending() > 0; }

    // How many bytes the frame lacks that next() found incomplete: up to the end of its header, or
    // once that is there to its own. Requires that next() said that there is no frame, and no error.
    [[nodiscard]] std::size_t missing() const noexcept;

private:
    [[nodiscard]] bool is_too_long_for_memory() const noexcept;

    std::span<std::byte> memory_;
    std::size_t frame_size_max_;
    std::size_t begin_ = 0;  // of the first frame not yet given out
    std::size_t end_ = 0;    // of what was received
    // Of the first frame only the header is kept, and of the bytes to come so many are dropped first.
    bool is_cut_ = false;
    std::size_t dropped_ = 0;
    Errc error_ = Errc::ok;
};

}  // namespace inod::proto
