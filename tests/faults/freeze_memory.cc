// A library to be preloaded (LD_PRELOAD, ld.so(8)): takes memory away for good from the program it is loaded
// into, at the moment at which a test orders it.
//
//   INOD_FREEZE_SHARED  a file of sizeof(FrozenWords) bytes, mapped: the order, and what was seen since
//
// From then on brk(2), mmap(2) and a growing stack fail (RLIMIT_AS is 0), what malloc(3) had left is taken, and
// each of its calls is refused and counted. What the program has already stays as it is: pages that it has not
// touched are still to be had from the kernel, so their first touch shows as a page fault, not here.

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <thread>

#include <linux/futex.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/faults/frozen_words.h"
#include "tests/faults/replaced_malloc.h"

namespace {

using inod::faults::Frozen;
using inod::faults::FrozenWords;

FrozenWords* words = nullptr;
std::atomic<bool> frozen{false};

// Until it is no longer `state`.
void wait_while(Frozen state) {
    while (words->state == state) {
        syscall(SYS_futex, &words->state, FUTEX_WAIT, static_cast<std::uint32_t>(state), nullptr);
    }
}

// On a thread of its own, which then waits for ever: whatever it did behind the answer would be seen as the
// program's doing.
void freeze_when_ordered() {
    std::free(
        __libc_malloc(1));  // a thread that has no arena yet is not given the main one's memory
    wait_while(Frozen::not_yet);
    const rlimit none{.rlim_cur = 0, .rlim_max = 0};
    if (setrlimit(RLIMIT_AS, &none) != 0) _exit(125);
    frozen = true;
    for (const std::size_t size : {1U << 20U, 1U << 16U, 1U << 12U, 1U << 8U, 16U}) {
        while (__libc_malloc(size) != nullptr)
            ++words->drained;
    }
    words->state = Frozen::done;
    syscall(SYS_futex, &words->state, FUTEX_WAKE, INT_MAX);
    wait_while(Frozen::done);
}

}  // namespace

bool inod::faults::is_refused() {
    if (!frozen) return false;
    ++words->refused;
    errno = ENOMEM;
    return true;
}

void inod::faults::before_main() {
    words = static_cast<FrozenWords*>(map_shared("INOD_FREEZE_SHARED", sizeof(FrozenWords)));
    if (words != nullptr) std::thread(freeze_when_ordered).detach();
}
