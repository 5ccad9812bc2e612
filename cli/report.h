// How a verb that asked the daemon says what went wrong, and with which status inoctl ends then.
#pragma once

#include <string>

#include "cli/commands.h"
#include "lib/base/result.h"
#include "lib/client/client.h"

namespace inod::cli {

// A line on stderr.
void complain(const std::string& text);
// A line on stdout.
void print_line(const std::string& line);

// Did the daemon say no, or was there none to say anything?
ExitStatus status_of(Errc code);

// Why the client's last call failed.
Failure failure_of(const Client& client, const Error& error);

// Says it on stderr.
ExitStatus fail(const Client& client, const Error& error);
ExitStatus fail(const Failure& failure);

}  // namespace inod::cli
