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

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/faults/frozen_words.h"

// What glibc's own malloc(3) and its kin are called besides.
extern "C" {
void* __libc_malloc(std::size_t size);                           // NOLINT
void* __libc_calloc(std::size_t count, std::size_t size);        // NOLINT
void* __libc_realloc(void* memory, std::size_t size);            // NOLINT
void* __libc_memalign(std::size_t alignment, std::size_t size);  // NOLINT
}

namespace {

using inod::faults::Frozen;
using inod::faults::FrozenWords;

FrozenWords* words = nullptr;
std::atomic<bool> frozen{false};

FrozenWords* map_words() {
    const char* const file = std::getenv("INOD_FREEZE_SHARED");
    const int shared = file == nullptr ? -1 : open(file, O_RDWR | O_CLOEXEC);
    if (shared < 0) return nullptr;
    void* const memory =
        mmap(nullptr, sizeof(FrozenWords), PROT_READ | PROT_WRITE, MAP_SHARED, shared, 0);
    close(shared);
    return memory == MAP_FAILED ? nullptr : static_cast<FrozenWords*>(memory);
}

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

bool is_refused() {
    if (!frozen) return false;
    ++words->refused;
    errno = ENOMEM;
    return true;
}

using Main = int(int, char**, char**);
Main* program_main = nullptr;

int watched_main(int argc, char** argv, char** environment) {
    words = map_words();
    if (words != nullptr) std::thread(freeze_when_ordered).detach();
    return program_main(argc, argv, environment);
}

}  // namespace

extern "C" {

// What a program's first instructions call, to begin with its main().
// NOLINTNEXTLINE(bugprone-reserved-identifier): glibc's name
int __libc_start_main(Main* main, int argc, char** argv, void (*init)(), void (*fini)(),
                      void (*end_loader)(), void* stack_end) {
    program_main = main;
    const auto start =
        reinterpret_cast<decltype(&__libc_start_main)>(dlsym(RTLD_NEXT, "__libc_start_main"));
    return start(watched_main, argc, argv, init, fini, end_loader, stack_end);
}

void* malloc(std::size_t size) {
    return is_refused() ? nullptr : __libc_malloc(size);
}

void* calloc(std::size_t count, std::size_t size) {
    return is_refused() ? nullptr : __libc_calloc(count, size);
}

void* realloc(void* memory, std::size_t size) {
    return is_refused() ? nullptr : __libc_realloc(memory, size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) {
    return is_refused() ? nullptr : __libc_memalign(alignment, size);
}

int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
    if (is_refused()) return ENOMEM;
    *memory = __libc_memalign(alignment, size);
    return *memory == nullptr ? ENOMEM : 0;
}

}  // extern "C"
