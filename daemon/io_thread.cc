#include "daemon/io_thread.h"

#include <exception>
#include <new>
#include <utility>

#include <pthread.h>

#include "daemon/touch_stack.h"

namespace inod::daemon {

IoThread::IoThread(std::chrono::microseconds polling, const SharedByConnections& shared,
                   std::function<void(std::string_view what)> on_failure)
    : loop_(polling),
      connections_(loop_, shared),
      on_failure_(std::move(on_failure)),
      answering_([this] { has_answered_ = true; }),
      opening_([this] { open_newcomers(); }),
      finishing_([this] { connections_.finish_all(reason_); }),
      stopping_([this] { loop_.stop(); }),
      thread_([this] { run(); }) {
    ::pthread_setname_np(thread_.native_handle(), name.data());
}

IoThread::~IoThread() {
    stop();
}

void IoThread::open(Newcomer newcomer) noexcept {
    const std::uint32_t uid = newcomer.peer.uid;
    try {
        const MutexGuard guard(mutex_);
        newcomers_.push_back(std::move(newcomer));
    } catch (const std::bad_alloc&) {
        connections_.give_up(uid);
        return;
    }
    loop_.post_from_any_thread(opening_);
}

void IoThread::finish_all(Errc reason) noexcept {
    reason_ = reason;
    loop_.post_from_any_thread(finishing_);
}

void IoThread::ask() noexcept {
    has_answered_ = false;
    loop_.post_from_any_thread(answering_);
}

void IoThread::stop() noexcept {
    if (!thread_.joinable()) return;
    loop_.post_from_any_thread(stopping_);
    thread_.join();
}

std::uint64_t IoThread::count() const noexcept {
    const MutexGuard guard(mutex_);
    return newcomers_.size() + connections_.count();
}

void IoThread::run() noexcept {
    touch_stack();
    try {
        loop_.run();
    } catch (const std::exception& error) {
        on_failure_(error.what());
    }
    open_newcomers();  // and close them: what they took is given back
    connections_.abort_all();
}

void IoThread::open_newcomers() {
    for (;;) {
        MutexGuard guard(mutex_);
        if (newcomers_.empty()) return;
        Newcomer newcomer = std::move(newcomers_.front());
        newcomers_.pop_front();
        guard.unlock();
        connections_.open(std::move(newcomer));
    }
}

}  // namespace inod::daemon
