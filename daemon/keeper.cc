#include "daemon/keeper.h"

namespace inod::daemon {

bool KeptConnection::begin(int socket, std::uint64_t accepted_at) noexcept {
    if (slot_) {
        slot_->begin();
        return true;
    }
    if (keeper_ == nullptr) return false;
    // An optional with a slot in it is not assigned to, since a slot is for one connection.
    if (auto taken = keeper_->kept_.take(accepted_at)) slot_.emplace(std::move(*taken));
    if (!slot_) return false;
    socket_ = socket;
    if (keeper_->new_.empty() && keeper_->due_.empty()) keeper_->timer_.set_after(Keeper::period);
    keeper_->new_.push_back(*this);
    return true;
}

void KeptConnection::end() noexcept {
    unlink();
    slot_.reset();
}

// Where the service manager is busy, the next time.
void Keeper::store_some() noexcept {
    for (int count = 0; count < stored_per_period && !due_.empty(); ++count) {
        KeptConnection& first = due_.front();
        if (!first.slot_->store(first.socket_, DescriptorStore::Patience::none)) break;
        due_.pop_front();
    }
    due_.splice(due_.end(), new_);
    if (!due_.empty()) timer_.set_after(period);
}

}  // namespace inod::daemon
