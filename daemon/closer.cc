#include "daemon/closer.h"

#include <exception>
#include <thread>
#include <utility>

namespace inod::daemon {

Closer::~Closer() {
    if (!shared_) return;
    const std::lock_guard guard(shared_->mutex);
    shared_->stopping = true;
    shared_->work.notify_one();
}

void Closer::close(OwnedFd descriptor) noexcept {
    if (!descriptor) return;
    try {
        if (!shared_) {
            auto shared = std::make_shared<Shared>();
            std::thread([shared] { run(shared); }).detach();
            shared_ = std::move(shared);
        }
        const std::lock_guard guard(shared_->mutex);
        shared_->descriptors.push_back(std::move(descriptor));
        shared_->work.notify_one();
    } catch (const std::exception&) {
        // Left where it is, it is closed as it goes.
    }
}

void Closer::run(const std::shared_ptr<Shared>& shared) {
    std::unique_lock guard(shared->mutex);
    while (!shared->stopping) {
        if (shared->descriptors.empty()) {
            shared->work.wait(guard);
            continue;
        }
        OwnedFd descriptor = std::move(shared->descriptors.front());
        shared->descriptors.pop_front();
        guard.unlock();
        descriptor = OwnedFd();
        guard.lock();
    }
}

}  // namespace inod::daemon
