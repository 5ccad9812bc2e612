// Lets a fault happen to a chosen system call of a daemon that touches its state directory: the
// program fault_tracer around it.
//
//     Tracer tracer(daemon, {.calls = "fdatasync", .fault = "error=5", .when = 3});
//     daemon.start();
//
// Thread safety: none.
#pragma once

#include <cstdint>
#include <string>

#include "tests/e2e/daemon_process.h"
#include "tests/faults/shared_counters.h"

namespace inod::faults {

struct ChosenCall {
    std::string calls = "all";   // names with commas between them; see fault_tracer.cc
    std::string fault = "none";  // likewise
    std::uint64_t when = 0;      // counted from 1
    bool and_later = false;
};

class Tracer {
public:
    // From the daemon's next start on. The daemon outlives this.
    Tracer(e2e::DaemonProcess& daemon, const ChosenCall& chosen);
    Tracer(const Tracer&) = delete;
    Tracer& operator=(const Tracer&) = delete;
    // Starts after this are not traced.
    ~Tracer();

    // Empty if this machine can do it, else what it lacks.
    static std::string missing();

    // Calls seen up to now that could have been chosen.
    [[nodiscard]] std::uint64_t call_count() const { return seen_->count; }
    // Has the fault happened?
    [[nodiscard]] bool happened() const { return seen_->chosen > 0; }
    // The call to which it happened first, and its position: "fdatasync 3".
    [[nodiscard]] std::string where() const;
    // Did it happen to a write or a sync?
    [[nodiscard]] bool hit_data() const;

private:
    e2e::DaemonProcess& daemon_;
    SharedCounters seen_;
};

}  // namespace inod::faults
