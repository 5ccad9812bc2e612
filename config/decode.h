// From JSON values to fields: the checks that every key shares, and the tables that say which keys
// an object may have. One table per object, so that the parser and the list of known keys, which
// the schema is held against, cannot differ.
#pragma once

#include <cstddef>
#include <cstdint>
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

// Values of one kind. Each fails with config_invalid, naming the place, the value and what fits.
Result<std::uint64_t, Failure> integer(const JsonValue& value, const Place& place,
                                       std::uint64_t min, std::uint64_t max);
Result<std::string, Failure> string_of(const JsonValue& value, const Place& place);
Result<void, Failure> require_array(const JsonValue& value, const Place& place);
Result<void, Failure> require_object(const JsonValue& value, const Place& place);

// "X is not one of A, B": for a word that is none of `words`.
Failure not_one_of(const JsonValue& value, const Place& place,
                   std::span<const std::string_view> words);

// One key that an object may have, and how its value gets into a Target.
template <class Target>
struct Key {
    std::string_view name;
    Result<void, Failure> (*decode)(const JsonValue& value, const Place& place, Target& target);
};

Failure unknown_key(const JsonValue& value, const Place& place,
                    std::span<const std::string_view> known);

// Decodes each member of the object `value` into `target`, by the table `keys`, in the order in
// which they stand. Fails with config_invalid for what is no object, for an unknown key, for a key
// given twice, and as the keys' own decode does.
template <class Target, std::size_t count>
Result<void, Failure> decode_object(const JsonValue& value, const Place& place,
                                    const Key<Target> (&keys)[count], Target& target) {
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

}  // namespace inod
