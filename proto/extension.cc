#include "proto/extension.h"

#include <algorithm>

#include "proto/frame.h"

namespace inod::proto {

Result<> skip_extensions(ByteReader in) noexcept {
    // All are looked at before one is refused, so that a broken list is always said to be broken.
    std::uint16_t refused = 0;
    while (in.left() > 0) {
        const auto type = in.get<std::uint16_t>();
        const auto size = in.get<std::uint16_t>();
        in.get_bytes(size);
        if (in.overflowed()) return Errc::body_malformed;
        if (refused == 0 && (type & extension_required) != 0) refused = type;
    }
    if (refused != 0) return Error(Errc::extension_unknown, refused);
    return {};
}

std::size_t add_extension(std::span<std::byte> frame, std::size_t size,
                          const Extension& extension) noexcept {
    const std::size_t grown = size + 2 + 2 + extension.data.size();
    if (grown > std::min(frame.size(), reply_size_max)) return 0;
    ByteWriter tail(frame.subspan(size));
    tail.put(extension.type);
    tail.put(static_cast<std::uint16_t>(extension.data.size()));
    tail.put_bytes(extension.data);
    ByteWriter head(frame);
    head.put(static_cast<std::uint16_t>(grown));
    frame[3] |= std::byte{flag_extensions};
    return grown;
}

}  // namespace inod::proto
