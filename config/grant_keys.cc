#include "config/grant_keys.h"

#include <utility>

namespace inod {
namespace {

Done decode_rights(const JsonValue& value, const Place& place, Grant& grant) {
    Rights rights;
    auto done = decode_elements(value, place, [&](const JsonValue& element, const Place& at) {
        Right right{};
        auto word = decode_word(element, at, every_right, right);
        if (word) rights.add(right);
        return word;
    });
    if (!done) return done;
    if (value.elements.empty()) {
        return place.refuse("[] grants nothing; known are " + list_of(words_of(every_right)));
    }
    grant.rights = rights;
    return {};
}

constexpr Key<Grant> grant_keys[] = {
    {"uid",
     [](const JsonValue& value, const Place& place, Grant& grant) {
         grant.to = Grant::To::uid;
         return decode_integer(value, place, 0U, account_id_max, grant.id);
     }},
    {"gid",
     [](const JsonValue& value, const Place& place, Grant& grant) {
         grant.to = Grant::To::gid;
         return decode_integer(value, place, 0U, account_id_max, grant.id);
     }},
    {"everyone",
     [](const JsonValue& value, const Place& place, Grant& grant) {
         grant.to = Grant::To::everyone;
         return require_true(value, place);
     }},
    {"rights", decode_rights},
};

}  // namespace

Done decode_grants(const JsonValue& value, const Place& place, std::vector<Grant>& grants) {
    std::vector<Grant> read;
    auto done = decode_elements(value, place, [&](const JsonValue& element, const Place& at) {
        auto object = decode_object(element, at, grant_keys, read.emplace_back());
        return object ? require_one_key_of(element, at, {"uid", "gid", "everyone"}) : object;
    });
    if (done) grants = std::move(read);
    return done;
}

void add_grant_keys(const std::string& prefix, std::vector<std::string>& paths) {
    add_key_paths(prefix, grant_keys, paths);
}

}  // namespace inod
