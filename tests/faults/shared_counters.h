// Counters that a test shares with what it has loaded into a daemon or put around it.
//
// Thread safety: the counters are atomic.
#pragma once

#include <string>

#include "tests/faults/traced_calls.h"

namespace inod::faults {

class SharedCounters {
public:
    // Makes `file` and maps it. Throws where that fails.
    explicit SharedCounters(std::string file);
    SharedCounters(const SharedCounters&) = delete;
    SharedCounters& operator=(const SharedCounters&) = delete;
    ~SharedCounters();

    [[nodiscard]] const std::string& file() const { return file_; }
    const TracedCalls* operator->() const { return calls_; }

private:
    std::string file_;
    TracedCalls* calls_ = nullptr;
};

}  // namespace inod::faults
