// A process that sleeps until it is killed, which it is with us, and that has nothing of ours open.
#pragma once

#include <csignal>
#include <cstdlib>
#include <utility>

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/owned_fd.h"
#include "tests/soak/model.h"

namespace inod::soak {

// Thread safety: none; the process that makes one has one thread.
class Sleeper {
public:
    Sleeper() : pid_(::fork()) {
        if (pid_ < 0) throw std::runtime_error("this machine refuses another process");
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::close_range(0, ~0U, 0);
            for (;;)
                ::pause();
        }
        pidfd_ = OwnedFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
        if (!pidfd_) throw std::runtime_error("this machine refuses a pidfd");
    }
    Sleeper(const Sleeper&) = delete;
    Sleeper& operator=(const Sleeper&) = delete;
    ~Sleeper() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }

    [[nodiscard]] int pidfd() const { return pidfd_.get(); }

private:
    pid_t pid_;
    OwnedFd pidfd_;
};

}  // namespace inod::soak
