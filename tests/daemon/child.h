// A process for tests that want to see one end.
#pragma once

#include <csignal>
#include <functional>

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/owned_fd.h"

namespace inod::daemon {

// It sleeps until it is killed, which its destructor does at the latest.
class Child {
public:
    // Returns when the process has run `first`.
    explicit Child(const std::function<void()>& first = {}) {
        int ready[2];
        EXPECT_EQ(::pipe(ready), 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (first) first();
            if (::write(ready[1], "", 1) != 1) ::_exit(1);
            for (;;)
                ::pause();
        }
        EXPECT_GT(pid_, 0);
        ::close(ready[1]);
        char byte = 0;
        EXPECT_EQ(::read(ready[0], &byte, 1), 1) << "it has ended by itself";
        ::close(ready[0]);
    }
    ~Child() { reap(); }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    [[nodiscard]] std::uint32_t pid() const { return static_cast<std::uint32_t>(pid_); }

    // Another pidfd of it. `flags` as in pidfd_open(2).
    [[nodiscard]] OwnedFd open(int flags = 0) const {
        return OwnedFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, flags)));
    }

    // Ends it, and leaves the zombie.
    void kill() {
        siginfo_t end{};
        EXPECT_EQ(::kill(pid_, SIGKILL), 0);
        EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(pid_), &end, WEXITED | WNOWAIT), 0);
    }

    // Ends it for good: its PID may be another's now.
    void reap() {
        if (is_reaped_) return;
        kill();
        EXPECT_EQ(::waitpid(pid_, nullptr, 0), pid_);
        is_reaped_ = true;
    }

private:
    pid_t pid_ = 0;
    bool is_reaped_ = false;
};

}  // namespace inod::daemon
