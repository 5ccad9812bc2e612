// A list of items as it stands in a frame, checked once and then walked without allocating:
//
//     for (auto rest = reply.leases; const auto lease = rest.take();) print(*lease);
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "lib/base/bytes.h"

namespace inod::proto {

// An item has these two, which its header declares: get_item() reads one, whatever the bytes, and
// leaves `in` overflowed if they end too early; put_item() writes one.
void get_item(ByteReader& in, std::string_view& name);  // u16 size, then that many bytes
void put_item(ByteWriter& out, std::string_view name);

// Does not own the bytes: they are the frame's, or those that pack() was given.
//
// Thread safety: that of a span.
template <class Item>
class Packed {
public:
    Packed() = default;

    // Takes `count` items from `in`. Nothing if they are not all there; then `in` is of no use.
    static std::optional<Packed> read(ByteReader& in, std::uint32_t count) {
        ByteReader ahead = in;
        Item item;
        for (std::uint32_t i = 0; i < count && !ahead.overflowed(); ++i)
            get_item(ahead, item);
        if (ahead.overflowed()) return std::nullopt;
        return Packed(count, in.get_bytes(in.left() - ahead.left()));
    }

    // Puts `items` into `memory` and returns a view of them there. Nothing if they do not fit.
    template <class Items>
    static std::optional<Packed> pack(const Items& items, std::span<std::byte> memory) {
        ByteWriter out(memory);
        std::uint32_t count = 0;
        for (const auto& item : items) {
            put_item(out, item);
            ++count;
        }
        if (out.overflowed()) return std::nullopt;
        return Packed(count, out.written());
    }

    [[nodiscard]] std::uint32_t count() const { return count_; }
    [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

    // The first item, which leaves the list; nothing from an empty one.
    std::optional<Item> take() {
        if (count_ == 0) return std::nullopt;
        ByteReader in(bytes_);
        Item item;
        get_item(in, item);
        bytes_ = bytes_.last(in.left());
        --count_;
        return item;
    }

    friend bool operator==(const Packed& a, const Packed& b) {
        return a.count_ == b.count_ && std::ranges::equal(a.bytes_, b.bytes_);
    }

private:
    Packed(std::uint32_t count, std::span<const std::byte> bytes) : bytes_(bytes), count_(count) {}

    std::span<const std::byte> bytes_;
    std::uint32_t count_ = 0;
};

}  // namespace inod::proto
