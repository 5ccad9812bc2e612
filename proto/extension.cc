#include "proto/extension.h"

#include <algorithm>

#include "proto/frame.h"

namespace inod::proto {

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
