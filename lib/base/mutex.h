// std::mutex and a guard of it, with the annotations that libstdc++ has not (thread_annotations.h).
#pragma once

#include <mutex>

#include "lib/base/thread_annotations.h"

namespace inod {

class INOD_CAPABILITY("mutex") Mutex {
public:
    void lock() INOD_ACQUIRE() { mutex_.lock(); }
    void unlock() INOD_RELEASE() { mutex_.unlock(); }

private:
    friend class MutexGuard;
    std::mutex mutex_;
};

// Has the lock, but for between unlock() and lock().
class INOD_SCOPED_CAPABILITY MutexGuard {
public:
    explicit MutexGuard(Mutex& mutex) INOD_ACQUIRE(mutex) : lock_(mutex.mutex_) {}
    MutexGuard(const MutexGuard&) = delete;
    MutexGuard& operator=(const MutexGuard&) = delete;
    ~MutexGuard() INOD_RELEASE() {}  // NOLINT(modernize-use-equals-default): it is annotated

    void lock() INOD_ACQUIRE() { lock_.lock(); }
    void unlock() INOD_RELEASE() { lock_.unlock(); }

    // For a std::condition_variable, which gives it back as it was.
    [[nodiscard]] std::unique_lock<std::mutex>& to_wait_with() { return lock_; }

private:
    std::unique_lock<std::mutex> lock_;
};

}  // namespace inod
