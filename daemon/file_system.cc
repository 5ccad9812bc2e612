#include "daemon/file_system.h"

#include <algorithm>
#include <array>

#include <sys/vfs.h>

namespace inod::daemon {
namespace {

struct FileSystem {
    long type;
    std::string_view name;
};

// Source: linux/magic.h; for zfs and bcachefs what stat(1) of coreutils knows by name.
constexpr std::array copying = {
    FileSystem{0x9123683E, "btrfs"},    FileSystem{0x2FC12FC1, "zfs"},
    FileSystem{0xCA451A4E, "bcachefs"}, FileSystem{0xF2F52010, "f2fs"},
    FileSystem{0x3434, "nilfs2"},
};

}  // namespace

std::optional<std::string_view> copies_on_write(long type) noexcept {
    const auto* const found = std::find_if(copying.begin(), copying.end(),
                                           [type](const FileSystem& f) { return f.type == type; });
    if (found == copying.end()) return std::nullopt;
    return found->name;
}

std::optional<std::string_view> copies_on_write(const std::string& directory) noexcept {
    struct statfs status {};
    if (::statfs(directory.c_str(), &status) != 0) return std::nullopt;
    return copies_on_write(static_cast<long>(status.f_type));
}

}  // namespace inod::daemon
