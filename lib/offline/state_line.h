// One line of a state, see state_lines.h, from text to fields. Whether it fits the lines before it
// is the reader's business.
//
// Thread safety: none needed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "lib/base/range.h"
#include "lib/base/result.h"
#include "lib/pool/lease.h"
#include "lib/pool/pool_spec.h"
#include "lib/pool/sequence.h"

namespace inod {

struct FirstLine {
    std::uint64_t version = 0;  // of the format: that of all lines
    std::string store;
    std::uint64_t run = 0;
    BootId boot{};
    HolderId next_holder = 0;
};
struct HolderLine {
    HolderIndex index = 0;
    Holder holder{};  // but for its name
    std::string name;
};
struct PoolLine {
    std::string name;
    std::string policy;
    std::string durability;
    bool tracking = true;
    Id min = 0;
    Id max = 0;
    SequenceState sequence{};
};
struct ClaimLine {
    std::string pool;
    Id first = 0;
    Id last = 0;
};
struct ReservedLine {
    std::string pool;
    Id first = 0;
    Id last = 0;
};
struct LiveLine {
    std::string pool;
    Id first = 0;
    Id last = 0;
    std::uint64_t generation = 0;
    std::uint64_t holder = 0;
    bool claimed = false;
};
struct EndLine {
    std::uint64_t lines = 0;
};

using StateLine = std::variant<HolderLine, PoolLine, ClaimLine, ReservedLine, LiveLine, EndLine>;

// "line 7: what is wrong": import_invalid.
Failure refuse_line(std::uint64_t number, const std::string& what);

// The first line, and any other one. Errors: import_invalid, with the line's number: it is no JSON
// object, says that it is something else, is of an unknown version, or has not just the members that
// it should. What older versions left unsaid is what it meant then.
Result<FirstLine, Failure> parse_first_line(const std::string& text);
Result<StateLine, Failure> parse_state_line(const std::string& text, std::uint64_t number,
                                            std::uint64_t version);

}  // namespace inod
