// The file descriptors that the daemon may have open (RLIMIT_NOFILE), and who may have how many of
// them. Where none were left no connection could be accepted, and the journal could not open its
// next segment, which ends the daemon: so whatever clients can have more and more of has a share
// that it keeps within.
//
// Thread safety: none needed.
#pragma once

#include <cstdint>

namespace inod::daemon {

struct DescriptorShares {
    std::uint64_t limit = 0;        // of all
    std::uint32_t connections = 0;  // at most; each may have two: its own and a passed one
    std::uint64_t processes = 0;    // that may be watched at most
};

// Some are kept for the journal and all else, of which each of the `threads` that serve connections needs some. Connections
// get what `connections_max` of them need, but no more than three quarters of the rest, and processes what is left.
DescriptorShares share_descriptors(std::uint64_t limit, std::uint32_t connections_max,
                                   std::uint32_t threads = 1) noexcept;

// Says so in the log where that is fewer connections than configured.
void warn_of_few_descriptors(const DescriptorShares& shares, std::uint32_t connections_max);

// Sets the soft limit to the hard one, if the kernel lets us. Returns the limit that holds then.
std::uint64_t raise_descriptor_limit() noexcept;

}  // namespace inod::daemon
