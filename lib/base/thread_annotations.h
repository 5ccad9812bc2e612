// Which lock guards what, in words that clang checks: with -Wthread-safety, which every build by clang has,
// what is used without its lock is an error. Other compilers see nothing of them.
//
//     Mutex mutex_;
//     int count_ INOD_GUARDED_BY(mutex_) = 0;
//     void add() INOD_REQUIRES(mutex_);    // whoever calls it has the lock
//     void tell() INOD_EXCLUDES(mutex_);   // ... has it not
//
// Not for headers that programs include: lib/client has no lock.
// Source: https://clang.llvm.org/docs/ThreadSafetyAnalysis.html
#pragma once

#if defined(__clang__)
#define INOD_THREAD_ANNOTATION(words) __attribute__((words))
#else
#define INOD_THREAD_ANNOTATION(words)
#endif

// Of a class: it is a lock; it has a lock from its constructor to its destructor.
#define INOD_CAPABILITY(name) INOD_THREAD_ANNOTATION(capability(name))
#define INOD_SCOPED_CAPABILITY INOD_THREAD_ANNOTATION(scoped_lockable)

// Of a member. One that is a reference guards what it refers to.
#define INOD_GUARDED_BY(lock) INOD_THREAD_ANNOTATION(guarded_by(lock))

// Of a function, behind noexcept.
#define INOD_REQUIRES(...) INOD_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define INOD_EXCLUDES(...) INOD_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define INOD_ACQUIRE(...) INOD_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define INOD_RELEASE(...) INOD_THREAD_ANNOTATION(release_capability(__VA_ARGS__))

// What follows no rule that can be written down here; a comment says why it is right.
#define INOD_NO_THREAD_ANALYSIS INOD_THREAD_ANNOTATION(no_thread_safety_analysis)
