#include "lib/journal/restore.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "lib/journal/segment.h"

namespace inod {
namespace {

constexpr std::string_view lock_name = "lock";
constexpr std::size_t chunk_size = std::size_t{1} << 20U;

bool is_unfinished(const std::string& name) {
    const auto parsed = parse_file_name(name);
    return parsed && parsed->kind == FileKind::fresh;
}

// The name that a segment of the backup has until all are whole.
std::string unfinished_name(const std::string& name) {
    return file_name(FileKind::fresh, parse_file_name(name)->digits);
}

Result<void, Failure> remove_unfinished(Storage& state) {
    const auto names = state.list();
    if (!names) return names.error();
    for (const std::string& name : *names) {
        if (!is_unfinished(name)) continue;
        if (auto removed = state.remove(name); !removed) return removed;
    }
    return {};
}

Result<void, Failure> copy(const File& from, File& to) {
    const auto size = from.size();
    if (!size) return size.error();
    std::vector<std::byte> memory(std::min<std::uint64_t>(chunk_size, *size));
    for (std::uint64_t at = 0; at < *size;) {
        const auto chunk = from.read(at, memory);
        if (!chunk) return chunk.error();
        if (*chunk == 0) return Failure{Errc::journal_damaged, "the backup was cut short"};
        auto written = to.write(at, std::span(memory).first(*chunk));
        if (!written) return written;
        at += *chunk;
    }
    return to.sync();
}

Result<void, Failure> copy_all(BackupFile& backup, const std::vector<std::string>& names,
                               Storage& state) {
    for (const std::string& name : names) {
        const auto from = backup.open(name);
        if (!from) return from.error();
        auto to = state.create(unfinished_name(name));
        if (!to) return to.error();
        if (auto copied = copy(**from, **to); !copied) return copied;
    }
    return {};
}

// The newest first: its header names the base, without which no start goes on.
Result<void, Failure> name_all(std::vector<std::string> names, Storage& state) {
    std::reverse(names.begin(), names.end());
    for (const std::string& name : names) {
        auto renamed = state.rename(unfinished_name(name), name);
        if (!renamed) return renamed;
    }
    return state.sync_names();
}

}  // namespace

Result<void, Failure> check_restorable(const Storage& state) {
    const auto names = state.list();
    if (!names) return names.error();
    const auto other = std::find_if(names->begin(), names->end(), [](const std::string& name) {
        return name != lock_name && !is_unfinished(name);
    });
    if (other == names->end()) return {};
    return Failure{Errc::state_in_use,
                   "it holds " + *other +
                       ", and a backup goes into an empty directory. Move what it holds away; or, "
                       "if an adoption from a backup was cut off, go on with it without --from, "
                       "and where that is refused, remove what it left"};
}

Result<void, Failure> restore(BackupFile& backup, Storage& state) {
    if (auto removed = remove_unfinished(state); !removed) return removed;
    const auto names = backup.list();
    if (!names) return names.error();
    if (auto copied = copy_all(backup, *names, state); !copied) {
        // Not to keep what little space there is.
        static_cast<void>(remove_unfinished(state));
        return copied;
    }
    return name_all(*names, state);
}

}  // namespace inod
