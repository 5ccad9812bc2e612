// The two frames by which a connection goes on that outlives the process at one of its ends: the service manager keeps
// it open while another daemon starts, and the client sees no end of the stream.
//
// The new daemon sends `resumed`. The client answers with `resume`, which has the same mark, and goes on behind it as
// on a new connection. Whatever it sent before is passed over, up to the mark, wherever its frames begin and end.
//
//   offset  size  resumed (to the client)            resume (from the client)
//        0     8  header: flag_reply, code 0, tag 0  header: pool 0, tag 0
//        8    16  mark                               mark
//       24     1  Unanswered
//       25     7  zero
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "lib/base/bytes.h"
#include "lib/base/result.h"
#include "proto/frame.h"

namespace inod::proto {

// What nobody can have sent before it was told.
using ResumeMark = std::array<std::byte, 16>;

inline constexpr std::size_t resumed_size = frame_header_size + sizeof(ResumeMark) + 8;
inline constexpr std::size_t resume_size = frame_header_size + sizeof(ResumeMark);

// What became of the requests that the client has no reply to.
enum class Unanswered : std::uint8_t {
    undone = 0,    // None was carried out, nor will be.
    in_doubt = 1,  // Each may have been carried out, or not.
};

struct Resumed {
    ResumeMark mark{};
    Unanswered unanswered = Unanswered::undone;

    friend bool operator==(const Resumed&, const Resumed&) = default;
};

// Writes it. Requires room for resumed_size bytes.
void encode_resumed(ByteWriter& out, const Resumed& resumed) noexcept;

// Errors: operation_unknown if it is another frame; body_malformed. Requires the whole frame.
Result<Resumed> decode_resumed(const Frame& frame) noexcept;

// The client's answer, byte by byte what the daemon looks for.
std::array<std::byte, resume_size> encode_resume(const ResumeMark& mark) noexcept;

}  // namespace inod::proto
