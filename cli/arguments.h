// IDs, ranges and holders as people type them.
//
//   ID            1234
//   range         1234 or 1234-1240
//   with @        1234@7, 1234-1240@7: of generation 7
//   duration      500ms, 30s, 5m, 2h, 1d
//   binding       persistent, connection, process, or ttl=30s
//   token         two times 16 hexadecimal digits, as inoctl token prints it: EPOCH-NUMBER
//
// Decimal digits alone, from 0 to 18446744073709551615.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/range.h"
#include "proto/request.h"

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

// The longest time limit of a holder: 2^32 - 1 ms, a little less than 50 days.
inline constexpr std::chrono::milliseconds ttl_max{0xffff'ffffLL};

// From 1 ms to ttl_max. Nothing if the text is no duration, or outside.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

// In the largest unit that makes two or more of it, the rest cut off: "90s" for 90.9 s.
std::string text_of(std::chrono::milliseconds duration);

struct BindingArgument {
    proto::Binding binding;
    std::chrono::milliseconds ttl{0};  // of ttl alone

    friend bool operator==(const BindingArgument&, const BindingArgument&) = default;
};

// Nothing if the text is no token. text_of() is the way back.
std::optional<proto::Token> parse_token(std::string_view text);
std::string text_of(const proto::Token& token);

// Nothing if the text is no binding.
std::optional<BindingArgument> parse_binding(std::string_view text);

}  // namespace inod::cli
