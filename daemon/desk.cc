#include "daemon/desk.h"

#include <new>

namespace inod::daemon {

Desks::~Desks() {
    while (!spare_.empty()) {
        Desk* const desk = &spare_.front();
        spare_.pop_front();
        delete desk;
        budget_.give(sizeof(Desk));
    }
}

// The last one that was given back lies in the processor's caches still.
Desk* Desks::take() noexcept {
    if (!spare_.empty()) {
        Desk* const desk = &spare_.front();
        spare_.pop_front();
        return desk;
    }
    if (!budget_.take(sizeof(Desk))) return nullptr;
    // Not filled with zeros: most of it is never touched.
    auto* const desk = new (std::nothrow) Desk;
    if (desk == nullptr) budget_.give(sizeof(Desk));
    return desk;
}

void Desks::give(Desk& desk) noexcept {
    if (spare_.size() < spare_max) {
        spare_.push_front(desk);
        return;
    }
    delete &desk;
    budget_.give(sizeof(Desk));
}

}  // namespace inod::daemon
