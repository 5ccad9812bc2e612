#include "lib/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace inod {

void assertion_failed(const char* expression, const char* file, int line) noexcept {
    std::fprintf(stderr, "inod: assertion failed: %s, at %s:%d\n", expression, file, line);
    std::abort();
}

}  // namespace inod
