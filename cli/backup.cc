#include "cli/backup.h"

#include <cstdio>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include <unistd.h>

#include "cli/state_directory.h"
#include "lib/base/file_lock.h"
#include "lib/base/lies_in.h"
#include "lib/base/posix_storage.h"
#include "lib/journal/backup.h"
#include "lib/journal/recovery.h"

namespace inod::cli {
namespace {

namespace fs = std::filesystem;

Failure refused(const std::string& file, const std::string& why, Errc code = Errc::io_error) {
    return {code, "backup " + file + ": " + why};
}

// May a backup be made there?
Result<void, Failure> check_place(const BackupOptions& options) {
    std::error_code error;
    if (!fs::is_directory(options.state_dir, error)) {
        return refused(options.file, "there is no state directory " + options.state_dir +
                                         "; --state-dir says where it is");
    }
    const auto inside = lies_in(options.file, options.state_dir);
    if (!inside) return inside.error();
    if (*inside) {
        return refused(options.file,
                       "it lies in state directory " + options.state_dir +
                           ", and would be lost with it; name a file elsewhere",
                       Errc::config_invalid);
    }
    const fs::file_status status = fs::symlink_status(options.file, error);
    if (!fs::exists(status)) return {};
    if (!fs::is_regular_file(status)) {
        return refused(options.file, "it is there and no regular file; name another");
    }
    if (options.replaces) return {};
    return refused(options.file, "it is there already; --force replaces it", Errc::config_invalid);
}

// What a start would say, where no daemon runs: then it is damage that keeps a store from being copied, and
// nothing that passes.
std::optional<Failure> damage_of(const std::string& state_dir, Storage& state) {
    const auto lock = lock_file_to_look(state_dir + "/lock", in_use_message(state_dir));
    if (!lock) return {};
    NoReplay nobody;
    auto read = scan(state, nobody);
    if (read || read.error().code != Errc::journal_damaged) return {};
    return read.error();
}

Result<BackupMade, Failure> make(const BackupOptions& options) {
    if (auto checked = check_place(options); !checked) return checked.error();
    const fs::path path = fs::absolute(options.file);
    const std::string file_name = path.filename();
    if (file_name.empty()) return refused(options.file, "it names a directory; name a file");
    const auto state =
        PosixStorage::open_directory(options.state_dir, PosixStorage::Access::read_only);
    if (!state) return state.error();
    const auto directory = PosixStorage::open_directory(path.parent_path());
    if (!directory) return directory.error();
    // Two at a time do not meet.
    const BackupName as{.name = file_name,
                        .temporary = file_name + ".new-" + std::to_string(getpid())};
    auto made = back_up(**state, **directory, as);
    if (made) return made;
    if (made.error().code == Errc::no_space)
        return refused(options.file, made.error().message, Errc::no_space);
    const auto damage = damage_of(options.state_dir, **state);
    const Failure& failure = damage ? *damage : made.error();
    return Failure{failure.code, "state directory " + options.state_dir + ": " + failure.message};
}

}  // namespace

ExitStatus backup(const BackupOptions& options) {
    const auto made = make(options);
    if (!made) return refuse(made.error());
    if (options.format == Format::off) {
        std::printf("%s: %llu bytes, run %llu up to LSN %llu\n", options.file.c_str(),
                    static_cast<unsigned long long>(made->size),
                    static_cast<unsigned long long>(made->run),
                    static_cast<unsigned long long>(made->last_lsn));
    } else {
        print(Json{{"file", options.file},
                   {"size", made->size},
                   {"segments", made->segments},
                   {"run", made->run},
                   {"last_lsn", made->last_lsn}},
              options.format);
    }
    if (is_all_printed()) return ExitStatus::ok;
    std::fprintf(stderr, "inoctl: backed up, but that could not be printed\n");
    return ExitStatus::unheard;
}

}  // namespace inod::cli
