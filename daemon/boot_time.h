// The time that holders' limits and rests are counted in.
#pragma once

#include "lib/pool/lease.h"

namespace inod::daemon {

// Milliseconds since the machine was started, time that it was suspended included: CLOCK_BOOTTIME.
// Thread safety: any thread.
BootTime boot_time() noexcept;

}  // namespace inod::daemon
