// Holds config/inod.schema.json against the parser, so that neither says what the other does not:
// the keys, and by trying them, each key's limits, words and default.

#include <fstream>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "config/config.h"

namespace inod {
namespace {

using Json = nlohmann::json;

// The place of a value below the root of a configuration, as config_keys() writes it, and what the
// schema says of it.
struct Property {
    std::string path;
    Json schema;
};

Json read_schema() {
    std::ifstream file(INOD_SOURCE_DIR "/config/inod.schema.json");
    return Json::parse(file);
}

// Every property below `node`, "$ref" followed.
void collect(const Json& root, const Json& node, const std::string& path,
             std::vector<Property>& properties) {
    if (node.contains("$ref")) {
        const std::string pointer = node.at("$ref").get<std::string>().substr(1);
        return collect(root, root.at(Json::json_pointer(pointer)), path, properties);
    }
    if (node.contains("items")) collect(root, node.at("items"), path + "[]", properties);
    if (!node.contains("properties")) return;
    EXPECT_EQ(node.at("additionalProperties"), false) << path;
    for (const auto& [key, schema] : node.at("properties").items()) {
        std::string key_path = path;
        if (!path.empty()) key_path += '.';
        key_path += key;
        properties.push_back({key_path, schema});
        collect(root, schema, key_path, properties);
    }
}

std::vector<Property> properties() {
    const Json root = read_schema();
    std::vector<Property> found;
    collect(root, root, "", found);
    return found;
}

// What an element of the array `key` needs, whatever else it says.
Json needed(const std::string& key) {
    if (key == "pools") {
        return {{"name", "a"}, {"policy", "unique"}, {"min", 0}, {"max", id_max}};
    }
    if (key == "reserved") return {{"first", 0}, {"last", 0}};
    return {{"everyone", true}};
}

// The object in `config` that the last key of `path` belongs to, made where there is none.
Json& owner(Json& config, const std::string& path) {
    Json* at = &config;
    std::size_t begin = 0;
    for (std::size_t dot = 0; (dot = path.find('.', begin)) != path.npos; begin = dot + 1) {
        std::string key = path.substr(begin, dot - begin);
        const bool element = key.ends_with("[]");
        if (element) key.resize(key.size() - 2);
        at = &(*at)[key];
        if (!element) continue;
        at = &(*at)[0];
        if (at->is_null()) *at = needed(key);
    }
    return *at;
}

std::string last_key(const std::string& path) {
    return path.substr(path.rfind('.') + 1);
}

// A configuration that is sound as it stands, with `value` at `path`.
Json with(const std::string& path, const Json& value) {
    Json config = {{"pools", {needed("pools")}}};
    owner(config, path)[last_key(path)] = value;
    return config;
}

// The same with nothing there.
Json without(const std::string& path) {
    Json config = with(path, nullptr);
    owner(config, path).erase(last_key(path));
    return config;
}

std::string refusal(const std::string& text) {
    const Source source{"inod.json", text};
    const auto config = parse_config({&source, 1});
    return config ? "" : config.error().message;
}

// Whether the parser says `value` itself is wrong at that place, whatever else may be.
bool refused(const std::string& path, const std::string& digits) {
    std::string text = with(path, "@").dump();
    text.replace(text.find("\"@\""), 3, digits);
    const std::string message = refusal(text);
    return message.find(" " + digits + " is not an integer from ") != message.npos;
}

TEST(Schema, HasTheKeysOfTheParserAndNoOthers) {
    std::set<std::string> in_schema;
    for (const Property& property : properties())
        in_schema.insert(property.path);
    const std::vector<std::string> keys = config_keys();
    EXPECT_EQ(in_schema, (std::set<std::string>(keys.begin(), keys.end())));
}

TEST(Schema, DescribesEveryKey) {
    for (const Property& property : properties()) {
        SCOPED_TRACE(property.path);
        EXPECT_FALSE(property.schema.value("description", "").empty());
    }
}

TEST(Schema, LimitsAreThoseOfTheParser) {
    int numbers = 0;
    for (const Property& property : properties()) {
        if (property.schema.value("type", "") != "integer") continue;
        SCOPED_TRACE(property.path);
        ++numbers;
        const auto min = property.schema.at("minimum").get<std::uint64_t>();
        const auto max = property.schema.at("maximum").get<std::uint64_t>();
        EXPECT_FALSE(refused(property.path, std::to_string(min)));
        EXPECT_FALSE(refused(property.path, std::to_string(max)));
        EXPECT_TRUE(refused(property.path, min == 0 ? "-1" : std::to_string(min - 1)));
        EXPECT_TRUE(refused(property.path,
                            max == id_max ? "18446744073709551616" : std::to_string(max + 1)));
        if (property.schema.contains("multipleOf")) {
            EXPECT_EQ(property.schema.at("multipleOf"), configured_segment_size_unit);
        }
    }
    EXPECT_EQ(numbers, 27)
        << "8 at the top, 2 of the journal, 6 of a pool, 2 of a band and of a grant, "
           "3 of a pool's limits and 4 of a user's";
}

TEST(Schema, ListsAreAsLongAsThoseOfTheParser) {
    for (const Property& property : properties()) {
        SCOPED_TRACE(property.path);
        if (property.schema.contains("maxItems")) {
            EXPECT_EQ(property.schema.at("maxItems"), reserved_bands_max);
        }
        if (property.schema.value("type", "") != "array" || property.path == "pools") continue;
        const bool may_be_empty = property.schema.value("minItems", 0) == 0;
        EXPECT_EQ(refusal(with(property.path, Json::array()).dump()).empty(), may_be_empty);
    }
}

TEST(Schema, WordsAreThoseOfTheParser) {
    int lists_of_words = 0;
    for (const Property& property : properties()) {
        const bool list = property.schema.contains("items");
        const Json& schema = list ? property.schema.at("items") : property.schema;
        if (!schema.contains("enum")) continue;
        SCOPED_TRACE(property.path);
        ++lists_of_words;
        const auto text_with = [&](const Json& word) {
            return with(property.path, list ? Json::array({word}) : word).dump();
        };
        std::string known;
        for (const Json& word : schema.at("enum")) {
            EXPECT_EQ(refusal(text_with(word)), "");
            known += (known.empty() ? "" : ", ") + word.dump();
        }
        const std::string message = refusal(text_with("@"));
        EXPECT_TRUE(message.ends_with("\"@\" is not one of " + known)) << message;
    }
    EXPECT_EQ(lists_of_words, 4) << "log_level, policy, durability, rights";
}

TEST(Schema, DefaultsAreThoseOfTheParser) {
    for (const Property& property : properties()) {
        if (!property.schema.contains("default")) continue;
        SCOPED_TRACE(property.path);
        const Source bare{"inod.json", without(property.path).dump()};
        const Source spelled{"inod.json",
                             with(property.path, property.schema.at("default")).dump()};
        const auto want = parse_config({&bare, 1});
        const auto got = parse_config({&spelled, 1});
        ASSERT_TRUE(want && got);
        EXPECT_EQ(*got, *want);
    }
}

TEST(Schema, OnlyWhatHasNoDefaultLacksOne) {
    std::set<std::string> lacking;
    for (const Property& property : properties()) {
        if (!property.schema.contains("default")) lacking.insert(property.path);
    }
    const std::set<std::string> want = {
        "$schema",
        "pools",
        "witness_dir",
        "journal",
        "user_limits[].uid",
        "user_limits[].everyone",
        "pools[].name",
        "pools[].policy",
        "pools[].min",
        "pools[].max",
        "pools[].wrap_to",
        "pools[].parent",
        "pools[].reserved[].first",
        "pools[].reserved[].last",
        "pools[].grants[].uid",
        "pools[].grants[].gid",
        "pools[].grants[].everyone",
        "pools[].limits[].uid",
        "pools[].limits[].everyone",
    };
    EXPECT_EQ(lacking, want);
}

}  // namespace
}  // namespace inod
