#include "lib/base/standard_descriptors.h"

#include <fcntl.h>
#include <unistd.h>

namespace inod {

void take_standard_descriptors() noexcept {
    for (;;) {
        const int fd = ::open("/dev/null", O_RDONLY);  // the lowest that is free
        if (fd < 0) return;
        if (fd <= STDERR_FILENO) continue;
        ::close(fd);
        return;
    }
}

}  // namespace inod
