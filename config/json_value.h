// A JSON text as a tree of values, kept as it was written: numbers exactly, keys in order and as
// often as they were given, so that a refusal can show what stands there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/result.h"

namespace inod {

struct JsonMember;

struct JsonValue {
    enum class Kind : std::uint8_t { null, boolean, number, string, array, object };

    Kind kind = Kind::null;
    bool truth = false;                    // of a boolean
    std::optional<std::uint64_t> integer;  // of a number that is a whole one from 0 to 2^64 - 1
    std::string text;                      // a string's characters, a number's digits
    std::vector<JsonValue> elements;       // of an array
    std::vector<JsonMember> members;       // of an object
};

struct JsonMember {
    std::string key;
    JsonValue value;
};

// Arrays and objects within each other. A configuration needs 4; a limit keeps a hostile text from
// using up the stack when its tree is taken down.
inline constexpr std::size_t json_depth_max = 32;

// Fails with config_invalid; the message names line and column, counted in bytes from 1, and the
// reason, and is meant to stand behind the file's name.
Result<JsonValue, Failure> parse_json(std::string_view text);

// The value in one line, as it was written, cut short where it is long.
std::string brief(const JsonValue& value);

// `text` in quotes, what is not printable ASCII escaped, cut short where it is long.
std::string quote(std::string_view text);

// `text` with what is not printable ASCII escaped, so that a message stays one line.
std::string printable(std::string_view text);

}  // namespace inod
