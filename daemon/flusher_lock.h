// The lock of the flusher, under which every call of the allocator belongs, as annotations name it: there is
// one in a daemon, and most of those who need it do not know the flusher.
#pragma once

#include "lib/base/thread_annotations.h"

namespace inod::daemon {

// Nothing at run time: Flusher::Guard takes the lock.
class INOD_CAPABILITY("lock") FlusherLock {};
inline FlusherLock flusher_lock;

}  // namespace inod::daemon
