#include "daemon/acceptor.h"

#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>

namespace inod::daemon {
namespace {

constexpr int accepts_per_look = 4;

// How long to wait before another accept(2) after one that failed for lack of descriptors or memory.
constexpr std::chrono::milliseconds accept_pause{100};

}  // namespace

Acceptor::Acceptor(EventLoop& loop, OwnedFd listening, std::function<void(OwnedFd)> on_connection,
                   std::function<void(int error)> on_failure)
    : loop_(loop),
      listening_(std::move(listening)),
      on_connection_(std::move(on_connection)),
      on_failure_(std::move(on_failure)),
      pause_(loop, [this] { begin(); }) {
    const int flags = ::fcntl(listening_.get(), F_GETFL);
    if (::fcntl(listening_.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
        throw std::system_error(errno, std::system_category(), "fcntl of the listening socket");
    }
    begin();
    if (!is_polled_) throw std::system_error(ENOMEM, std::system_category(), "epoll_ctl");
}

Acceptor::~Acceptor() {
    stop();
}

void Acceptor::stop() noexcept {
    if (std::exchange(is_polled_, false)) loop_.remove(listening_.get(), *this);
    pause_.cancel();
    listening_ = OwnedFd();
}

// Where the kernel has no memory to watch the socket, later.
void Acceptor::begin() {
    is_polled_ = loop_.add(listening_.get(), *this, EventLoop::Trigger::level).has_value();
    if (!is_polled_) pause_.set_after(accept_pause);
}

void Acceptor::try_again() {
    if (is_polled_ || !listening_) return;
    pause_.cancel();
    begin();
}

void Acceptor::on_ready(Readiness /*ready*/) {
    for (int i = 0; i < accepts_per_look && is_polled_; ++i) {
        OwnedFd socket(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (socket) {
            is_failing_ = false;
            on_connection_(std::move(socket));
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            pause(errno);
        }
    }
}

void Acceptor::pause(int error) {
    if (!std::exchange(is_failing_, true)) on_failure_(error);
    is_polled_ = false;
    loop_.remove(listening_.get(), *this);
    pause_.set_after(accept_pause);
}

}  // namespace inod::daemon
