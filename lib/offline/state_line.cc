#include "lib/offline/state_line.h"

#include <algorithm>
#include <array>
#include <limits>
#include <span>
#include <string_view>

#include "config/decode.h"
#include "config/json_value.h"
#include "lib/base/hex.h"
#include "lib/offline/state_lines.h"
#include "lib/offline/state_text.h"

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
    return decode_integer<std::uint64_t>(value, place, 0, id_max, number);
}
Decoded read_into(std::uint32_t& number, const JsonValue& value, const Place& place) {
    return decode_integer<std::uint32_t>(value, place, 0, std::numeric_limits<std::uint32_t>::max(),
                                         number);
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

template <auto member>
Decoded truth(const JsonValue& value, const Place& place, LineOf<member>& line) {
    return decode_bool(value, place, line.*member);
}

// Of who holds something.
template <auto member>
Decoded of_holder(const JsonValue& value, const Place& place, HolderLine& line) {
    return read_into(line.holder.*member, value, place);
}

template <auto member>
Decoded of_process(const JsonValue& value, const Place& place, ProcessIdentity& process) {
    return read_into(process.*member, value, place);
}

constexpr Binding bindings[] = {Binding::persistent, Binding::connection, Binding::process,
                                Binding::ttl};

Decoded binding(const JsonValue& value, const Place& place, HolderLine& line) {
    return decode_word(value, place, bindings, line.holder.binding);
}

// Of the first version, whose holders were all of a kind.
Decoded only_persistent(const JsonValue& value, const Place& place, HolderLine& line) {
    constexpr Binding only[] = {Binding::persistent};
    return decode_word(value, place, only, line.holder.binding);
}

// The bytes that its characters stand for.
Decoded holder_name(const JsonValue& value, const Place& place, HolderLine& line) {
    const auto read = string_of(value, place);
    if (!read) return read.error();
    auto bytes = bytes_of_characters(*read);
    const bool is_name =
        bytes && bytes->size() <= holder_name_size_max && bytes->find('\0') == std::string::npos;
    if (!is_name) {
        return place.refuse(brief(value) + " is not up to " + std::to_string(holder_name_size_max) +
                            " characters from U+0001 to U+00FF");
    }
    line.name = *std::move(bytes);
    return {};
}

// Two words as `parse` reads them, which are not none; null for none.
template <class Parse>
Decoded words(const JsonValue& value, const Place& place, Parse parse, const char* what,
              Words& read) {
    if (value.kind == JsonValue::Kind::null) return {};
    const auto bytes = parse(value.text);
    if (value.kind == JsonValue::Kind::string && bytes) read = words_of(*bytes);
    if (read == Words{}) return place.refuse(std::string("it is not ") + what);
    return {};
}

// What it is is its client's secret, and in no message.
Decoded key(const JsonValue& value, const Place& place, HolderLine& line) {
    return words(value, place, parse_hex, "32 hexadecimal digits, not all 0",
                 line.holder.key.words);
}

Decoded boot(const JsonValue& value, const Place& place, FirstLine& line) {
    return words(value, place, parse_uuid, "a UUID, not all 0", line.boot.words);
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
    Line line{};
    if (auto decoded = decode_object(value, place, keys, line); !decoded) return decoded.error();
    for (const Key<Line>& key : keys) {
        if (member_of(value, key.name) == nullptr) {
            return place.refuse("'" + std::string(key.name) + "' is missing");
        }
    }
    return line;
}

constexpr Key<ProcessIdentity> process_keys[] = {
    {"pid", of_process<&ProcessIdentity::pid>},
    {"inode", of_process<&ProcessIdentity::inode>},
    {"start_time", of_process<&ProcessIdentity::start_time>},
    {"pid_namespace", of_process<&ProcessIdentity::pid_namespace>}};

Decoded process(const JsonValue& value, const Place& place, HolderLine& line) {
    if (value.kind == JsonValue::Kind::null) return {};
    const auto read = decode_all(value, place, process_keys);
    if (!read) return read.error();
    line.holder.process = *read;
    return {};
}

// Each table with what version 1 had of it, where that was less.
constexpr Key<FirstLine> first_keys_1[] = {{"format", known<FirstLine>},
                                           {"version", number<&FirstLine::version>},
                                           {"store", text<&FirstLine::store>},
                                           {"run", number<&FirstLine::run>}};
constexpr Key<FirstLine> first_keys[] = {{"format", known<FirstLine>},
                                         {"version", number<&FirstLine::version>},
                                         {"store", text<&FirstLine::store>},
                                         {"run", number<&FirstLine::run>},
                                         {"boot", boot},
                                         {"next_holder", number<&FirstLine::next_holder>}};
constexpr Key<HolderLine> holder_keys_1[] = {{"type", known<HolderLine>},
                                             {"index", number<&HolderLine::index>},
                                             {"binding", only_persistent},
                                             {"uid", of_holder<&Holder::uid>},
                                             {"gid", of_holder<&Holder::gid>}};
constexpr Key<HolderLine> holder_keys[] = {{"type", known<HolderLine>},
                                           {"index", number<&HolderLine::index>},
                                           {"id", of_holder<&Holder::id>},
                                           {"binding", binding},
                                           {"uid", of_holder<&Holder::uid>},
                                           {"gid", of_holder<&Holder::gid>},
                                           {"name", holder_name},
                                           {"key", key},
                                           {"process", process},
                                           {"ttl_ms", of_holder<&Holder::ttl_ms>},
                                           {"deadline", of_holder<&Holder::deadline>}};
constexpr Key<PoolLine> pool_keys_1[] = {{"type", known<PoolLine>},
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
constexpr Key<PoolLine> pool_keys[] = {{"type", known<PoolLine>},
                                       {"name", text<&PoolLine::name>},
                                       {"policy", text<&PoolLine::policy>},
                                       {"durability", text<&PoolLine::durability>},
                                       {"tracking", truth<&PoolLine::tracking>},
                                       {"min", number<&PoolLine::min>},
                                       {"max", number<&PoolLine::max>},
                                       {"cursor", maybe<&SequenceState::cursor>},
                                       {"highest", maybe<&SequenceState::highest>},
                                       {"mark", maybe<&SequenceState::mark>},
                                       {"generation", generation},
                                       {"swept", maybe<&SequenceState::swept>},
                                       {"claims", claims},
                                       {"passed", maybe<&SequenceState::passed>},
                                       {"claimed", maybe<&SequenceState::claimed>}};
constexpr Key<ClaimLine> claim_keys[] = {{"type", known<ClaimLine>},
                                         {"pool", text<&ClaimLine::pool>},
                                         {"first", number<&ClaimLine::first>},
                                         {"last", number<&ClaimLine::last>}};
constexpr Key<ReservedLine> reserved_keys[] = {{"type", known<ReservedLine>},
                                               {"pool", text<&ReservedLine::pool>},
                                               {"first", number<&ReservedLine::first>},
                                               {"last", number<&ReservedLine::last>}};
constexpr Key<LiveLine> live_keys[] = {{"type", known<LiveLine>},
                                       {"pool", text<&LiveLine::pool>},
                                       {"first", number<&LiveLine::first>},
                                       {"last", number<&LiveLine::last>},
                                       {"generation", number<&LiveLine::generation>},
                                       {"holder", number<&LiveLine::holder>},
                                       {"claimed", truth<&LiveLine::claimed>}};
constexpr Key<EndLine> end_keys[] = {{"type", known<EndLine>}, {"lines", number<&EndLine::lines>}};

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
    const std::uint64_t known_as = version->integer.value_or(0);
    if (known_as < state_format_version_min || known_as > state_format_version) {
        return place.refuse("version " + brief(*version) +
                            " of the format is unknown here, which is " + "version " +
                            std::to_string(state_format_version));
    }
    return known_as < 2 ? decode_all(value, place, first_keys_1)
                        : decode_all(value, place, first_keys);
}

template <class Line>
Result<StateLine, Failure> as_line(Result<Line, Failure> line) {
    if (!line) return line.error();
    return StateLine(*std::move(line));
}

Result<StateLine, Failure> decode_holder(const JsonValue& value, const Place& place,
                                         std::uint64_t version) {
    if (version >= 2) return as_line(decode_all(value, place, holder_keys));
    auto line = decode_all(value, place, holder_keys_1);
    if (line) line->holder.id = HolderId{line->index} + 1;
    return as_line(std::move(line));
}

Result<StateLine, Failure> decode_pool(const JsonValue& value, const Place& place,
                                       std::uint64_t version) {
    if (version >= 2) return as_line(decode_all(value, place, pool_keys));
    auto line = decode_all(value, place, pool_keys_1);
    if (line && line->sequence.generation != 0) line->sequence.passed = line->sequence.highest;
    return as_line(std::move(line));
}

Result<StateLine, Failure> decode_line(const JsonValue& value, const Place& place,
                                       std::uint64_t version) {
    if (auto object = require_object(value, place); !object) return object.error();
    const JsonValue* const type = member_of(value, "type");
    if (type == nullptr) return place.refuse("'type' is missing");
    std::string_view word;
    if (type->kind == JsonValue::Kind::string) word = type->text;
    if (word == "holder") return decode_holder(value, place, version);
    if (word == "pool") return decode_pool(value, place, version);
    if (word == "claim") return as_line(decode_all(value, place, claim_keys));
    if (word == "reserved" && version >= 2) {
        return as_line(decode_all(value, place, reserved_keys));
    }
    if (word == "live") return as_line(decode_all(value, place, live_keys));
    if (word == "end") return as_line(decode_all(value, place, end_keys));
    constexpr std::string_view of_all[] = {"holder", "pool", "claim", "live", "end", "reserved"};
    const std::span<const std::string_view> all(of_all);
    return not_one_of(*type, place.member("type"), version >= 2 ? all : all.first(5));
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

Result<StateLine, Failure> parse_state_line(const std::string& text, std::uint64_t number,
                                            std::uint64_t version) {
    const auto value = parse(text, number);
    if (!value) return as_import(value.error());
    auto line = decode_line(*value, Place(line_name(number)), version);
    if (!line) return as_import(line.error());
    return line;
}

}  // namespace inod
