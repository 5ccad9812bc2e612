#include "lib/base/owned_fd.h"

#include <unistd.h>

namespace inod {

OwnedFd::~OwnedFd() {
    if (fd_ >= 0) ::close(fd_);
}

}  // namespace inod
