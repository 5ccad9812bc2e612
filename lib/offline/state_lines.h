// The state of a store as lines of text, to take it out of one and into another: written by
// export.h, read by import.h.
//
// Each line is a JSON object with just these members, in this order, and nothing else. Numbers are
// JSON integers from 0 to 2^64 - 1, exact; null stands for none.
//
//   {"format":"inod-state","version":1,"store":UUID,"run":N}     the first line: whose it is
//   {"type":"holder","index":N,"binding":"persistent","uid":N,"gid":N}
//   {"type":"pool","name":TEXT,"policy":"unique"|"cyclic","durability":"lease"|"block",
//    "min":N,"max":N,"cursor":N|null,"highest":N|null,"mark":N|null,"generation":N,
//    "swept":N|null,"claims":[N,N]|null}                         lib/pool/sequence.h says what for
//   {"type":"claim","pool":TEXT,"first":N,"last":N}              claimed above the pool's cursor
//   {"type":"live","pool":TEXT,"first":N,"last":N,"generation":N,"holder":N,"claimed":TRUTH}
//   {"type":"end","lines":N}                                     the last: how many are before it
//
// The holders come first, by index from 0; then the pools in the order of their indexes, each with
// its claims and then its live runs behind it, both in ascending order. So two stores in the same
// state have the same lines, but for the first.
#pragma once

#include <cstdint>

namespace inod {

inline constexpr const char* state_format = "inod-state";
inline constexpr std::uint64_t state_format_version = 1;

}  // namespace inod
