// How many connections each user has, on all threads together.
//
// Thread safety: any thread.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "lib/base/mutex.h"

namespace inod::daemon {

class UserConnections {
public:
    // Throws std::bad_alloc, and then there is none more.
    void add(std::uint32_t uid) {
        const MutexGuard guard(mutex_);
        ++counts_[uid];
    }
    // Requires that the user has one.
    void remove(std::uint32_t uid) noexcept {
        const MutexGuard guard(mutex_);
        const auto found = counts_.find(uid);
        if (--found->second == 0) counts_.erase(found);
    }
    [[nodiscard]] std::uint64_t count_of(std::uint32_t uid) const noexcept {
        const MutexGuard guard(mutex_);
        const auto found = counts_.find(uid);
        return found != counts_.end() ? found->second : 0;
    }

private:
    mutable Mutex mutex_;
    std::unordered_map<std::uint32_t, std::uint64_t> counts_ INOD_GUARDED_BY(mutex_);
};

}  // namespace inod::daemon
