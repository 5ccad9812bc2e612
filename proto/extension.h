// Extensions: what later versions add to a frame behind its body, to its end, when flag_extensions
// is set. Each is
//
//   offset  size  field
//        0     2  type   bit 15 set: required, refused by whoever does not know it; else skipped
//        2     2  size   bytes of data
//        4  size  data
//
// Version 1 knows one, of requests: the token (request.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "lib/base/bytes.h"
#include "lib/base/result.h"

namespace inod::proto {

inline constexpr std::uint16_t extension_required = 0x8000;

struct Extension {
    std::uint16_t type = 0;
    std::span<const std::byte> data;
};

// Reads all that is left of `in` as extensions: calls take(extension) for each, which says whether it
// knows the type, or fails with body_malformed.
//
// Errors: body_malformed, also if they do not end where the frame ends; extension_unknown at the first
//   required one that is not known, with its type as the detail.
template <class Take>
Result<> read_extensions(ByteReader in, Take take) noexcept {
    // All are looked at before one is refused, so that a broken list is always said to be broken.
    std::uint16_t refused = 0;
    while (in.left() > 0) {
        const auto type = in.get<std::uint16_t>();
        const auto size = in.get<std::uint16_t>();
        const Extension extension{.type = type, .data = in.get_bytes(size)};
        if (in.overflowed()) return Errc::body_malformed;
        const Result<bool> known = take(extension);
        if (!known) return known.error();
        if (!*known && refused == 0 && (type & extension_required) != 0) refused = type;
    }
    if (refused != 0) return Error(Errc::extension_unknown, refused);
    return {};
}

// Adds an extension to a frame that stands alone in `frame` as `size` bytes. Returns its new size,
// 0 if there is no room or the frame would pass 65535 bytes; then nothing has changed.
std::size_t add_extension(std::span<std::byte> frame, std::size_t size,
                          const Extension& extension) noexcept;

}  // namespace inod::proto
