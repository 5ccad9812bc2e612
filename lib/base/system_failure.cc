#include "lib/base/system_failure.h"

#include <cerrno>
#include <system_error>

namespace inod {

Failure system_failure(const char* call, const std::string& path) {
    const int reason = errno;
    const bool is_full = reason == ENOSPC || reason == EDQUOT;
    return {is_full ? Errc::no_space : Errc::io_error,
            std::string(call) + "(" + path + "): " + std::generic_category().message(reason)};
}

}  // namespace inod
