// One thread of a daemon held where it is (ptrace(2)), while the others go on: what waits for it lines up in the
// kernel, and it finds all of it at once.
//
// Thread safety: made and ended on one thread.
#pragma once

#include <string_view>

#include <sys/types.h>

namespace inod::e2e {

class HeldThread {
public:
    // The first of that name (PR_SET_NAME). Throws where there is none, or the kernel does not let us.
    HeldThread(pid_t process, std::string_view name);
    HeldThread(const HeldThread&) = delete;
    HeldThread& operator=(const HeldThread&) = delete;
    // Goes on.
    ~HeldThread();

private:
    pid_t thread_;
};

}  // namespace inod::e2e
