#include "daemon/desk.h"

#include <new>

namespace inod::daemon {

Desks::~Desks() {
    while (!spare_.empty()) {
        Desk& desk = spare_.front();
        spare_.pop_front();
        free(desk);
    }
}

// The last one that was given back lies in the processor's caches still.
Desk* Desks::take() noexcept {
    if (spare_.empty()) return make();
    Desk* const desk = &spare_.front();
    spare_.pop_front();
    return desk;
}

void Desks::give(Desk& desk) noexcept {
    if (spare_.size() < spare_max) {
        spare_.push_front(desk);
    } else {
        free(desk);
    }
}

// Not filled with zeros: most of it is never touched.
Desk* Desks::make() noexcept {
    if (!budget_.take(sizeof(Desk))) return nullptr;
    auto* const desk = new (std::nothrow) Desk;
    if (desk == nullptr) {
        budget_.give(sizeof(Desk));
    } else {
        ++count_;
    }
    return desk;
}

void Desks::free(Desk& desk) noexcept {
    delete &desk;
    --count_;
    budget_.give(sizeof(Desk));
}

}  // namespace inod::daemon
