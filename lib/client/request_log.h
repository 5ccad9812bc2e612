// The requests of one connection that have no reply yet, byte by byte: what is asked again when another daemon has
// taken the connection over.
//
// Thread safety: none of its own. Allocates; std::bad_alloc passes through and leaves it as it was.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace inod {

class RequestLog {
public:
    // Requires that it has none with this tag.
    void add(std::uint16_t tag, std::span<const std::byte> frame);
    // The one with this tag, if it has one, is answered.
    void remove(std::uint16_t tag) noexcept;
    [[nodiscard]] bool has(std::uint16_t tag) const noexcept {
        return tag < places_.size() && places_[tag] != nowhere;
    }
    // What add() was given. Valid until something is added or removed. Requires has().
    [[nodiscard]] std::span<const std::byte> frame(std::uint16_t tag) const noexcept;
    // Their tags, in the order in which they were added.
    [[nodiscard]] std::vector<std::uint16_t> tags() const;

private:
    static constexpr std::uint32_t nowhere = std::numeric_limits<std::uint32_t>::max();
    // It is tidied up when half of it is of no use any more, and that is worth it.
    static constexpr std::size_t dead_min = 4096;

    [[nodiscard]] std::span<const std::byte> frame_at(std::size_t place) const noexcept;
    [[nodiscard]] bool is_live(std::size_t place) const noexcept;
    void tidy_up() noexcept;

    std::vector<std::byte> bytes_;       // frames, one behind the other
    std::vector<std::uint32_t> places_;  // where each begins, by its tag
    std::size_t dead_ = 0;               // bytes of those that were removed
};

}  // namespace inod
