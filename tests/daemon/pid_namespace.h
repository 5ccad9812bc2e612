// A PID namespace of a test's own, where it can have the PID that it wants.
#pragma once

#include <functional>

namespace inod::daemon {

struct PidNamespace {
    bool mounts_proc = true;
    const char* proc_options = "";
    bool needs_root = false;  // of the system: several UIDs
};

enum class Ran { passed, failed, not_here };

// Runs `body` as the first process of a PID and mount namespace of its own. What it expects is
// printed as ever. All of the namespace is gone afterwards. not_here: this machine does not let us,
// or `body` said so by calling not_possible_here().
Ran run_in(const PidNamespace& space, const std::function<void()>& body);
[[noreturn]] void not_possible_here();

// Requires such a namespace. The next process has that PID.
void choose_next_pid(unsigned pid);

}  // namespace inod::daemon
