// The man pages name all that there is, and nothing else: options and subcommands as the programs'
// own --help has them, keys as the schema has them with their limits, and the numbers of the wire.

#include <array>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <limits>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lib/base/errc.h"
#include "proto/frame.h"

namespace inod {
namespace {

using Names = std::set<std::string>;
using Json = nlohmann::json;

std::string content_of(const std::string& file) {
    std::ifstream in(file);
    EXPECT_TRUE(in) << file;
    return {std::istreambuf_iterator<char>(in), {}};
}

std::string page(const std::string& name) {
    return content_of(INOD_SOURCE_DIR "/docs/man/" + name + ".scd");
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);)
        lines.push_back(line);
    return lines;
}

// What a command prints, both ways. Fails the test if it does not end with status 0.
std::string output_of(const std::string& command) {
    std::string output;
    FILE* const pipe = ::popen((command + " 2>&1 </dev/null").c_str(), "r");
    if (pipe == nullptr) {
        ADD_FAILURE() << command;
        return output;
    }
    std::array<char, 4096> part{};
    for (std::size_t got = 0; (got = std::fread(part.data(), 1, part.size(), pipe)) > 0;)
        output.append(part.data(), got);
    EXPECT_EQ(::pclose(pipe), 0) << command << "\n" << output;
    return output;
}

bool has_program(const std::string& name) {
    return std::system(("command -v " + name + " >/dev/null").c_str()) == 0;
}

// The first groups of all lines that match.
Names found(const std::string& text, const std::string& pattern) {
    Names names;
    const std::regex regex(pattern);
    for (const std::string& line : lines_of(text)) {
        std::smatch match;
        if (std::regex_search(line, match, regex)) names.insert(match[1]);
    }
    return names;
}

// From the heading, whose line begins like that, to the next one.
std::string below(const std::string& text, const std::string& heading) {
    std::string part;
    bool is_in = false;
    for (const std::string& line : lines_of(text)) {
        if (line.starts_with("#")) is_in = false;
        if (line == heading || line.starts_with(heading + " ")) is_in = true;
        if (is_in) part += line + "\n";
    }
    EXPECT_FALSE(part.empty()) << "no heading: " << heading;
    return part;
}

// The paragraph about `word`: its line, which begins in bold, and what is indented behind it.
std::string entry(const std::string& text, const std::string& word) {
    std::string part;
    for (const std::string& line : lines_of(text)) {
        const bool is_head = line.starts_with("*");
        if (!part.empty() && !line.empty() && line.front() != '\t') break;
        if (!part.empty() || (is_head && line.find("*" + word + "*") != std::string::npos))
            part += line + "\n";
    }
    return part;
}

// Is the word there, and no longer one that it is a part of?
bool has_word(const std::string& text, const std::string& word) {
    const auto goes_on = [&](std::size_t at) {
        return at < text.size() &&
               (std::isalnum(static_cast<unsigned char>(text[at])) != 0 || text[at] == '_');
    };
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
        if (!(at > 0 && goes_on(at - 1)) && !goes_on(at + word.size())) return true;
    }
    return false;
}

// Does it say that this is the default? Requires `text` without line breaks and markup.
bool has_default(const std::string& text, const std::string& value) {
    for (const char* const behind :
         {" by default", "\" by default", ", the default", "\", the default"}) {
        if (has_word(text, value + behind)) return true;
    }
    return has_word(text, "by default " + value) || has_word(text, "By default " + value);
}

// As a reader has it before him, in one line.
std::string unmarked(const std::string& text) {
    const std::string joined = std::regex_replace(text, std::regex("\n\t?"), " ");
    return std::regex_replace(joined, std::regex("[*]|\\b_|_\\b"), "");
}

Names options_of_help(const std::string& help) {
    return found(help, "^  (?:-[a-z],)?(--[a-z-]+)");
}

Names options_of_page(const std::string& text) {
    return found(text, R"(^\*(?:-[a-z]\*, \*)?(--[a-z-]+)\*)");
}

TEST(Man, InodHasEveryOption) {
    const Names options = options_of_help(output_of(INOD_PROGRAM " --help"));
    EXPECT_GT(options.size(), 5U);
    EXPECT_EQ(options_of_page(below(page("inod.8"), "# OPTIONS")), options);
}

TEST(Man, InoctlHasEveryOptionAndSubcommand) {
    const std::string help = output_of(INOD_CTL_PROGRAM " --help");
    const std::string text = page("inoctl.1");
    EXPECT_EQ(options_of_page(below(text, "# OPTIONS")), options_of_help(help));
    const Names subcommands = found(help.substr(help.find("Subcommands:")), "^  ([a-z]+)(?: |$)");
    EXPECT_GT(subcommands.size(), 20U);
    EXPECT_EQ(found(text, "^## ([a-z]+)"), subcommands);
    for (const std::string& subcommand : subcommands) {
        SCOPED_TRACE(subcommand);
        const std::string part = below(text, "## " + subcommand);
        const std::string own_help = output_of(INOD_CTL_PROGRAM " " + subcommand + " --help");
        Names options = options_of_help(own_help);
        EXPECT_EQ(options.erase("--help"), 1U);  // is said once, for all
        EXPECT_EQ(options_of_page(part), options);
        const std::string heading = part.substr(0, part.find('\n'));
        for (const std::string& argument : found(own_help, "^  ([A-Z]+)(?: |$)"))
            EXPECT_TRUE(has_word(heading, argument)) << argument;
    }
}

// What the schema says of a key stands in its entry.
void expect_described(const std::string& text, const std::string& key, const Json& schema) {
    const std::string part = entry(text, key);
    EXPECT_FALSE(part.empty()) << "no entry";
    for (const char* const number : {"minimum", "maximum", "maxItems", "maxLength", "multipleOf"}) {
        if (!schema.contains(number)) continue;
        const std::string figure = schema[number].dump();
        EXPECT_TRUE(has_word(part, figure)) << number << " " << figure << " is not in\n" << part;
    }
    std::vector<Json> words = schema.value("enum", std::vector<Json>());
    if (schema.contains("items") && schema["items"].contains("enum")) {
        for (const Json& word : schema["items"]["enum"])
            words.push_back(word);
    }
    for (const Json& word : words)
        EXPECT_TRUE(has_word(part, word.dump())) << word << " is not in\n" << part;
    if (!schema.contains("default")) return;
    const Json& value = schema["default"];
    std::string shown = value.is_string() ? value.get<std::string>() : value.dump();
    shown = std::regex_replace(shown, std::regex(","), ", ");
    EXPECT_TRUE(has_default(unmarked(part), shown)) << "default " << shown << " is not in\n"
                                                    << part;
}

TEST(Man, ConfigurationHasEveryKeyWithItsLimits) {
    const Json schema = Json::parse(content_of(INOD_SOURCE_DIR "/config/inod.schema.json"));
    const std::string text = page("inod.json.5");
    struct Case {
        const char* section;
        const Json& object;
    };
    const Case cases[] = {
        {"# KEYS OF THE WHOLE", schema},
        {"# KEYS OF THE JOURNAL", schema["properties"]["journal"]},
        {"# KEYS OF A POOL", schema["$defs"]["pool"]},
        {"# KEYS OF A BAND", schema["$defs"]["band"]},
        {"# KEYS OF A GRANT", schema["$defs"]["grant"]},
        {"# KEYS OF A POOL'S LIMITS", schema["$defs"]["pool_limits"]},
        {"# KEYS OF A USER'S LIMITS", schema["$defs"]["user_limits"]},
    };
    EXPECT_EQ(schema["$defs"].size() + 2, std::size(cases));
    for (const Case& c : cases) {
        SCOPED_TRACE(c.section);
        const std::string part = below(text, c.section);
        Names keys;
        for (const auto& [key, value] : c.object["properties"].items()) {
            SCOPED_TRACE(key);
            keys.insert(key);
            expect_described(part, key, value);
        }
        EXPECT_EQ(found(part, R"(^\*([a-z_$]+)\* = )"), keys);
    }
}

TEST(Man, ConfigurationSaysOfEveryKeyWhatAReloadMakesOfIt) {
    const Json schema = Json::parse(content_of(INOD_SOURCE_DIR "/config/inod.schema.json"));
    const std::string part = below(page("inod.json.5"), "# RELOAD");
    const Names told_elsewhere{"$schema", "journal", "name"};
    for (const Json* const object :
         {&schema, &schema["properties"]["journal"], &schema["$defs"]["pool"]}) {
        for (const auto& [key, value] : (*object)["properties"].items()) {
            const bool is_told = part.find("*" + key + "*") != std::string::npos;
            EXPECT_NE(is_told, told_elsewhere.contains(key)) << key;
        }
    }
}

// A row of a table.
std::string row(unsigned number, std::string_view name) {
    return "\n|  " + std::to_string(number) + "\n:  " + std::string(name) + "\n";
}

// The rows that a table must have, those that it has: the same.
template <class Number, class Name>
void expect_rows(const std::string& text, Name name_of) {
    std::size_t count = 0;
    for (unsigned number = 1; number <= std::numeric_limits<Number>::max(); ++number) {
        const std::string_view name = name_of(static_cast<Number>(number));
        if (name == "unknown") continue;
        ++count;
        EXPECT_NE(text.find(row(number, name)), std::string::npos) << number << " " << name;
    }
    const std::regex rows(R"(\n\|  [0-9]+\n)");
    EXPECT_EQ(static_cast<std::size_t>(std::distance(
                  std::sregex_iterator(text.begin(), text.end(), rows), std::sregex_iterator())),
              count);
}

TEST(Man, ProtocolHasEveryErrorWithItsNumber) {
    expect_rows<std::uint16_t>(below(page("inod-protocol.7"), "# ERRORS"),
                               [](std::uint16_t code) { return name(static_cast<Errc>(code)); });
}

TEST(Man, ProtocolHasEveryOperationWithItsNumber) {
    expect_rows<std::uint8_t>(
        below(page("inod-protocol.7"), "# OPERATIONS"),
        [](std::uint8_t operation) { return name(static_cast<proto::Operation>(operation)); });
}

// By what formats them.
TEST(Man, PagesHaveNoWarnings) {
    if (!has_program("scdoc") || !has_program("groff")) GTEST_SKIP() << "no scdoc, or no groff";
    for (const char* const name : {"inoctl.1", "inod.json.5", "inod-protocol.7", "inod.8"}) {
        EXPECT_EQ(output_of("{ scdoc < " INOD_SOURCE_DIR "/docs/man/" + std::string(name) +
                            ".scd | groff -t -man -ww -Tutf8 >/dev/null; }"),
                  "")
            << name;
    }
}

}  // namespace
}  // namespace inod
