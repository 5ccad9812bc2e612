#include "lib/journal/stale_copy.h"

#include <algorithm>
#include <string_view>

#include "lib/base/hex.h"

namespace inod {
namespace {

// Does the witness that is there know how far this store's pools had come?
enum class Skip { automatic, by_number };

constexpr const char* number_to_choose =
    " (N: at least as many numbers as any pool can have handed out since the copy was made)";

// As a shell takes it for one word.
std::string shell_word(const std::string& text) {
    constexpr std::string_view harmless =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%,";
    if (!text.empty() && text.find_first_not_of(harmless) == std::string::npos) return text;
    std::string word = "'";
    for (const char c : text)
        word += c == '\'' ? std::string(R"('\'')") : std::string(1, c);
    return word + "'";
}

std::string adopt_command(const Surroundings& here, Skip skip, const std::string& from = {}) {
    std::string command = "inoctl adopt " + shell_word(here.state_dir) + from;
    if (!here.witness_dir_is_default) command += " --witness-dir " + shell_word(here.witness_dir);
    if (skip == Skip::automatic) return command + " --skip-ahead auto";
    return command + " --skip-ahead N" + number_to_choose;
}

Failure stale(const Surroundings& here, const std::string& what, const std::string& remedy) {
    return {Errc::state_stale, "state directory " + here.state_dir + ": " + what + ". " + remedy};
}

Failure old_copy(const Surroundings& here, const std::string& what, Skip skip) {
    return stale(here, what,
                 "Put the newest state back, or go on with this one: " + adopt_command(here, skip));
}

// It may well be the newest, but so may its twin.
Failure twin(const Surroundings& here, const std::string& what, Skip skip) {
    return stale(here, what,
                 "See to it that no other copy of it ever runs again, then go on with this one: " +
                     adopt_command(here, skip));
}

bool differ(const Id128& one, const Id128& other) {
    const Id128 none{};
    return one != none && other != none && one != other;
}

Result<void, Failure> check_no_store(const WitnessRecord& witness, const Surroundings& here) {
    return stale(here,
                 "it is empty, but the witness in " + here.witness_dir + " knows of store " +
                     uuid(witness.facts.store) + " in run " + std::to_string(witness.facts.run),
                 "Put the state back; or go on with a backup of it: " + restore_command(here) +
                     "; or, if all its numbers may be handed out again, begin anew: rm " +
                     shell_word(here.witness_dir + "/" + witness_file));
}

Result<void, Failure> check_witness(const StoreFacts& store, const WitnessFacts& witness,
                                    const Surroundings& here) {
    const std::string at = "the witness in " + here.witness_dir;
    if (witness.store != store.id) {
        return old_copy(here,
                        "it holds store " + uuid(store.id) + ", and " + at + " is of store " +
                            uuid(witness.store) + "; no two stores share a witness",
                        Skip::by_number);
    }
    if (store.run < witness.run) {
        return old_copy(here,
                        "it is an old copy: it ends in run " + std::to_string(store.run) +
                            ", and " + at + " knows of run " + std::to_string(witness.run),
                        Skip::automatic);
    }
    if (store.last_lsn < witness.lsn) {
        return old_copy(here,
                        "it is an old copy: it ends at LSN " + std::to_string(store.last_lsn) +
                            " in run " + std::to_string(store.run) + ", and " + at +
                            " knows of LSN " + std::to_string(witness.lsn) + " in run " +
                            std::to_string(witness.run),
                        Skip::automatic);
    }
    return {};
}

Result<void, Failure> check_machine(const StoreFacts& store, const Surroundings& here, Skip skip) {
    if (differ(store.machine.machine, here.machine.machine)) {
        return twin(here,
                    "it last ran on the machine with ID " + hex(store.machine.machine) +
                        ", and this one has " + hex(here.machine.machine),
                    skip);
    }
    if (differ(store.machine.vm_generation, here.machine.vm_generation)) {
        return twin(here,
                    "it last ran in VM generation " + uuid(store.machine.vm_generation) +
                        ", and this one is " + uuid(here.machine.vm_generation) +
                        ": the machine went back to a snapshot, or is a copy",
                    skip);
    }
    return {};
}

}  // namespace

Result<void, Failure> check_not_stale(const std::optional<StoreFacts>& store,
                                      const std::optional<WitnessRecord>& witness,
                                      const Surroundings& here) {
    const bool has_run = witness && witness->facts.run != 0;
    if (!store) {
        if (!has_run) return {};
        return check_no_store(*witness, here);
    }
    // It was about to be made, and its first life came no further than its journal.
    const bool is_just_made = witness && witness->facts.store == store->id && store->run == 1;
    const bool witnessed = has_run || is_just_made;
    if (!witnessed && store->had_witness) {
        return old_copy(here,
                        "it was witnessed up to run " + std::to_string(store->run) +
                            ", and there is no witness in " + here.witness_dir +
                            ". If it is elsewhere, say where: witness_dir or --witness-dir",
                        Skip::by_number);
    }
    if (witnessed) {
        if (auto checked = check_witness(*store, witness->facts, here); !checked) return checked;
    }
    return check_machine(*store, here, witnessed ? Skip::automatic : Skip::by_number);
}

std::string restore_command(const Surroundings& here) {
    return adopt_command(here, Skip::automatic, " --from FILE");
}

Failure witness_refused(Failure failure, const Surroundings& here) {
    failure.message = "witness directory " + here.witness_dir + ": " + failure.message;
    if (failure.code == Errc::journal_damaged) {
        failure.message += ". Put the witness right, or go on with the state as it is: " +
                           adopt_command(here, Skip::by_number);
    }
    return failure;
}

}  // namespace inod
