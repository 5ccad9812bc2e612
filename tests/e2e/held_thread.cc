#include "tests/e2e/held_thread.h"

#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

#include <sys/ptrace.h>
#include <sys/wait.h>

#include "tests/e2e/daemon_figures.h"

namespace inod::e2e {
namespace {

pid_t find_thread(pid_t process, std::string_view name) {
    for (const auto& [thread, switches] : switch_counts(process))
        if (thread_name(process, thread) == name) return thread;
    throw std::runtime_error("no thread " + std::string(name));
}

void check(long result, const char* what) {
    if (result < 0) throw std::system_error(errno, std::system_category(), what);
}

}  // namespace

HeldThread::HeldThread(pid_t process, std::string_view name) : thread_(find_thread(process, name)) {
    check(ptrace(PTRACE_SEIZE, thread_, nullptr, nullptr), "PTRACE_SEIZE");
    check(ptrace(PTRACE_INTERRUPT, thread_, nullptr, nullptr), "PTRACE_INTERRUPT");
    check(waitpid(thread_, nullptr, __WALL), "waitpid");
}

HeldThread::~HeldThread() {
    ptrace(PTRACE_DETACH, thread_, nullptr, nullptr);
}

}  // namespace inod::e2e
