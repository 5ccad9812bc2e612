// What tools/bench tree asks of each structure that it measures: single IDs, each with a 64-bit value
// of its own. The structures are peers only in what they can do at all; what one cannot, its row
// leaves out.
//
// Thread safety: none; everything here is measured on one thread.
#pragma once

#include <cstdint>
#include <optional>

namespace inod::bench {

using Id = std::uint64_t;
using Value = std::uint64_t;

// A structure is a class with
//
//   Id allocate(Value value);             the lowest free ID at or after the one handed out last,
//                                         plus 1; the space is so large that none wraps
//   Value lookup(Id id) const;            0 if it is free
//   void release(Id id);                  of a live ID
//
// and, where it knows free runs,
//
//   void allocate_lowest(unsigned n, Value value);  the lowest n free IDs in a row
//   static constexpr unsigned gap_max;    the largest n that it can be asked for
//   static constexpr unsigned gap_count;  how often that is asked for: less for those that scan

}  // namespace inod::bench
