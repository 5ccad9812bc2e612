// A lock that keeps all signals out while it is held and puts back the mask that it found: what
// irqsave locks are in a kernel. Only the very object that was locked knows that mask, so a call that
// drops its caller's lock has to drop that object and no other.
//
// Thread safety: a SignalLock belongs to one thread, the mutex to all.
#pragma once

#include <csignal>
#include <mutex>
#include <set>

namespace inod {

// The signals that the calling thread blocks.
inline std::set<int> blocked_signals() {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    std::set<int> result;
    for (int number = 1; number < NSIG; ++number) {
        if (sigismember(&mask, number) == 1) result.insert(number);
    }
    return result;
}

class SignalLock {
public:
    explicit SignalLock(std::mutex& mutex) : mutex_(mutex) { lock(); }
    ~SignalLock() { unlock(); }
    SignalLock(const SignalLock&) = delete;
    SignalLock& operator=(const SignalLock&) = delete;

    void lock() {
        sigset_t all;
        sigfillset(&all);
        sigset_t found;
        pthread_sigmask(SIG_SETMASK, &all, &found);
        mutex_.lock();
        found_ = found;
    }
    void unlock() {
        const sigset_t found = found_;
        mutex_.unlock();
        pthread_sigmask(SIG_SETMASK, &found, nullptr);
    }

private:
    std::mutex& mutex_;
    sigset_t found_{};
};

// The mask of the calling thread, with these signals blocked too until the end of the scope.
class BlockedSignals {
public:
    explicit BlockedSignals(const std::set<int>& signals) {
        sigset_t more;
        sigemptyset(&more);
        for (const int number : signals)
            sigaddset(&more, number);
        pthread_sigmask(SIG_BLOCK, &more, &before_);
    }
    ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    BlockedSignals(const BlockedSignals&) = delete;
    BlockedSignals& operator=(const BlockedSignals&) = delete;

private:
    sigset_t before_;
};

}  // namespace inod
