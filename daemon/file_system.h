// What the file system under the state directory cannot do.
//
// Thread safety: none needed.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace inod::daemon {

// The name of a file system that writes elsewhere what is rewritten, so that on a full disk even a
// block that was written before can find no space: releases are not prepaid there. Nothing for all
// others. `type` is statfs(2)'s f_type.
std::optional<std::string_view> copies_on_write(long type) noexcept;

// The same for the file system that `directory` is on; nothing, too, where nobody can tell.
std::optional<std::string_view> copies_on_write(const std::string& directory) noexcept;

}  // namespace inod::daemon
