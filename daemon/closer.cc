#include "daemon/closer.h"

#include <algorithm>
#include <new>
#include <thread>
#include <utility>

#include "daemon/process_identity.h"

namespace inod::daemon {

Closer::Closer() : shared_(std::make_shared<Shared>()) {
    std::thread([shared = shared_] { run(shared); }).detach();
}

Closer::~Closer() {
    const MutexGuard guard(shared_->mutex);
    shared_->stopping = true;
    shared_->work.notify_one();
}

bool Closer::has_room(std::uint32_t uid) const noexcept {
    const MutexGuard guard(shared_->mutex);
    const auto own = std::count_if(shared_->queue.begin(), shared_->queue.end(),
                                   [uid](const Item& item) { return item.uid == uid; });
    return shared_->queue.size() < count_max && static_cast<std::size_t>(own) < count_of_user_max;
}

void Closer::close(std::uint32_t uid, OwnedFd descriptor) noexcept {
    if (!descriptor) return;
    try {
        const auto harmless = is_pidfd(descriptor.get());
        if (harmless && *harmless) return;
        const MutexGuard guard(shared_->mutex);
        shared_->queue.push_back({.uid = uid, .descriptor = std::move(descriptor)});
        shared_->work.notify_one();
    } catch (const std::bad_alloc&) {
        // Left where it is, it is closed as it goes.
    }
}

void Closer::run(const std::shared_ptr<Shared>& shared) {
    MutexGuard guard(shared->mutex);
    while (!shared->stopping) {
        if (shared->queue.empty()) {
            shared->work.wait(guard.to_wait_with());
            continue;
        }
        // It counts for as long as it takes.
        OwnedFd descriptor = std::move(shared->queue.front().descriptor);
        guard.unlock();
        descriptor = OwnedFd();
        guard.lock();
        shared->queue.pop_front();
    }
}

}  // namespace inod::daemon
