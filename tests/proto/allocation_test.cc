// The daemon answers without asking the heap for anything: a release must succeed when there is
// nothing left of it.
#include <array>
#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

#include <gtest/gtest.h>

#include "proto/reply.h"
#include "proto/request.h"
#include "tests/proto/golden.h"

namespace {

std::atomic<std::uint64_t> heap_calls{0};

}  // namespace

// Not inlined: the compiler would take malloc() and operator delete for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
    ++heap_calls;
    if (void* const memory = std::malloc(size)) return memory;
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}

namespace inod::proto {
namespace {

TEST(Allocation, NeitherDirectionUsesTheHeap) {
    std::vector<std::vector<std::byte>> frames;
    for (const std::string& name : golden_names())
        frames.push_back(golden(name));
    ASSERT_FALSE(frames.empty());
    static std::array<std::byte, reply_size_max> memory;

    const std::uint64_t before = heap_calls;
    std::size_t understood = 0;
    for (const auto& frame : frames) {
        ByteWriter out(memory);
        if (const auto request = decode_request(frame)) {
            understood += encode_request(out, *request) ? 1U : 0U;
        }
        if (const auto reply = decode_reply(frame)) {
            understood += encode_reply(out, *reply) ? 1U : 0U;
        }
    }
    EXPECT_EQ(heap_calls - before, 0U);
    EXPECT_GT(understood, 40U);
}

}  // namespace
}  // namespace inod::proto
