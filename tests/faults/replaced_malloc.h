// What the libraries that are preloaded to refuse memory have in common: they stand in place of malloc(3) and
// its kin, and of what a program's first instructions call. Each is linked with replaced_malloc.cc, and says
// what is refused, and what comes before main().
#pragma once

#include <cstddef>

// What glibc's own malloc(3) and its kin are called besides.
extern "C" {
void* __libc_malloc(std::size_t size);                           // NOLINT
void* __libc_calloc(std::size_t count, std::size_t size);        // NOLINT
void* __libc_realloc(void* memory, std::size_t size);            // NOLINT
void* __libc_memalign(std::size_t alignment, std::size_t size);  // NOLINT
}

namespace inod::faults {

// For the library to define. Is this call of malloc(3) or its kin to fail? With errno ENOMEM then. Takes no
// memory.
bool is_refused();
// Likewise. The program's main() is next.
void before_main();

// As many bytes of the file that this environment variable names, mapped; null if that cannot be. Takes no
// memory of malloc(3).
void* map_shared(const char* variable, std::size_t size);

}  // namespace inod::faults
