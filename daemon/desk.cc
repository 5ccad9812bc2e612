#include "daemon/desk.h"

#include <cstdlib>
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
    if (spare_.size() < kept_max_) {
        spare_.push_front(desk);
    } else {
        free(desk);
    }
}

// From malloc(3), since a new that fails throws within, which takes memory too. Not filled with zeros, but
// each of its pages is touched: one that was only promised could still kill the process at its first reply.
Desk* Desks::make() noexcept {
    if (!budget_.take(sizeof(Desk))) return nullptr;
    void* const memory = std::malloc(sizeof(Desk));  // NOLINT(cppcoreguidelines-no-malloc)
    if (memory == nullptr) {
        budget_.give(sizeof(Desk));
        return nullptr;
    }
    ++count_;
    constexpr std::size_t page_size_min = 4096;
    auto* const bytes = static_cast<volatile std::byte*>(memory);
    for (std::size_t at = 0; at < sizeof(Desk); at += page_size_min)
        bytes[at] = std::byte{0};
    bytes[sizeof(Desk) - 1] = std::byte{0};
    return new (memory) Desk;
}

void Desks::free(Desk& desk) noexcept {
    desk.~Desk();
    std::free(&desk);  // NOLINT(cppcoreguidelines-no-malloc)
    --count_;
    budget_.give(sizeof(Desk));
}

}  // namespace inod::daemon
