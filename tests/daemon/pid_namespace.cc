#include "tests/daemon/pid_namespace.h"

#include <csignal>
#include <cstdio>
#include <fstream>

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace inod::daemon {
namespace {

constexpr int status_failed = 1;
constexpr int status_not_here = 77;

bool leave_namespaces(bool needs_root) {
    constexpr int both = CLONE_NEWPID | CLONE_NEWNS;
    if (::geteuid() == 0 && ::unshare(both) == 0) return true;
    return !needs_root && ::unshare(CLONE_NEWUSER | both) == 0;
}

[[noreturn]] void be_first(const PidNamespace& space, const std::function<void()>& body) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const bool is_private = ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    if (space.mounts_proc &&
        (!is_private || ::mount("proc", "/proc", "proc", 0, space.proc_options) != 0)) {
        ::_exit(status_not_here);
    }
    body();
    std::fflush(nullptr);
    ::_exit(testing::Test::HasFailure() ? status_failed : 0);
}

// -1 if it did not end by itself.
int status_of(pid_t pid) {
    int status = 0;
    if (::waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status);
}

}  // namespace

Ran run_in(const PidNamespace& space, const std::function<void()>& body) {
    std::fflush(nullptr);
    const pid_t helper = ::fork();
    if (helper == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!leave_namespaces(space.needs_root)) ::_exit(status_not_here);
        const pid_t first = ::fork();
        if (first == 0) be_first(space, body);
        ::_exit(first < 0 ? status_not_here : status_of(first));
    }
    const int status = status_of(helper);
    if (status == status_not_here) return Ran::not_here;
    return status == 0 ? Ran::passed : Ran::failed;
}

void not_possible_here() {
    ::_exit(status_not_here);
}

void choose_next_pid(unsigned pid) {
    std::ofstream last("/proc/sys/kernel/ns_last_pid");
    if (!(last << pid - 1 << std::flush)) not_possible_here();
}

}  // namespace inod::daemon
