// Words that a test shares with what it has loaded into a daemon or put around it.
//
// Thread safety: the words are atomic.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "tests/faults/traced_calls.h"

namespace inod::faults {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool is_sanitized = true;  // which has an allocator of its own
#else
inline constexpr bool is_sanitized = false;
#endif

// A file, mapped.
class SharedMemory {
public:
    // Makes `file`, of zeros. Throws where that fails.
    SharedMemory(std::string file, std::size_t size);
    SharedMemory(const SharedMemory&) = delete;
    SharedMemory& operator=(const SharedMemory&) = delete;
    ~SharedMemory();

    [[nodiscard]] const std::string& file() const { return file_; }
    [[nodiscard]] void* data() const { return data_; }

private:
    std::string file_;
    std::size_t size_;
    void* data_ = nullptr;
};

// `Words` are all atomic, and none of them has another first value than 0.
template <class Words>
class SharedWords {
public:
    explicit SharedWords(std::string file) : memory_(std::move(file), sizeof(Words)) {}

    [[nodiscard]] const std::string& file() const { return memory_.file(); }
    Words* operator->() const { return static_cast<Words*>(memory_.data()); }

private:
    SharedMemory memory_;
};

using SharedCounters = SharedWords<TracedCalls>;

}  // namespace inod::faults
