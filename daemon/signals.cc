#include "daemon/signals.h"

#include <cerrno>
#include <csignal>
#include <initializer_list>
#include <system_error>
#include <utility>

#include <sys/signalfd.h>
#include <unistd.h>

namespace inod::daemon {
namespace {

// No thread that is started from here on takes them, nor does this one.
sigset_t block(std::initializer_list<int> numbers) noexcept {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int number : numbers)
        sigaddset(&signals, number);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    return signals;
}

int take_over() {
    const sigset_t signals = block({SIGTERM, SIGINT, SIGHUP});
    const int taken = ::signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (taken >= 0) return taken;
    throw std::system_error(errno, std::system_category(), "signalfd");
}

}  // namespace

void hold_reload_signal() noexcept {
    block({SIGHUP});
}

Signals::Signals(EventLoop& loop, std::function<void(int signal)> on_signal)
    : loop_(loop), on_signal_(std::move(on_signal)), signals_(take_over()) {
    if (!loop_.add(signals_.get(), *this, EventLoop::Trigger::level)) {
        throw std::system_error(ENOMEM, std::system_category(), "epoll_ctl");
    }
}

Signals::~Signals() {
    loop_.remove(signals_.get(), *this);
}

void Signals::on_ready(Readiness /*ready*/) {
    signalfd_siginfo taken{};
    if (::read(signals_.get(), &taken, sizeof(taken)) != ssize_t{sizeof(taken)}) return;
    on_signal_(static_cast<int>(taken.ssi_signo));
}

}  // namespace inod::daemon
