#include "lib/journal/witness_directory.h"

#include <filesystem>
#include <string_view>
#include <system_error>

#include <unistd.h>

#include "lib/base/file_lock.h"
#include "lib/base/lies_in.h"
#include "lib/base/make_directory.h"
#include "lib/journal/witness.h"

namespace inod {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view lock_name = "lock";

// A copy of the state directory would then bring its own witness along.
Result<void, Failure> check_outside(const std::string& directory, const std::string& state_dir) {
    const std::string& place = directory;
    const auto inside = lies_in(place, state_dir);
    if (!inside) return inside.error();
    if (!*inside) return {};
    return Failure{Errc::config_invalid,
                   "witness directory " + directory + ": lies in state directory " + state_dir +
                       ", so a copy of the one brings a copy of the other; name another with "
                       "witness_dir or --witness-dir"};
}

// A directory with files of which none is the witness belongs to something else: a mistyped path.
Result<void, Failure> check_ours(const std::string& directory) {
    std::error_code error;
    std::string foreign;
    for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
        const std::string file_name = entry->path().filename().string();
        if (file_name == witness_file) return {};
        // What a crash left of the first witness, and what a file system has at its root.
        const bool is_expected =
            file_name == witness_fresh_file || file_name == lock_name || file_name == "lost+found";
        if (!is_expected) foreign = file_name;
    }
    if (error) return Failure{Errc::io_error, "readdir " + directory + ": " + error.message()};
    if (foreign.empty()) return {};
    return Failure{Errc::state_in_use, "witness directory " + directory + ": holds " + foreign +
                                           " and no witness; use one that is empty or inod's own"};
}

Failure with_hint(Failure failure, const std::string& directory) {
    failure.message = "witness directory " + directory + ": " + failure.message +
                      "; the directory above must be there, and writable by UID " +
                      std::to_string(geteuid()) +
                      ", or the witness directory made beforehand and its own";
    return failure;
}

}  // namespace

Result<WitnessDirectory, Failure> open_witness_directory(const std::string& directory,
                                                         const std::string& state_dir) {
    if (auto outside = check_outside(directory, state_dir); !outside) return outside.error();
    if (auto made = make_directory(directory); !made) return with_hint(made.error(), directory);
    auto storage = PosixStorage::open_directory(directory);
    if (!storage) return with_hint(storage.error(), directory);
    if (auto ours = check_ours(directory); !ours) return ours.error();
    auto lock = lock_file(fs::path(directory) / lock_name,
                          "witness directory " + directory +
                              ": an inod that runs uses it, and each store needs one of its own");
    if (!lock && lock.error().code == Errc::state_in_use) return lock.error();
    if (!lock) return with_hint(lock.error(), directory);
    return WitnessDirectory{.lock = *std::move(lock), .storage = *std::move(storage)};
}

}  // namespace inod
