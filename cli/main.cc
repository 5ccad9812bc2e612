// inoctl: numbers from the command line.
#include <cstdio>
#include <exception>

#include "cli/command_line.h"
#include "cli/signals.h"
#include "lib/base/standard_descriptors.h"

int main(int argc, char** argv) {
    inod::take_standard_descriptors();
    // Whoever reads the answer may be gone, or a file may not grow: that is an error to report, not an
    // end.
    inod::cli::ignore_write_signals();
    try {
        return inod::cli::CommandLine().run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "inoctl: %s\n", error.what());
        return static_cast<int>(inod::cli::ExitStatus::refused);
    }
}
