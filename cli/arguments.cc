#include "cli/arguments.h"

#include <charconv>

namespace inod::cli {
namespace {

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, number);
    if (text.empty() || parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
    return number;
}

}  // namespace

std::optional<IdsArgument> parse_ids(std::string_view text) {
    std::uint64_t generation = 0;
    if (const auto at = text.find('@'); at != std::string_view::npos) {
        const auto number = parse_number(text.substr(at + 1));
        if (!number || *number == 0) return std::nullopt;
        generation = *number;
        text = text.substr(0, at);
    }
    const auto dash = text.find('-');
    const auto first = parse_number(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_number(text.substr(dash + 1));
    if (!first || !last) return std::nullopt;
    return IdsArgument{.range = {*first, *last}, .generation = generation};
}

std::optional<SkipAheadArgument> parse_skip_ahead(std::string_view text) {
    if (text == "auto") return SkipAheadArgument{};
    const auto count = parse_number(text);
    if (!count) return std::nullopt;
    return SkipAheadArgument{count};
}

std::string text_of(Range range, std::uint64_t generation) {
    std::string text = std::to_string(range.first);
    if (range.last != range.first) text += "-" + std::to_string(range.last);
    if (generation != 0) text += "@" + std::to_string(generation);
    return text;
}

}  // namespace inod::cli
