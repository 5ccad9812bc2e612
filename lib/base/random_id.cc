#include "lib/base/random_id.h"

#include <sys/random.h>

#include "lib/base/assert.h"

namespace inod {

Result<std::array<std::byte, 16>, Failure> random_id() {
    std::array<std::byte, 16> id{};
    if (getrandom(id.data(), id.size(), 0) == static_cast<ssize_t>(id.size())) return id;
    return Failure{Errc::io_error, "getrandom gave no identity for a new store"};
}

std::uint64_t random_word() {
    std::uint64_t word = 0;
    while (word == 0) {
        const auto size = getrandom(&word, sizeof(word), 0);
        INOD_ASSERT(size == static_cast<ssize_t>(sizeof(word)));
    }
    return word;
}

}  // namespace inod
