#include "proto/frame.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "lib/base/assert.h"
#include "lib/base/bytes.h"

namespace inod::proto {

std::string_view name(Operation operation) noexcept {
    static constexpr std::array<std::string_view, 23> names{
        "none",   "hello",       "ping",          "allocate",    "allocate_at", "release",
        "lookup", "next",        "list",          "pools",       "stats",       "bind",
        "renew",  "release_all", "holders",       "reserve",     "unreserve",   "advance",
        "wait",   "watch",       "lookup_levels", "token_epoch", "resume"};
    const auto index = static_cast<std::size_t>(operation);
    return index < names.size() ? names.at(index) : "unknown";
}

bool takes_descriptor(Operation operation) noexcept {
    return operation == Operation::bind;
}

FrameSplitter::FrameSplitter(std::span<std::byte> memory, std::size_t frame_size_max) noexcept
    : memory_(memory), frame_size_max_(frame_size_max) {
    INOD_ASSERT(frame_size_max >= frame_header_size && memory.size() > frame_header_size);
}

std::span<std::byte> FrameSplitter::prepare() noexcept {
    if (begin_ == end_) begin_ = end_ = 0;
    // Move only when a whole frame from begin_ on might not fit: then at most one incomplete frame
    // is moved per memory full of them.
    if (memory_.size() - begin_ < frame_size_max_) {
        std::memmove(memory_.data(), memory_.data() + begin_, pending());
        end_ -= begin_;
        begin_ = 0;
    }
    if (is_too_long_for_memory()) {
        is_cut_ = true;
        dropped_ = missing();
        end_ = frame_header_size;
    }
    return memory_.subspan(end_);
}

bool FrameSplitter::is_too_long_for_memory() const noexcept {
    return error_ == Errc::ok && pending() == memory_.size() &&
           decode_header(memory_).size > memory_.size();
}

void FrameSplitter::received(std::size_t size) noexcept {
    INOD_ASSERT(size <= memory_.size() - end_);
    end_ += size;
    if (dropped_ == 0) return;
    const std::size_t dropped = std::min(size, dropped_);
    const auto bytes = memory_.first(end_).last(size);
    std::memmove(bytes.data(), bytes.data() + dropped, size - dropped);
    dropped_ -= dropped;
    end_ -= dropped;
}

bool FrameSplitter::skip_past(std::span<const std::byte> mark) noexcept {
    INOD_ASSERT(!mark.empty() && mark.size() < memory_.size());
    const auto received = memory_.subspan(begin_, pending());
    const auto found = std::search(received.begin(), received.end(), mark.begin(), mark.end());
    if (found == received.end()) {
        begin_ = end_ - std::min(pending(), mark.size() - 1);
        return false;
    }
    begin_ += static_cast<std::size_t>(found - received.begin()) + mark.size();
    return true;
}

void FrameSplitter::move_to(std::span<std::byte> memory) noexcept {
    INOD_ASSERT(pending() <= memory.size() && memory.size() > frame_header_size);
    std::memcpy(memory.data(), memory_.data() + begin_, pending());
    end_ -= begin_;
    begin_ = 0;
    memory_ = memory;
}

std::optional<Frame> FrameSplitter::next() noexcept {
    // The size is judged as soon as the whole header is there.
    if (error_ != Errc::ok || pending() < frame_header_size || dropped_ > 0) return std::nullopt;
    const std::span<const std::byte> bytes = memory_.subspan(begin_, pending());
    const FrameHeader header = decode_header(bytes);
    if (header.size < frame_header_size) error_ = Errc::frame_malformed;
    if (header.size > frame_size_max_) error_ = Errc::frame_too_long;
    const std::size_t kept = is_cut_ ? frame_header_size : header.size;
    if (error_ != Errc::ok || kept > bytes.size()) return std::nullopt;
    is_cut_ = false;
    begin_ += kept;
    return Frame{header, bytes.first(kept)};
}

void FrameSplitter::put_back(const Frame& frame) noexcept {
    INOD_ASSERT(frame.bytes.size() <= begin_ &&
                frame.bytes.data() + frame.bytes.size() == memory_.data() + begin_);
    begin_ -= frame.bytes.size();
    is_cut_ = frame.is_cut();
}

std::size_t FrameSplitter::missing() const noexcept {
    if (dropped_ > 0) return dropped_;
    if (pending() < frame_header_size) return frame_header_size - pending();
    const std::size_t size = decode_header(memory_.subspan(begin_, pending())).size;
    INOD_ASSERT(error_ == Errc::ok && size > pending());
    return size - pending();
}

}  // namespace inod::proto
