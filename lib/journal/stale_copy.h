// May this store go on? Decides from what the journal says of itself, what the witness saw, and
// where both are now, whether the state directory is an old copy. A pure function: it reads nothing
// and changes nothing.
//
// Thread safety: none needed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lib/base/result.h"
#include "lib/journal/witness.h"

namespace inod {

// What a journal says of the store, before this start changed anything.
struct StoreFacts {
    StoreId id{};
    std::uint64_t run = 0;      // the newest life that it knows
    Lsn last_lsn = 0;           // the last record that it has
    MachineIdentity machine{};  // where that life ran, as far as that was known
    bool had_witness = false;   // a life of it has written a witness before
};

// Where it is now.
struct Surroundings {
    MachineIdentity machine{};
    std::string state_dir;    // for messages, and for the command to go on with
    std::string witness_dir;  // likewise
    bool witness_dir_is_default = true;
};

// The rules, of which the first that fits counts. "Witness" is one with a run; one of run 0 tells
// only that a store was about to be made and nothing was handed out, and counts as none, but beside
// the first life of that store.
//
//   store    witness        what they say                                      outcome
//   none     none                                                              ok: a new store
//   none     there                                                             refused
//   there    none           the store never had one                            go on below
//   there    none           the store had one                                  refused
//   there    there          of another store                                   refused
//   there    there          the store's run is below the witness's             refused
//   there    there          the store's last LSN is below the witness's        refused
//   there    any            it last ran on another machine, both known         refused
//   there    any            it last ran in another VM generation, both known   refused
//   there    any            anything else                                      ok
//
// A store ahead of its witness is ok: the journal is written first, and a crash may come between.
//
// Error: state_stale. The message has both numbers or names, and the command by which an
// administrator goes on.
Result<void, Failure> check_not_stale(const std::optional<StoreFacts>& store,
                                      const std::optional<WitnessRecord>& witness,
                                      const Surroundings& here);

// The command that brings a backup into the state directory, which must be empty, and goes on with it.
std::string restore_command(const Surroundings& here);

// A failure of Witness::load(), completed by the directory and, where the witness is damaged, by
// the command to go on with.
Failure witness_refused(Failure failure, const Surroundings& here);

}  // namespace inod
