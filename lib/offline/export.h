// The state of a store as lines: what `inoctl export` prints. Changes nothing in the store. The lines are
// as secret as the store: they have the keys of holders.
//
// Thread safety: none needed; blocks for as long as a start and the sink take.
#pragma once

#include <functional>
#include <string>

#include "lib/base/result.h"
#include "lib/base/storage.h"

namespace inod {

// A line without its end, see state_lines.h.
using LineSink = std::function<void(const std::string& line)>;

// Gives the state as the next start would find it to `sink`, a line at a time: so in memory is the
// state, and no more. A store that did not stop clean is exported with what an unclean stop costs:
// marks are passed, generations raised.
// Errors, all before the first line: io_error, also if there is no store; journal_damaged;
//   record_unknown; out_of_memory.
Result<void, Failure> export_state(Storage& storage, const LineSink& sink);

}  // namespace inod
