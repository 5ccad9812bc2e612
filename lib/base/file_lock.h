// A lock that lasts as long as its descriptor, also through kill -9: what keeps a second process
// off a state directory or a socket.
//
// Thread safety: none needed.
#pragma once

#include <string>

#include "lib/base/owned_fd.h"
#include "lib/base/result.h"

namespace inod {

// Opens `path`, a file that exists for no other purpose and is made (mode 0600) if it is not there,
// and locks it. Does not wait. Errors: state_in_use, with the message `in_use`, if somebody else
// has it; io_error, no_space.
Result<OwnedFd, Failure> lock_file(const std::string& path, const std::string& in_use);

// Locks the file if it is there, so that nobody gets it by lock_file() meanwhile; others may look
// at the same time. Makes and changes nothing, and needs no right but to read. Nothing is locked,
// and that is no error, where there is no such file. Errors: the same.
Result<OwnedFd, Failure> lock_file_to_look(const std::string& path, const std::string& in_use);

}  // namespace inod
