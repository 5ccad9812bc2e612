#include "cli/run_command.h"

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

#include <unistd.h>

#include "cli/report.h"
#include "cli/signals.h"

namespace inod::cli {
namespace {

// What the command finds in its environment. False if there is no memory for it.
bool tell_command(const std::string& pool, const proto::LeaseReply& lease) {
    const auto tell = [](const char* variable, const std::string& value) {
        return ::setenv(variable, value.c_str(), 1) == 0;
    };
    return tell("INOD_POOL", pool) && tell("INOD_ID", std::to_string(lease.range.first)) &&
           tell("INOD_LAST_ID", std::to_string(lease.range.last)) &&
           tell("INOD_COUNT", std::to_string(lease.range.count())) &&
           tell("INOD_GENERATION", std::to_string(lease.generation));
}

}  // namespace

ExitStatus run_command(Client& client, const Options& options) {
    const auto bound = client.bind({.binding = proto::Binding::process});
    if (!bound) return fail(client, bound.error());
    const auto lease = client.allocate(options.pool, options.count, options.align);
    if (!lease) return fail(client, lease.error());
    if (!tell_command(options.pool, *lease)) {
        complain(describe(Errc::out_of_memory, "the environment cannot be set"));
        return ExitStatus::refused;
    }
    restore_write_signals();
    ::execvp(options.command[0], options.command);
    const int error = errno;
    complain(std::string("cannot run '") + options.command[0] +
             "': " + std::generic_category().message(error));
    return error == ENOENT ? ExitStatus::command_not_found : ExitStatus::command_not_run;
}

}  // namespace inod::cli
