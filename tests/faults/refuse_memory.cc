// A library to be preloaded (LD_PRELOAD, ld.so(8)): refuses memory to the program it is loaded into.
//
//   INOD_REFUSE_FROM    the first call that is refused, of malloc(3) and its kin, counted from 1
//   INOD_REFUSE_COUNT   how many are
//   INOD_REFUSE_SHARED  a file of sizeof(TracedCalls) bytes, mapped: what was seen
//
// operator new ends in malloc(3), so it is refused too. Not counted and not refused: what is asked
// for before main(), since objects of the libraries' headers are made there and nobody could say so;
// mmap(2) and brk(2), memory that is there and not touched yet, the stack.

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/faults/traced_calls.h"

// What glibc's own malloc(3) and its kin are called besides.
extern "C" {
void* __libc_malloc(std::size_t size);                           // NOLINT
void* __libc_calloc(std::size_t count, std::size_t size);        // NOLINT
void* __libc_realloc(void* memory, std::size_t size);            // NOLINT
void* __libc_memalign(std::size_t alignment, std::size_t size);  // NOLINT
}

namespace {

using inod::faults::TracedCalls;

struct Plan {
    std::uint64_t from = 0;
    std::uint64_t count = 0;
    TracedCalls* seen = nullptr;
};

std::uint64_t number(const char* name) {
    const char* const text = std::getenv(name);
    return text == nullptr ? 0 : std::strtoull(text, nullptr, 10);
}

// Allocates nothing: it is made within a malloc(3).
Plan read_plan() {
    Plan plan{.from = number("INOD_REFUSE_FROM"), .count = number("INOD_REFUSE_COUNT")};
    const char* const file = std::getenv("INOD_REFUSE_SHARED");
    const int shared = file == nullptr ? -1 : open(file, O_RDWR | O_CLOEXEC);
    if (shared < 0) return plan;
    void* const memory =
        mmap(nullptr, sizeof(TracedCalls), PROT_READ | PROT_WRITE, MAP_SHARED, shared, 0);
    close(shared);
    if (memory != MAP_FAILED) plan.seen = static_cast<TracedCalls*>(memory);
    return plan;
}

std::atomic<bool> counting{false};

bool is_refused() {
    if (!counting) return false;
    static const Plan plan = read_plan();
    if (plan.seen == nullptr) return false;
    const std::uint64_t position = ++plan.seen->count;
    if (position < plan.from || position - plan.from >= plan.count) return false;
    ++plan.seen->chosen;
    errno = ENOMEM;
    return true;
}

using Main = int(int, char**, char**);
Main* program_main = nullptr;

int counted_main(int argc, char** argv, char** environment) {
    counting = true;
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
    return start(counted_main, argc, argv, init, fini, end_loader, stack_end);
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
