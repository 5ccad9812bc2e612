#include "cli/arguments.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "lib/base/hex.h"
#include "proto/reply.h"

namespace inod::cli {
namespace {

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, number);
    if (text.empty() || parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
    return number;
}

struct Unit {
    std::string_view name;
    std::uint64_t ms;
};

// The largest first.
constexpr std::array units{Unit{"d", 86'400'000}, Unit{"h", 3'600'000}, Unit{"m", 60'000},
                           Unit{"s", 1'000}, Unit{"ms", 1}};

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

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto count = parse_number(text.substr(0, digits));
    const auto unit = std::find_if(units.begin(), units.end(),
                                   [&](const Unit& u) { return u.name == text.substr(digits); });
    if (!count || unit == units.end()) return std::nullopt;
    const auto most = static_cast<std::uint64_t>(ttl_max.count());
    if (*count == 0 || *count > most / unit->ms) return std::nullopt;
    return std::chrono::milliseconds(*count * unit->ms);
}

std::string text_of(std::chrono::milliseconds duration) {
    const auto ms = static_cast<std::uint64_t>(duration.count());
    const auto* const unit = std::find_if(
        units.begin(), units.end(), [ms](const Unit& u) { return ms / u.ms >= 2 || u.ms == 1; });
    return std::to_string(ms / unit->ms) + std::string(unit->name);
}

std::optional<proto::Token> parse_token(std::string_view text) {
    constexpr std::size_t digits = 16;  // of a number
    if (text.size() != 2 * digits + 1 || text[digits] != '-') return std::nullopt;
    const auto bytes =
        parse_hex(std::string(text.substr(0, digits)) + std::string(text.substr(digits + 1)));
    if (!bytes) return std::nullopt;
    const auto number_from = [&](std::size_t first) {
        std::uint64_t number = 0;
        for (std::size_t i = first; i < first + digits / 2; ++i)
            number = number << 8U | std::to_integer<std::uint64_t>(bytes->at(i));
        return number;
    };
    return proto::Token{.epoch = number_from(0), .number = number_from(digits / 2)};
}

std::string text_of(const proto::Token& token) {
    return hex(token.epoch) + "-" + hex(token.number);
}

std::optional<BindingArgument> parse_binding(std::string_view text) {
    constexpr std::string_view with_ttl = "ttl=";
    if (text.starts_with(with_ttl)) {
        const auto ttl = parse_duration(text.substr(with_ttl.size()));
        if (!ttl) return std::nullopt;
        return BindingArgument{.binding = proto::Binding::ttl, .ttl = *ttl};
    }
    for (const auto binding :
         {proto::Binding::persistent, proto::Binding::connection, proto::Binding::process}) {
        if (text == name(binding)) return BindingArgument{.binding = binding};
    }
    return std::nullopt;
}

}  // namespace inod::cli
