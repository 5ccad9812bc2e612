// The caller's own lock, by reference, whatever its type.
//
// A call that may have to wait for memory drops exactly the lock that its caller holds and retakes
// it, then looks again at what it had decided. It must be the caller's object and not merely the
// same kind of lock: only that object knows what it saved when it was taken (a signal mask, say).
//
// Thread safety: that of the guard. A GuardRef lives no longer than the guard.
#pragma once

#include <type_traits>
#include <utility>

#include "lib/base/thread_annotations.h"

namespace inod {

class GuardRef {
public:
    // Of what drops and retakes a lock by reference nothing can be checked when it is compiled.
    //
    // From any guard with lock() and unlock(): std::unique_lock, or the caller's own. One whose
    // lock must not be dropped has may_drop() as well, and says false: who needs to is told
    // out_of_memory then.
    template <class Guard>
    requires(!std::is_same_v<std::remove_cvref_t<Guard>, GuardRef>)
        GuardRef(Guard& guard)  // NOLINT(google-explicit-constructor)
        : guard_(&guard),
          lock_([](void* g) INOD_NO_THREAD_ANALYSIS { static_cast<Guard*>(g)->lock(); }),
          unlock_([](void* g) INOD_NO_THREAD_ANALYSIS { static_cast<Guard*>(g)->unlock(); }),
          may_drop_([](void* g) {
              if constexpr (requires(Guard & own) { own.may_drop(); }) {
                  return static_cast<Guard*>(g)->may_drop();
              }
              return true;
          }) {}

    void lock() { lock_(guard_); }
    void unlock() { unlock_(guard_); }
    [[nodiscard]] bool may_drop() const { return may_drop_(guard_); }

private:
    void* guard_;
    void (*lock_)(void*);
    void (*unlock_)(void*);
    bool (*may_drop_)(void*);
};

// The caller's guard, and whether it was dropped: then whatever had been decided is looked at again.
class WatchedGuard {
public:
    explicit WatchedGuard(GuardRef guard) : guard_(guard) {}

    void lock() { guard_.lock(); }
    void unlock() {
        was_dropped_ = true;
        guard_.unlock();
    }
    [[nodiscard]] bool may_drop() const { return guard_.may_drop(); }

    // Was it dropped since it was made or asked last?
    [[nodiscard]] bool was_dropped() { return std::exchange(was_dropped_, false); }

private:
    GuardRef guard_;
    bool was_dropped_ = false;
};

// For callers that hold no lock because nobody else can be there: recovery, tests of one thread.
struct NoGuard {
    void lock() {}
    void unlock() {}
};

}  // namespace inod
