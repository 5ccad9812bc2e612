// What a journal says, frame by frame and record by record, in words: what `inoctl dump` shows.
// Changes nothing.
//
// Thread safety: none needed; blocks for as long as a start.
#pragma once

#include <functional>

#include <nlohmann/json.hpp>

#include "lib/base/result.h"
#include "lib/base/storage.h"

namespace inod {

// A flat object: its values are texts, numbers, truths and null. All begin with `file`, `offset`
// and `lsn`, the first that the frame or segment holds, or of a log record its own. What it is says
// the key behind these:
//
//   segment  its number; then what its header has
//   frame    its type; then how many records it has, bytes of payload, up to which LSN all was
//            synced when it was written, and whether it is of a snapshot that is in use
//   record   its type, as in docs/format.md; then its fields. Pools have their names, holders also
//            what they are; both their indexes alone where the journal does not say more
//   item     "live", "claim" or "reserved": a run of IDs of the record before
//   end      "clean stop", "unclean stop" or "torn tail": there is nothing behind it
using DumpLine = nlohmann::ordered_json;
using DumpSink = std::function<void(const DumpLine& line)>;

// The keys of holders are their clients' secrets, and in no line.
//
// Gives all that a start would read to `sink`, in order, as far as it reads back. Spares and
// segments that a snapshot made superfluous are left out.
// Errors: io_error, also if there is no store. journal_damaged, behind all lines that could be
//   read; and record_unknown, likewise, where the record alone is unknown: then it is a line, in
//   hex.
Result<void, Failure> dump(Storage& storage, const DumpSink& sink);

}  // namespace inod
