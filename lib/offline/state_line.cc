#include "lib/offline/state_line.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "config/decode.h"
#include "config/json_value.h"
#include "lib/offline/state_lines.h"

namespace inod {
namespace {

// Members by their address in a line's struct, for the tables below.
template <class Member>
struct MemberOf;
template <class Line, class Value>
struct MemberOf<Value Line::*> {
    using LineType = Line;
};
template <auto member>
using LineOf = typename MemberOf<decltype(member)>::LineType;

using Decoded = Result<void, Failure>;

template <class Number>
Decoded read_into(Number& number, const JsonValue& value, const Place& place) {
    const auto read = integer(value, place, 0, id_max);
    if (!read) return read.error();
    number = *read;
    return {};
}

template <auto member>
Decoded number(const JsonValue& value, const Place& place, LineOf<member>& line) {
    return read_into(line.*member, value, place);
}

template <auto member>
Decoded text(const JsonValue& value, const Place& place, LineOf<member>& line) {
    auto read = string_of(value, place);
    if (!read) return read.error();
    line.*member = *std::move(read);
    return {};
}

Decoded claimed(const JsonValue& value, const Place& place, LiveLine& line) {
    if (value.kind != JsonValue::Kind::boolean) {
        return place.refuse(brief(value) + " is neither true nor false");
    }
    line.claimed = value.truth;
    return {};
}

// Of where a pool's sequence stands: a number, or null.
template <std::optional<Id> SequenceState::*member>
Decoded maybe(const JsonValue& value, const Place& place, PoolLine& line) {
    if (value.kind == JsonValue::Kind::null) return {};
    return read_into(line.sequence.*member, value, place);
}

Decoded generation(const JsonValue& value, const Place& place, PoolLine& line) {
    return read_into(line.sequence.generation, value, place);
}

Decoded claims(const JsonValue& value, const Place& place, PoolLine& line) {
    if (value.kind == JsonValue::Kind::null) return {};
    if (auto array = require_array(value, place); !array) return array;
    if (value.elements.size() != 2) return place.refuse("it is not a first and a last ID");
    const auto first = integer(value.elements[0], place.element(0), 0, id_max);
    if (!first) return first.error();
    const auto last = integer(value.elements[1], place.element(1), *first, id_max);
    if (!last) return last.error();
    line.sequence.claims = Range{*first, *last};
    return {};
}

// What the line was recognised by.
template <class Line>
Decoded known(const JsonValue& /*value*/, const Place& /*place*/, Line& /*line*/) {
    return {};
}

constexpr Key<FirstLine> first_keys[] = {{"format", known<FirstLine>},
                                         {"version", known<FirstLine>},
                                         {"store", text<&FirstLine::store>},
                                         {"run", number<&FirstLine::run>}};
constexpr Key<HolderLine> holder_keys[] = {{"type", known<HolderLine>},
                                           {"index", number<&HolderLine::index>},
                                           {"binding", text<&HolderLine::binding>},
                                           {"uid", number<&HolderLine::uid>},
                                           {"gid", number<&HolderLine::gid>}};
constexpr Key<PoolLine> pool_keys[] = {{"type", known<PoolLine>},
                                       {"name", text<&PoolLine::name>},
                                       {"policy", text<&PoolLine::policy>},
                                       {"durability", text<&PoolLine::durability>},
                                       {"min", number<&PoolLine::min>},
                                       {"max", number<&PoolLine::max>},
                                       {"cursor", maybe<&SequenceState::cursor>},
                                       {"highest", maybe<&SequenceState::highest>},
                                       {"mark", maybe<&SequenceState::mark>},
                                       {"generation", generation},
                                       {"swept", maybe<&SequenceState::swept>},
                                       {"claims", claims}};
constexpr Key<ClaimLine> claim_keys[] = {{"type", known<ClaimLine>},
                                         {"pool", text<&ClaimLine::pool>},
                                         {"first", number<&ClaimLine::first>},
                                         {"last", number<&ClaimLine::last>}};
constexpr Key<LiveLine> live_keys[] = {{"type", known<LiveLine>},
                                       {"pool", text<&LiveLine::pool>},
                                       {"first", number<&LiveLine::first>},
                                       {"last", number<&LiveLine::last>},
                                       {"generation", number<&LiveLine::generation>},
                                       {"holder", number<&LiveLine::holder>},
                                       {"claimed", claimed}};
constexpr Key<EndLine> end_keys[] = {{"type", known<EndLine>}, {"lines", number<&EndLine::lines>}};

const JsonValue* member_of(const JsonValue& object, std::string_view key) {
    const auto& members = object.members;
    const auto found = std::find_if(members.begin(), members.end(),
                                    [key](const JsonMember& member) { return member.key == key; });
    return found != members.end() ? &found->value : nullptr;
}

// All of the keys, each once, and no other.
template <class Line, std::size_t count>
Result<Line, Failure> decode_all(const JsonValue& value, const Place& place,
                                 const Key<Line> (&keys)[count]) {
    Line line;
    if (auto decoded = decode_object(value, place, keys, line); !decoded) return decoded.error();
    for (const Key<Line>& key : keys) {
        if (member_of(value, key.name) == nullptr) {
            return place.refuse("'" + std::string(key.name) + "' is missing");
        }
    }
    return line;
}

std::string line_name(std::uint64_t number) {
    return "line " + std::to_string(number);
}

Result<JsonValue, Failure> parse(const std::string& text, std::uint64_t number) {
    auto value = parse_json(text);
    if (value) return value;
    // The text is a line of many.
    constexpr std::string_view its_own = "line 1";
    std::string message = value.error().message;
    if (message.starts_with(its_own)) message = line_name(number) + message.substr(its_own.size());
    return Failure{value.error().code, message};
}

Result<FirstLine, Failure> decode_first(const JsonValue& value, const Place& place) {
    const JsonValue* const format = member_of(value, "format");
    const bool is_ours = format != nullptr && format->kind == JsonValue::Kind::string &&
                         format->text == state_format;
    if (!is_ours) return place.refuse(std::string("it does not begin an ") + state_format);
    const JsonValue* const version = member_of(value, "version");
    if (version == nullptr) return place.refuse("'version' is missing");
    if (version->integer != state_format_version) {
        return place.refuse("version " + brief(*version) +
                            " of the format is unknown here, which is " + "version " +
                            std::to_string(state_format_version));
    }
    return decode_all(value, place, first_keys);
}

template <class Line>
Result<StateLine, Failure> as_line(Result<Line, Failure> line) {
    if (!line) return line.error();
    return StateLine(*std::move(line));
}

Result<StateLine, Failure> decode_line(const JsonValue& value, const Place& place) {
    if (auto object = require_object(value, place); !object) return object.error();
    const JsonValue* const type = member_of(value, "type");
    if (type == nullptr) return place.refuse("'type' is missing");
    std::string_view word;
    if (type->kind == JsonValue::Kind::string) word = type->text;
    if (word == "holder") return as_line(decode_all(value, place, holder_keys));
    if (word == "pool") return as_line(decode_all(value, place, pool_keys));
    if (word == "claim") return as_line(decode_all(value, place, claim_keys));
    if (word == "live") return as_line(decode_all(value, place, live_keys));
    if (word == "end") return as_line(decode_all(value, place, end_keys));
    constexpr std::array<std::string_view, 5> words{"holder", "pool", "claim", "live", "end"};
    return not_one_of(*type, place.member("type"), words);
}

Failure as_import(Failure failure) {
    failure.code = Errc::import_invalid;
    return failure;
}

}  // namespace

Failure refuse_line(std::uint64_t number, const std::string& what) {
    return as_import(Place(line_name(number)).refuse(what));
}

Result<FirstLine, Failure> parse_first_line(const std::string& text) {
    const auto value = parse(text, 1);
    if (!value) return as_import(value.error());
    auto line = decode_first(*value, Place(line_name(1)));
    if (!line) return as_import(line.error());
    return line;
}

Result<StateLine, Failure> parse_state_line(const std::string& text, std::uint64_t number) {
    const auto value = parse(text, number);
    if (!value) return as_import(value.error());
    auto line = decode_line(*value, Place(line_name(number)));
    if (!line) return as_import(line.error());
    return line;
}

}  // namespace inod
