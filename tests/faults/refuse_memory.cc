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

#include "tests/faults/replaced_malloc.h"
#include "tests/faults/traced_calls.h"

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
    plan.seen = static_cast<TracedCalls*>(
        inod::faults::map_shared("INOD_REFUSE_SHARED", sizeof(TracedCalls)));
    return plan;
}

std::atomic<bool> counting{false};

}  // namespace

bool inod::faults::is_refused() {
    if (!counting) return false;
    static const Plan plan = read_plan();
    if (plan.seen == nullptr) return false;
    const std::uint64_t position = ++plan.seen->count;
    if (position < plan.from || position - plan.from >= plan.count) return false;
    ++plan.seen->chosen;
    errno = ENOMEM;
    return true;
}

void inod::faults::before_main() {
    counting = true;
}
