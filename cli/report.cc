#include "cli/report.h"

#include <cstdio>

#include "cli/output.h"

namespace inod::cli {

void complain(const std::string& text) {
    std::fprintf(stderr, "inoctl: %s\n", text.c_str());
}

void print_line(const std::string& line) {
    std::printf("%s\n", line.c_str());
}

ExitStatus status_of(Errc code) {
    switch (code) {
        case Errc::not_connected:
        case Errc::timed_out:
        case Errc::in_doubt:
        case Errc::shutting_down:
        case Errc::protocol_violation: return ExitStatus::no_daemon;
        default: return ExitStatus::refused;
    }
}

Failure failure_of(const Client& client, const Error& error) {
    return {error.code, describe(error, client.error_text())};
}

ExitStatus fail(const Client& client, const Error& error) {
    return fail(failure_of(client, error));
}

ExitStatus fail(const Failure& failure) {
    complain(failure.message);
    return status_of(failure.code);
}

}  // namespace inod::cli
