#include "daemon/boot_time.h"

#include <ctime>

namespace inod::daemon {

BootTime boot_time() noexcept {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<BootTime>(now.tv_sec) * 1000 +
           static_cast<BootTime>(now.tv_nsec) / 1'000'000;
}

}  // namespace inod::daemon
