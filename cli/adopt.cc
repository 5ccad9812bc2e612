#include "cli/adopt.h"

#include <cstdint>
#include <cstdio>
#include <memory>

#include "cli/state_directory.h"
#include "config/config.h"
#include "lib/allocator/adopt.h"
#include "lib/base/file_lock.h"
#include "lib/base/make_directory.h"
#include "lib/base/posix_storage.h"
#include "lib/base/random_id.h"
#include "lib/journal/witness_directory.h"

namespace inod::cli {
namespace {

Surroundings surroundings_of(const AdoptOptions& options) {
    const std::string by_default = default_witness_dir(options.state_dir);
    const bool is_default = options.witness_dir.empty() || options.witness_dir == by_default;
    return {.machine = {},
            .state_dir = options.state_dir,
            .witness_dir = is_default ? by_default : options.witness_dir,
            .witness_dir_is_default = is_default};
}

// Refuses a mistyped path, or one in use, before anything is made there, a lock or a witness.
Result<void, Failure> check_path(const AdoptOptions& options, const Surroundings& here) {
    const auto store = open_to_look(options.state_dir);
    if (!store) return store.error();
    return check_adoptable(*store->storage, !options.from.empty(), here);
}

Result<Adoption, Failure> adopt_at(const AdoptOptions& options) {
    std::unique_ptr<BackupFile> backup;
    if (!options.from.empty()) {
        auto opened = open_backup(options.from);
        if (!opened) return opened.error();
        backup = *std::move(opened);
        if (auto made = make_directory(options.state_dir); !made) return made.error();
    }
    const Surroundings here = surroundings_of(options);
    if (auto owner = become_owner_of(options.state_dir); !owner) return owner.error();
    if (auto checked = check_path(options, here); !checked) return checked.error();
    const auto lock = lock_file(options.state_dir + "/lock", in_use_message(options.state_dir));
    if (!lock) return lock.error();
    const auto state = PosixStorage::open_directory(here.state_dir);
    if (!state) return state.error();
    const auto witness = open_witness_directory(here.witness_dir, here.state_dir);
    if (!witness) return witness.error();
    // Nobody asks it for anything, so what there is fits.
    AllocatorOptions allocator;
    allocator.memory_max = UINT64_MAX;
    allocator.fresh_token_epoch = random_word();
    const SkipAhead skip{.count = options.skip_ahead.count,
                         .may_stay_below_witness = options.may_stay_below_witness};
    Storage& witness_storage = *witness->storage;
    if (backup) return adopt_backup(*backup, **state, witness_storage, allocator, skip, here);
    return inod::adopt(**state, witness_storage, std::move(allocator), skip, here);
}

Json json_of(const Adoption& adoption) {
    Json pools = Json::array();
    for (const auto& pool : adoption.pools)
        pools.push_back(Json{{"pool", pool.name}, {"from", pool.from}, {"to", pool.to}});
    return Json{{"run", adoption.run}, {"pools", pools}};
}

void print_lines(const Adoption& adoption) {
    for (const auto& pool : adoption.pools) {
        std::printf("%s: %llu to %llu\n", pool.name.c_str(),
                    static_cast<unsigned long long>(pool.from),
                    static_cast<unsigned long long>(pool.to));
    }
}

}  // namespace

ExitStatus adopt(const AdoptOptions& options) {
    const auto adopted = adopt_at(options);
    if (!adopted) return refuse(adopted.error());
    if (adopted->pools_missing > 0) {
        std::fprintf(stderr,
                     "inoctl: %zu pools were made after this copy and are not in it: define them "
                     "under new names, or their numbers are handed out again\n",
                     adopted->pools_missing);
    }
    if (options.format == Format::off) {
        print_lines(*adopted);
    } else {
        print(json_of(*adopted), options.format);
    }
    if (is_all_printed()) return ExitStatus::ok;
    std::fprintf(stderr, "inoctl: adopted, but that could not be printed\n");
    return ExitStatus::unheard;
}

}  // namespace inod::cli
