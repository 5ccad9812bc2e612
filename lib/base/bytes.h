// Integers as little-endian bytes, for the wire and the journal.
//
// ByteWriter writes into memory that its caller owns and never past it; ByteReader reads likewise.
// Neither throws: both remember that the end was passed, so that a decoder asks once, at its end.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace inod {

template <class Int>
requires std::is_unsigned_v<Int>
constexpr Int to_little_endian(Int value) {
    if constexpr (std::endian::native == std::endian::little || sizeof(Int) == 1) {
        return value;
    } else {
        Int swapped = 0;
        for (std::size_t i = 0; i < sizeof(Int); ++i) {
            swapped =
                static_cast<Int>(swapped << 8U) | static_cast<Int>((value >> (8U * i)) & 0xffU);
        }
        return swapped;
    }
}

// The longest that put_varint() writes.
inline constexpr std::size_t varint_size_max = 10;

class ByteWriter {
public:
    explicit ByteWriter(std::span<std::byte> out) : out_(out) {}

    template <class Int>
    requires std::is_unsigned_v<Int>
    void put(Int value) {
        const Int little = to_little_endian(value);
        put_bytes(std::as_bytes(std::span(&little, 1)));
    }

    // LEB128: seven bits a byte, the lowest first, the top bit set on all but the last byte.
    void put_varint(std::uint64_t value) {
        for (; value >= 0x80U; value >>= 7U)
            put(static_cast<std::uint8_t>(value | 0x80U));
        put(static_cast<std::uint8_t>(value));
    }

    void put_bytes(std::span<const std::byte> bytes) {
        if (bytes.size() > out_.size() - size_) {
            overflowed_ = true;
            return;
        }
        if (!bytes.empty()) std::memcpy(out_.data() + size_, bytes.data(), bytes.size());
        size_ += bytes.size();
    }

    // The text's bytes alone: write its size before it.
    void put_text(std::string_view text) { put_bytes(std::as_bytes(std::span(text))); }

    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] std::size_t room() const { return out_.size() - size_; }
    [[nodiscard]] bool overflowed() const { return overflowed_; }
    [[nodiscard]] std::span<std::byte> written() const { return out_.first(size_); }

private:
    std::span<std::byte> out_;
    std::size_t size_ = 0;
    bool overflowed_ = false;
};

class ByteReader {
public:
    explicit ByteReader(std::span<const std::byte> in) : in_(in) {}

    // The next integer; 0 past the end.
    template <class Int>
    requires std::is_unsigned_v<Int> Int get() {
        Int little = 0;
        const auto bytes = get_bytes(sizeof(Int));
        if (!bytes.empty()) std::memcpy(&little, bytes.data(), sizeof(Int));
        return to_little_endian(little);
    }

    // The reverse of put_varint(). More than 64 bits, or more bytes than needed, counts as past the
    // end: every integer has one encoding.
    std::uint64_t get_varint() {
        // Most integers are small.
        if (!overflowed_ && !in_.empty() && (in_.front() & std::byte{0x80}) == std::byte{0}) {
            const auto value = std::to_integer<std::uint64_t>(in_.front());
            in_ = in_.subspan(1);
            return value;
        }
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            const auto byte = get<std::uint8_t>();
            const std::uint64_t bits = byte & 0x7fU;
            const bool too_large = shift == 63 && bits > 1;
            const bool not_minimal = shift > 0 && byte == 0;
            if (overflowed_ || too_large || not_minimal) break;
            value |= bits << shift;
            if ((byte & 0x80U) == 0) return value;
        }
        overflowed_ = true;
        return 0;
    }

    // The next `size` bytes; empty past the end.
    std::span<const std::byte> get_bytes(std::size_t size) {
        if (overflowed_ || size > in_.size()) {
            overflowed_ = true;
            return {};
        }
        const auto bytes = in_.first(size);
        in_ = in_.subspan(size);
        return bytes;
    }

    std::string_view get_text(std::size_t size) {
        const auto bytes = get_bytes(size);
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }

    [[nodiscard]] std::size_t left() const { return in_.size(); }
    [[nodiscard]] bool overflowed() const { return overflowed_; }

    // True when everything was read and nothing past it: the bytes are exactly what was expected.
    [[nodiscard]] bool complete() const { return !overflowed_ && in_.empty(); }

private:
    std::span<const std::byte> in_;
    bool overflowed_ = false;
};

}  // namespace inod
