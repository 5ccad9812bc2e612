// CRC-32C (Castagnoli), the checksum of iSCSI, ext4 and many journals, by the CPU's own instruction
// where there is one (SSE 4.2, ARMv8 CRC) and by a table elsewhere.
//
// Source of the polynomial 0x1EDC6F41 (reflected: 0x82F63B78) and of the test vectors: RFC 3720,
// appendix B.4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace inod {

// The checksum of `bytes`, continued from `seed`: crc32c(b, crc32c(a)) is that of a followed by b.
// Thread safety: none needed.
std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t seed = 0) noexcept;

// The same by the table, whatever the CPU has: what the tests hold the other against.
std::uint32_t crc32c_portable(std::span<const std::byte> bytes, std::uint32_t seed = 0) noexcept;

}  // namespace inod
