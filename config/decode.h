// From JSON values to fields: the checks that the keys share, and the shape of the tables that say
// which keys an object may have. One table per object, so that the parser and the list of known
// keys, which the schema is held against, cannot differ.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/json_value.h"

namespace inod {

// Where a value stands: "inod.d/10-x.json: pools[1].min".
class Place {
public:
    explicit Place(std::string file) : file_(std::move(file)) {}

    [[nodiscard]] Place member(std::string_view key) const;
    [[nodiscard]] Place element(std::size_t index) const;

    [[nodiscard]] std::string text() const;

    // The failure with config_invalid that says so: "<place>: <why>".
    [[nodiscard]] Failure refuse(const std::string& why) const;

private:
    std::string file_;
    std::string path_;
};

inline constexpr std::uint32_t account_id_max = 0xFFFF'FFFE;  // -1 means "no UID" to the kernel

// What decoding a value comes to: nothing more to say, or config_invalid.
using Done = Result<void, Failure>;

// Values of one kind. Each fails with config_invalid, naming the place, the value and what fits.
Result<std::uint64_t, Failure> integer(const JsonValue& value, const Place& place,
                                       std::uint64_t min, std::uint64_t max);
Result<std::string, Failure> string_of(const JsonValue& value, const Place& place);
Done require_array(const JsonValue& value, const Place& place);
Done require_object(const JsonValue& value, const Place& place);
Done require_true(const JsonValue& value, const Place& place);
Done decode_bool(const JsonValue& value, const Place& place, bool& out);

// That the object `value` has exactly one of `keys`.
Done require_one_key_of(const JsonValue& value, const Place& place,
                        std::initializer_list<std::string_view> keys);

// "A, B", each in quotes.
std::string list_of(std::span<const std::string_view> words);

// "X is not one of A, B": for a word that is none of `words`.
Failure not_one_of(const JsonValue& value, const Place& place,
                   std::span<const std::string_view> words);

// Reads an integer from `min` to `max` into `out`.
template <class Integer, class Out>
Done decode_integer(const JsonValue& value, const Place& place, Integer min, Integer max,
                    Out& out) {
    const auto number = integer(value, place, min, max);
    if (!number) return number.error();
    out = static_cast<Integer>(*number);
    return {};
}

// The names that name() gives to `values`.
template <class Enum, std::size_t count>
std::vector<std::string_view> words_of(const Enum (&values)[count]) {
    std::vector<std::string_view> words;
    for (const Enum value : values)
        words.push_back(name(value));
    return words;
}

// Reads a word into `out`, by the names that name() gives to `values`.
template <class Enum, std::size_t count, class Out>
Done decode_word(const JsonValue& value, const Place& place, const Enum (&values)[count],
                 Out& out) {
    for (const Enum candidate : values) {
        if (value.kind == JsonValue::Kind::string && value.text == name(candidate)) {
            out = candidate;
            return {};
        }
    }
    return not_one_of(value, place, words_of(values));
}

// Decodes each element of the array `value` by `decode(element, place of the element)`.
template <class Decode>
Done decode_elements(const JsonValue& value, const Place& place, Decode&& decode) {
    if (auto array = require_array(value, place); !array) return array;
    for (std::size_t i = 0; i < value.elements.size(); ++i) {
        if (auto done = decode(value.elements[i], place.element(i)); !done) return done;
    }
    return {};
}

// One key that an object may have, and how its value gets into a Target.
template <class Target>
struct Key {
    std::string_view name;
    Done (*decode)(const JsonValue& value, const Place& place, Target& target);
};

Failure unknown_key(const JsonValue& value, const Place& place,
                    std::span<const std::string_view> known);

// Decodes each member of the object `value` into `target`, by the table `keys`, in the order in
// which they stand. Fails with config_invalid for what is no object, for an unknown key, for a key
// given twice, and as the keys' own decode does.
template <class Target, std::size_t count>
Done decode_object(const JsonValue& value, const Place& place, const Key<Target> (&keys)[count],
                   Target& target) {
    if (auto object = require_object(value, place); !object) return object;
    bool given[count] = {};
    for (const JsonMember& member : value.members) {
        const Place member_place = place.member(member.key);
        std::size_t index = 0;
        while (index < count && keys[index].name != member.key)
            ++index;
        if (index == count) {
            std::vector<std::string_view> known;
            for (const Key<Target>& key : keys)
                known.push_back(key.name);
            return unknown_key(member.value, member_place, known);
        }
        if (given[index]) return member_place.refuse("given twice in one object");
        given[index] = true;
        if (auto done = keys[index].decode(member.value, member_place, target); !done) return done;
    }
    return {};
}

// Appends the path of each of `keys`, which are those of the object at `prefix`: "", "pools[].".
template <class Target, std::size_t count>
void add_key_paths(const std::string& prefix, const Key<Target> (&keys)[count],
                   std::vector<std::string>& paths) {
    for (const Key<Target>& key : keys)
        paths.push_back(prefix + std::string(key.name));
}

}  // namespace inod
