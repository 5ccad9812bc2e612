// The state of a store as lines of text, to take it out of one and into another: written by
// export.h, read by import.h.
//
// Each line is a JSON object with just these members, in this order, and nothing else. Numbers are
// JSON integers from 0 to 2^64 - 1, exact; null stands for none.
//
//   {"format":"inod-state","version":2,"store":UUID,"run":N,"boot":UUID|null,"next_holder":N}
//                            the first line: whose it is; which start of the machine the life before
//                            knew of; the next holder's ID is at least this
//   {"type":"holder","index":N,"id":N,"binding":"persistent"|"connection"|"process"|"ttl","uid":N,
//    "gid":N,"name":TEXT,"key":HEX|null,"process":PROCESS|null,"ttl_ms":N,"deadline":N}
//   {"type":"pool","name":TEXT,"policy":"unique"|"cyclic"|"lowest","durability":"lease"|"block",
//    "tracking":TRUTH,"min":N,"max":N,"cursor":N|null,"highest":N|null,"mark":N|null,
//    "generation":N,"swept":N|null,"claims":[N,N]|null,"passed":N|null,"claimed":N|null}
//                                                                lib/pool/sequence.h says what for
//   {"type":"claim","pool":TEXT,"first":N,"last":N}              claimed above the pool's cursor
//   {"type":"reserved","pool":TEXT,"first":N,"last":N}
//   {"type":"live","pool":TEXT,"first":N,"last":N,"generation":N,"holder":N,"claimed":TRUTH}
//   {"type":"end","lines":N}                                     the last: how many are before it
//
// PROCESS is {"pid":N,"inode":N,"start_time":N,"pid_namespace":N}, of a holder that is bound to one.
// HEX is 32 hexadecimal digits. A holder's name can be any bytes: each stands as the character with its
// number, U+0001 to U+00FF.
//
// The holders come first, by their indexes, which may have gaps: a live line's holder is an index. Then the
// pools in the order of theirs, each with its claims, what is reserved in it, and its live runs behind it,
// each of them in ascending order. So two stores in the same state have the same lines, but for the
// first.
//
// A holder's key is in it, since it is all that proves the holder of a connection, or of a time without a
// name, to be its client's: without it what they hold would be lost to them. So the lines are as secret as
// the state directory itself.
//
// Version 1, which is still read, had no `boot`, `next_holder`, `tracking`, `passed` and `claimed`, no lines
// of type "reserved", and of holders index, binding (persistent), UID and GID alone, with indexes from 0
// without gaps. It means what the records of that time mean: lib/pool/record.h.
#pragma once

#include <cstdint>

namespace inod {

inline constexpr const char* state_format = "inod-state";
inline constexpr std::uint64_t state_format_version_min = 1;
inline constexpr std::uint64_t state_format_version = 2;

}  // namespace inod
