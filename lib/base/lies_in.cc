#include "lib/base/lies_in.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace inod {

Result<bool, Failure> lies_in(const std::string& path, const std::string& directory) {
    namespace fs = std::filesystem;
    std::error_code error;
    const fs::path outer = fs::canonical(directory, error);
    if (error) return Failure{Errc::io_error, "realpath(" + directory + "): " + error.message()};
    const fs::path inner = fs::weakly_canonical(path, error);
    if (error) return Failure{Errc::io_error, "realpath(" + path + "): " + error.message()};
    const auto [end, differs] =
        std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
    return end == outer.end();
}

}  // namespace inod
