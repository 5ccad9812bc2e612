// Extensions: what later versions add to a frame behind its body, to its end, when flag_extensions
// is set. Each is
//
//   offset  size  field
//        0     2  type   bit 15 set: required, refused by whoever does not know it; else skipped
//        2     2  size   bytes of data
//        4  size  data
//
// Version 1 knows none.
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

// Reads all that is left of `in` as extensions that nobody here knows.
//
// Errors: body_malformed, if they do not end where the frame ends; extension_unknown at the first
//   required one, with its type as the detail.
Result<> skip_extensions(ByteReader in) noexcept;

// Adds an extension to a frame that stands alone in `frame` as `size` bytes. Returns its new size,
// 0 if there is no room or the frame would pass 65535 bytes; then nothing has changed.
std::size_t add_extension(std::span<std::byte> frame, std::size_t size,
                          const Extension& extension) noexcept;

}  // namespace inod::proto
