// IDs and ranges as people type them.
//
//   ID            1234
//   range         1234 or 1234-1240
//   with @        1234@7, 1234-1240@7: of generation 7
//
// Decimal digits alone, from 0 to 18446744073709551615.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/range.h"

namespace inod::cli {

struct IdsArgument {
    Range range;
    std::uint64_t generation;  // 0 if none was given

    friend bool operator==(const IdsArgument&, const IdsArgument&) = default;
};

// Nothing if the text is none of the above. A range may be turned round: the daemon refuses it.
std::optional<IdsArgument> parse_ids(std::string_view text);

// How far adopt skips ahead: a number, or nothing for "auto".
struct SkipAheadArgument {
    std::optional<std::uint64_t> count;

    friend bool operator==(const SkipAheadArgument&, const SkipAheadArgument&) = default;
};

// "auto", or decimal digits from 0 to 18446744073709551615. Nothing if the text is neither.
std::optional<SkipAheadArgument> parse_skip_ahead(std::string_view text);

// The way back, as alloc prints it: "1234-1240@7".
std::string text_of(Range range, std::uint64_t generation);

}  // namespace inod::cli
