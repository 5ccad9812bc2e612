#include "tests/faults/tracer.h"

#include <array>
#include <string_view>
#include <utility>

#include <sys/syscall.h>

namespace inod::faults {
namespace {

constexpr std::array<std::pair<std::uint32_t, std::string_view>, 7> data_calls = {{
    {SYS_write, "write"},
    {SYS_pwrite64, "pwrite64"},
    {SYS_writev, "writev"},
    {SYS_pwritev, "pwritev"},
    {SYS_pwritev2, "pwritev2"},
    {SYS_fdatasync, "fdatasync"},
    {SYS_fsync, "fsync"},
}};

}  // namespace

Tracer::Tracer(e2e::DaemonProcess& daemon, const ChosenCall& chosen)
    : daemon_(daemon), seen_(daemon.folder() + "/traced-calls") {
    const std::string when = std::to_string(chosen.when) + (chosen.and_later ? "+" : "");
    daemon.launch().wrapper = {INOD_FAULT_TRACER, daemon.state_dir(), seen_.file(),
                               chosen.calls,      chosen.fault,       when};
    // The sanitizer's search for leaks would trace the daemon too, and only one can.
    daemon.launch().environment = {{"ASAN_OPTIONS", "detect_leaks=0"}};
}

Tracer::~Tracer() {
    daemon_.launch() = {};
}

std::string Tracer::missing() {
#ifdef __x86_64__
    return {};
#else
    return "the tracer of system calls is written for x86-64";
#endif
}

std::string Tracer::where() const {
    for (const auto& [number, name] : data_calls)
        if (number == seen_->number)
            return std::string(name) + " " + std::to_string(seen_->position);
    return "call of number " + std::to_string(seen_->number) + ", " +
           std::to_string(seen_->position);
}

bool Tracer::hit_data() const {
    for (const auto& [number, name] : data_calls)
        if (number == seen_->number) return happened();
    return false;
}

}  // namespace inod::faults
