// Unix stream sockets for the programs of the benchmark.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "lib/base/owned_fd.h"
#include "lib/base/result.h"

namespace inod::bench {

// An io_error that says what failed and, from errno, why.
Failure failed(const std::string& what);

// A socket that listens at `path`, or is connected to it. Both block and are closed on exec.
// Errors: io_error, for whoever chose the path.
Result<OwnedFd, Failure> listen_at(const std::string& path);
Result<OwnedFd, Failure> connect_to(const std::string& path);

// Sends all of `bytes`, blocking.
Result<void, Failure> send_all(int socket, std::span<const std::byte> bytes);

// Receives at least one byte, blocking. The end of the stream is a Failure: nobody here expects it.
Result<std::size_t, Failure> receive_some(int socket, std::span<std::byte> room);

}  // namespace inod::bench
