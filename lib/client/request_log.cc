#include "lib/client/request_log.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "lib/base/assert.h"
#include "proto/frame.h"

namespace inod {

void RequestLog::add(std::uint16_t tag, std::span<const std::byte> frame) {
    INOD_ASSERT(!has(tag));
    if (tag >= places_.size()) places_.resize(std::size_t{tag} + 1, nowhere);
    const std::size_t place = bytes_.size();
    bytes_.insert(bytes_.end(), frame.begin(), frame.end());
    places_[tag] = static_cast<std::uint32_t>(place);
}

void RequestLog::remove(std::uint16_t tag) noexcept {
    if (!has(tag)) return;
    dead_ += frame(tag).size();
    places_[tag] = nowhere;
    const bool is_worth_it = dead_ >= dead_min && dead_ > bytes_.size() / 2;
    if (dead_ == bytes_.size() || is_worth_it) tidy_up();
}

std::span<const std::byte> RequestLog::frame(std::uint16_t tag) const noexcept {
    INOD_ASSERT(has(tag));
    return frame_at(places_[tag]);
}

std::vector<std::uint16_t> RequestLog::tags() const {
    std::vector<std::uint16_t> tags;
    for (std::size_t place = 0; place < bytes_.size(); place += frame_at(place).size())
        if (is_live(place)) tags.push_back(proto::decode_header(frame_at(place)).tag);
    return tags;
}

std::span<const std::byte> RequestLog::frame_at(std::size_t place) const noexcept {
    const auto rest = std::span(bytes_).subspan(place);
    return rest.first(proto::decode_header(rest).size);
}

bool RequestLog::is_live(std::size_t place) const noexcept {
    return places_[proto::decode_header(frame_at(place)).tag] == place;
}

// Moves what is left together.
void RequestLog::tidy_up() noexcept {
    std::size_t end = 0;
    for (std::size_t place = 0; place < bytes_.size();) {
        const auto frame = frame_at(place);
        const std::size_t next = place + frame.size();
        if (is_live(place)) {
            places_[proto::decode_header(frame).tag] = static_cast<std::uint32_t>(end);
            std::memmove(bytes_.data() + end, frame.data(), frame.size());
            end += next - place;
        }
        place = next;
    }
    bytes_.resize(end);
    dead_ = 0;
}

}  // namespace inod
