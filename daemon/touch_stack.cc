#include "daemon/touch_stack.h"

#include <array>
#include <cstddef>

namespace inod::daemon {
namespace {

// Several times what was seen.
constexpr std::size_t depth = std::size_t{128} * 1024;

constexpr std::size_t page_size_min = 4096;

}  // namespace

// From the top, the way it grows.
[[gnu::noinline]] void touch_stack() noexcept {
    std::array<volatile std::byte, depth> below;
    for (std::size_t at = below.size(); at > 0; at -= page_size_min)
        below[at - page_size_min] = std::byte{0};
}

}  // namespace inod::daemon
