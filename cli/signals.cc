#include "cli/signals.h"

#include <array>
#include <csignal>

namespace inod::cli {
namespace {

struct Ignored {
    int number;
    struct sigaction before {};
};

std::array<Ignored, 2> write_signals{Ignored{SIGPIPE}, Ignored{SIGXFSZ}};

}  // namespace

void ignore_write_signals() noexcept {
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    for (Ignored& ignored : write_signals)
        ::sigaction(ignored.number, &ignore, &ignored.before);
}

void restore_write_signals() noexcept {
    for (const Ignored& ignored : write_signals)
        ::sigaction(ignored.number, &ignored.before, nullptr);
}

}  // namespace inod::cli
