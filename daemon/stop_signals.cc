#include "daemon/stop_signals.h"

#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

#include <sys/signalfd.h>
#include <unistd.h>

namespace inod::daemon {
namespace {

int take_over() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    const int taken = ::signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (taken >= 0) return taken;
    throw std::system_error(errno, std::system_category(), "signalfd");
}

}  // namespace

StopSignals::StopSignals(EventLoop& loop, std::function<void(int signal)> on_signal)
    : loop_(loop), on_signal_(std::move(on_signal)), signals_(take_over()) {
    if (!loop_.add(signals_.get(), *this, EventLoop::Trigger::level)) {
        throw std::system_error(ENOMEM, std::system_category(), "epoll_ctl");
    }
}

StopSignals::~StopSignals() {
    loop_.remove(signals_.get(), *this);
}

void StopSignals::on_ready(Readiness /*ready*/) {
    signalfd_siginfo taken{};
    if (::read(signals_.get(), &taken, sizeof(taken)) != ssize_t{sizeof(taken)}) return;
    on_signal_(static_cast<int>(taken.ssi_signo));
}

}  // namespace inod::daemon
