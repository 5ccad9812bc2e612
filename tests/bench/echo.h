// The messages of the echo: as long as inod's common requests and replies, and nothing in them but
// what the client needs to know its own again.
//
//   a request:  number u64, zero u64
//   a reply:    the request's 16 bytes, then 16 of zero
#pragma once

#include <cstddef>

namespace inod::bench {

inline constexpr std::size_t echo_request_size = 16;
inline constexpr std::size_t echo_reply_size = 32;

}  // namespace inod::bench
