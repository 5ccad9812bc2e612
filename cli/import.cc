#include "cli/import.h"

#include <cerrno>
#include <cstdio>
#include <iostream>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

#include "cli/state_directory.h"
#include "lib/base/file_lock.h"
#include "lib/base/hex.h"
#include "lib/base/make_directory.h"
#include "lib/base/posix_storage.h"
#include "lib/base/random_id.h"
#include "lib/offline/import.h"

namespace inod::cli {
namespace {

// The next line of standard input.
Result<std::optional<std::string>, Failure> next_line() {
    std::string line;
    if (std::getline(std::cin, line)) return std::optional(std::move(line));
    if (std::cin.bad()) return Failure{Errc::io_error, "standard input cannot be read"};
    return std::optional<std::string>();
}

bool is_there(const std::string& path) {
    struct stat status {};
    return stat(path.c_str(), &status) == 0 || errno != ENOENT;
}

Result<Imported, Failure> import_into(const ImportOptions& options) {
    const auto lock = lock_file(options.state_dir + "/lock", in_use_message(options.state_dir));
    if (!lock) return lock.error();
    const auto storage = PosixStorage::open_directory(options.state_dir);
    if (!storage) return storage.error();
    const auto id = random_id();
    if (!id) return id.error();
    inod::ImportOptions making{.journal = {}, .skip_ahead = options.skip_ahead};
    making.journal.fresh_id = *id;
    std::ios::sync_with_stdio(false);
    auto imported = inod::import_state(**storage, next_line, making);
    if (imported || imported.error().code != Errc::state_in_use) return imported;
    return Failure{Errc::state_in_use,
                   "state directory " + options.state_dir + ": " + imported.error().message};
}

// In a directory that is made for it, unless it is there.
Result<Imported, Failure> import_at(const ImportOptions& options) {
    if (is_there(options.state_dir)) {
        if (auto owner = become_owner_of(options.state_dir); !owner) return owner.error();
        return import_into(options);
    }
    if (auto made = make_directory(options.state_dir); !made) return made.error();
    auto imported = import_into(options);
    if (imported) return imported;
    // Fails if there is anything else in it.
    unlink((options.state_dir + "/lock").c_str());
    rmdir(options.state_dir.c_str());
    return imported;
}

}  // namespace

ExitStatus import_state(const ImportOptions& options) {
    const auto imported = import_at(options);
    if (!imported) {
        complain(imported.error());
        return ExitStatus::refused;
    }
    const Json json{{"store", uuid(imported->store)},
                    {"holders", imported->holders},
                    {"pools", imported->pools},
                    {"live_runs", imported->live_runs}};
    if (options.format == Format::off) {
        for (const auto& [key, value] : json.items())
            std::printf("%s: %s\n", key.c_str(), word_of(value).c_str());
    } else {
        print(json, options.format);
    }
    if (is_all_printed()) return ExitStatus::ok;
    std::fprintf(stderr, "inoctl: imported, but that could not be printed\n");
    return ExitStatus::unheard;
}

}  // namespace inod::cli
