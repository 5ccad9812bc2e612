#include "config/json_value.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <utility>

#include <nlohmann/json.hpp>

namespace inod {
namespace {

constexpr std::size_t brief_size_max = 60;

Failure failure_at(std::string_view text, std::size_t offset, const std::string& reason) {
    const std::string_view before = text.substr(0, std::min(offset, text.size()));
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const std::size_t newline = before.rfind('\n');
    const std::size_t column = before.size() - (newline == before.npos ? 0 : newline + 1) + 1;
    return {Errc::config_invalid, "line " + std::to_string(line) + ", column " +
                                      std::to_string(column) + ": " + printable(reason)};
}

// What nlohmann's message says behind its own name and place. The library words it "[id] parse
// error at line 1, column 2: reason" or "[id] reason"; should that change, the whole of it is still
// true.
std::string reason_of(std::string message) {
    const std::size_t place = message.find(", column ");
    if (place != message.npos) {
        const std::size_t colon = message.find(": ", place);
        return colon == message.npos ? message : message.substr(colon + 2);
    }
    const std::size_t id_end = message.find("] ");
    return id_end == message.npos ? message : message.substr(id_end + 2);
}

// Builds the tree from the parser's events. The library's own tree would round a number that does
// not fit 64 bits and keep only the last of two equal keys; the events still have both. Their
// signatures are the library's, hence the parameters by reference.
class TreeBuilder final : public nlohmann::json_sax<nlohmann::json> {
public:
    explicit TreeBuilder(std::string_view text) : text_(text) {}

    bool null() override { return add({}); }
    bool boolean(bool truth) override {
        JsonValue value;
        value.kind = JsonValue::Kind::boolean;
        value.truth = truth;
        return add(std::move(value));
    }
    bool number_integer(number_integer_t number) override {
        const auto whole = static_cast<std::uint64_t>(number);
        return add_number(std::to_string(number), number < 0 ? std::nullopt : std::optional(whole));
    }
    bool number_unsigned(number_unsigned_t number) override {
        return add_number(std::to_string(number), number);
    }
    bool number_float(number_float_t /*number*/, const string_t& digits) override {
        return add_number(digits, std::nullopt);
    }
    bool string(string_t& characters) override {
        JsonValue value;
        value.kind = JsonValue::Kind::string;
        value.text = std::move(characters);
        return add(std::move(value));
    }
    bool binary(binary_t& /*bytes*/) override { return false; }  // JSON has none
    bool start_object(std::size_t /*size*/) override { return open(JsonValue::Kind::object); }
    bool end_object() override { return close(); }
    bool start_array(std::size_t /*size*/) override { return open(JsonValue::Kind::array); }
    bool end_array() override { return close(); }
    bool key(string_t& key) override {
        keys_.back() = std::move(key);
        return true;
    }

    // `position` counts the characters read, the end of the text as one.
    bool parse_error(std::size_t position, const std::string& /*token*/,
                     const nlohmann::json::exception& error) override {
        failure_ = failure_at(text_, position == 0 ? 0 : position - 1, reason_of(error.what()));
        return false;
    }

    Result<JsonValue, Failure> finish(bool whole) {
        if (failure_) return *std::move(failure_);
        if (!whole) return failure_at(text_, 0, "not a JSON text");
        return std::move(root_);
    }

private:
    bool add_number(std::string digits, std::optional<std::uint64_t> integer) {
        JsonValue value;
        value.kind = JsonValue::Kind::number;
        value.integer = integer;
        value.text = std::move(digits);
        return add(std::move(value));
    }

    bool open(JsonValue::Kind kind) {
        if (open_.size() == json_depth_max) {
            failure_ = Failure{Errc::config_invalid, "more than " + std::to_string(json_depth_max) +
                                                         " arrays and objects within each other"};
            return false;
        }
        JsonValue value;
        value.kind = kind;
        open_.push_back(std::move(value));
        keys_.emplace_back();
        return true;
    }

    bool close() {
        JsonValue value = std::move(open_.back());
        open_.pop_back();
        keys_.pop_back();
        return add(std::move(value));
    }

    bool add(JsonValue value) {
        if (open_.empty()) {
            root_ = std::move(value);
        } else if (open_.back().kind == JsonValue::Kind::object) {
            open_.back().members.push_back({std::move(keys_.back()), std::move(value)});
        } else {
            open_.back().elements.push_back(std::move(value));
        }
        return true;
    }

    std::string_view text_;
    JsonValue root_;
    std::vector<JsonValue> open_;    // the arrays and objects that are not closed yet
    std::vector<std::string> keys_;  // the key read last in each of them
    std::optional<Failure> failure_;
};

std::string cut(std::string text) {
    if (text.size() <= brief_size_max) return text;
    return text.substr(0, brief_size_max) + "...";
}

// Like brief(), without the cut at the end; stops soon after enough is written.
void write(const JsonValue& value, std::string& out) {
    if (out.size() > brief_size_max) return;
    switch (value.kind) {
        case JsonValue::Kind::null: out += "null"; return;
        case JsonValue::Kind::boolean: out += value.truth ? "true" : "false"; return;
        case JsonValue::Kind::number: out += value.text; return;
        case JsonValue::Kind::string: out += quote(value.text); return;
        case JsonValue::Kind::array:
            out += '[';
            for (const JsonValue& element : value.elements) {
                if (&element != value.elements.data()) out += ", ";
                write(element, out);
            }
            out += ']';
            return;
        case JsonValue::Kind::object:
            out += '{';
            for (const JsonMember& member : value.members) {
                if (&member != value.members.data()) out += ", ";
                out += quote(member.key) + ": ";
                write(member.value, out);
            }
            out += '}';
            return;
    }
}

}  // namespace

Result<JsonValue, Failure> parse_json(std::string_view text) {
    // The library takes a NUL for the end of the text and would not look at what follows.
    const std::size_t nul = text.find('\0');
    if (nul != text.npos) return failure_at(text, nul, "a NUL byte");

    TreeBuilder builder(text);
    try {
        const bool whole = nlohmann::json::sax_parse(text, &builder);
        return builder.finish(whole);
    } catch (const std::exception& error) {
        return failure_at(text, 0, error.what());
    }
}

std::string brief(const JsonValue& value) {
    std::string out;
    write(value, out);
    return cut(std::move(out));
}

std::string quote(std::string_view text) {
    return "\"" + cut(printable(text.substr(0, brief_size_max + 1))) + "\"";
}

std::string printable(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c >= ' ' && c <= '~') {
            out += c;
            continue;
        }
        std::array<char, 5> escape{};
        std::snprintf(escape.data(), escape.size(), "\\x%02x",
                      static_cast<unsigned>(static_cast<unsigned char>(c)));
        out += escape.data();
    }
    return out;
}

}  // namespace inod
