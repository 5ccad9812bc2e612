// How many connections there are, and how many of each user: those that threads serve, and those on their way there.
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
        ++count_;
    }
    // Requires that the user has one.
    void remove(std::uint32_t uid) noexcept {
        const MutexGuard guard(mutex_);
        const auto found = counts_.find(uid);
        if (--found->second == 0) counts_.erase(found);
        --count_;
    }
    [[nodiscard]] std::uint64_t count() const noexcept {
        const MutexGuard guard(mutex_);
        return count_;
    }
    [[nodiscard]] std::uint64_t count_of(std::uint32_t uid) const noexcept {
        const MutexGuard guard(mutex_);
        const auto found = counts_.find(uid);
        return found != counts_.end() ? found->second : 0;
    }

private:
    mutable Mutex mutex_;
    std::unordered_map<std::uint32_t, std::uint64_t> counts_ INOD_GUARDED_BY(mutex_);
    std::uint64_t count_ INOD_GUARDED_BY(mutex_) = 0;
};

}  // namespace inod::daemon
