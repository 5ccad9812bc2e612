#include "lib/base/random_id.h"

#include <sys/random.h>

namespace inod {

Result<std::array<std::byte, 16>, Failure> random_id() {
    std::array<std::byte, 16> id{};
    if (getrandom(id.data(), id.size(), 0) == static_cast<ssize_t>(id.size())) return id;
    return Failure{Errc::io_error, "getrandom gave no identity for a new store"};
}

}  // namespace inod
