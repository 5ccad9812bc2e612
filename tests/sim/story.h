// What happens in a store's lives, a line for each step, for people; and how a broken promise is
// said.
//
// Thread safety: none of its own.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/errc.h"
#include "lib/base/range.h"
#include "lib/pool/lease.h"
#include "tests/sim/mem_storage.h"

namespace inod::sim {

// Thrown where a promise is broken: the seed is over, and has failed.
struct Violated {
    std::string what;
};

inline void add_text(std::string& text, std::string_view part) {
    text += part;
}
inline void add_text(std::string& text, std::integral auto number) {
    text += std::to_string(number);
}
inline void add_text(std::string& text, Errc code) {
    text += name(code);
}
inline void add_text(std::string& text, Range range) {
    text += std::to_string(range.first);
    if (range.last != range.first) text += "-" + std::to_string(range.last);
}
inline void add_text(std::string& text, const Lease& lease) {
    add_text(text, lease.range);
    if (lease.generation != 0) text += "@" + std::to_string(lease.generation);
}

template <class... Parts>
std::string text_of(const Parts&... parts) {
    std::string text;
    (add_text(text, parts), ...);
    return text;
}

template <class... Parts>
[[noreturn]] void violated(const Parts&... parts) {
    throw Violated{text_of(parts...)};
}

// Tells the story as it happens, line by line, so that even a story which ends the program is told
// to its end; or nothing at all, which costs next to nothing.
class Story final : public DiskWatcher {
public:
    // Nothing is told.
    Story() = default;
    // The last `line_count` lines are kept, in `lines`.
    explicit Story(std::vector<std::string>& lines, std::size_t line_count)
        : lines_(&lines), line_count_(line_count) {}
    // All is written to this descriptor.
    explicit Story(int descriptor) : descriptor_(descriptor) {}

    [[nodiscard]] bool is_told() const { return lines_ != nullptr || descriptor_ >= 0; }

    // A line of its own, under its number.
    template <class... Parts>
    void step(const Parts&... parts) {
        if (is_told()) add(text_of(++steps_, "  ", parts...));
    }
    // What belongs to the step before, or will belong to the step that is being made.
    template <class... Parts>
    void detail(const Parts&... parts) {
        if (is_told()) add(text_of("        ", parts...));
    }

    void on_call(const DiskCall& call) override;

private:
    void add(std::string line);

    std::vector<std::string>* lines_ = nullptr;
    std::size_t line_count_ = 0;
    int descriptor_ = -1;
    std::uint64_t steps_ = 0;
};

}  // namespace inod::sim
