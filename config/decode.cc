#include "config/decode.h"

#include <algorithm>

namespace inod {
Place Place::member(std::string_view key) const {
    Place place = *this;
    if (!place.path_.empty()) place.path_ += '.';
    place.path_ += key;
    return place;
}

Place Place::element(std::size_t index) const {
    Place place = *this;
    place.path_ += "[" + std::to_string(index) + "]";
    return place;
}

std::string Place::text() const {
    return path_.empty() ? file_ : file_ + ": " + path_;
}

Failure Place::refuse(const std::string& why) const {
    return {Errc::config_invalid, printable(text() + ": " + why)};
}

Result<std::uint64_t, Failure> integer(const JsonValue& value, const Place& place,
                                       std::uint64_t min, std::uint64_t max) {
    if (value.integer && *value.integer >= min && *value.integer <= max) return *value.integer;
    return place.refuse(brief(value) + " is not an integer from " + std::to_string(min) + " to " +
                        std::to_string(max));
}

Result<std::string, Failure> string_of(const JsonValue& value, const Place& place) {
    if (value.kind == JsonValue::Kind::string) return value.text;
    return place.refuse(brief(value) + " is not a string");
}

Done require_array(const JsonValue& value, const Place& place) {
    if (value.kind == JsonValue::Kind::array) return {};
    return place.refuse(brief(value) + " is not an array");
}

Done require_object(const JsonValue& value, const Place& place) {
    if (value.kind == JsonValue::Kind::object) return {};
    return place.refuse(brief(value) + " is not an object");
}

Done require_true(const JsonValue& value, const Place& place) {
    if (value.truth) return {};
    return place.refuse(brief(value) + " is not true");
}

Done decode_bool(const JsonValue& value, const Place& place, bool& out) {
    if (value.kind != JsonValue::Kind::boolean) {
        return place.refuse(brief(value) + " is not true or false");
    }
    out = value.truth;
    return {};
}

Done require_one_key_of(const JsonValue& value, const Place& place,
                        std::initializer_list<std::string_view> keys) {
    const auto found =
        std::count_if(value.members.begin(), value.members.end(), [&](const JsonMember& member) {
            return std::find(keys.begin(), keys.end(), member.key) != keys.end();
        });
    if (found == 1) return {};
    return place.refuse(brief(value) + " has not exactly one of " +
                        list_of({keys.begin(), keys.size()}));
}

std::string list_of(std::span<const std::string_view> words) {
    std::string list;
    for (const std::string_view word : words) {
        if (!list.empty()) list += ", ";
        list += quote(word);
    }
    return list;
}

Failure not_one_of(const JsonValue& value, const Place& place,
                   std::span<const std::string_view> words) {
    return place.refuse(brief(value) + " is not one of " + list_of(words));
}

Failure unknown_key(const JsonValue& value, const Place& place,
                    std::span<const std::string_view> known) {
    return place.refuse("unknown key, with the value " + brief(value) + "; known are " +
                        list_of(known));
}

}  // namespace inod
