#include "tests/faults/replaced_malloc.h"

#include <cerrno>
#include <cstdlib>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace inod::faults {

void* map_shared(const char* variable, std::size_t size) {
    const char* const file = std::getenv(variable);
    const int shared = file == nullptr ? -1 : open(file, O_RDWR | O_CLOEXEC);
    if (shared < 0) return nullptr;
    void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, shared, 0);
    close(shared);
    return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace inod::faults

namespace {

using inod::faults::is_refused;

using Main = int(int, char**, char**);
Main* program_main = nullptr;

int preceded_main(int argc, char** argv, char** environment) {
    inod::faults::before_main();
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
    return start(preceded_main, argc, argv, init, fini, end_loader, stack_end);
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
