// The caller's own lock, by reference, whatever its type.
//
// A call that may have to wait for memory drops exactly the lock that its caller holds and retakes
// it, then looks again at what it had decided. It must be the caller's object and not merely the
// same kind of lock: only that object knows what it saved when it was taken (a signal mask, say).
//
// Thread safety: that of the guard. A GuardRef lives no longer than the guard.
#pragma once

#include <type_traits>

namespace inod {

class GuardRef {
public:
    // From any guard with lock() and unlock(): std::unique_lock, or the caller's own.
    template <class Guard>
    requires(!std::is_same_v<std::remove_cvref_t<Guard>, GuardRef>)
        GuardRef(Guard& guard)  // NOLINT(google-explicit-constructor)
        : guard_(&guard),
          lock_([](void* g) { static_cast<Guard*>(g)->lock(); }),
          unlock_([](void* g) { static_cast<Guard*>(g)->unlock(); }) {}

    void lock() { lock_(guard_); }
    void unlock() { unlock_(guard_); }

private:
    void* guard_;
    void (*lock_)(void*);
    void (*unlock_)(void*);
};

// For callers that hold no lock because nobody else can be there: recovery, tests of one thread.
struct NoGuard {
    void lock() {}
    void unlock() {}
};

}  // namespace inod
