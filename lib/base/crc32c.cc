#include "lib/base/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#endif

namespace inod {
namespace {

constexpr std::uint32_t polynomial = 0x82F63B78;

constexpr std::array<std::uint32_t, 256> make_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
        std::uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit)
            crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? polynomial : 0);
        table[byte] = crc;
    }
    return table;
}

constexpr std::array<std::uint32_t, 256> table = make_table();

using Function = std::uint32_t (*)(std::span<const std::byte>, std::uint32_t) noexcept;

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::span<const std::byte> bytes,
                                                               std::uint32_t seed) noexcept {
    std::uint64_t crc = ~seed;
    const std::byte* at = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= sizeof(std::uint64_t); left -= sizeof(std::uint64_t)) {
        std::uint64_t word = 0;
        std::memcpy(&word, at, sizeof(word));
        crc = _mm_crc32_u64(crc, word);
        at += sizeof(word);
    }
    auto narrow = static_cast<std::uint32_t>(crc);
    for (; left > 0; --left, ++at)
        narrow = _mm_crc32_u8(narrow, static_cast<std::uint8_t>(*at));
    return ~narrow;
}

Function choose() noexcept {
    return __builtin_cpu_supports("sse4.2") != 0 ? by_instruction : crc32c_portable;
}

#elif defined(__aarch64__)

__attribute__((target("+crc"))) std::uint32_t by_instruction(std::span<const std::byte> bytes,
                                                             std::uint32_t seed) noexcept {
    std::uint32_t crc = ~seed;
    const std::byte* at = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= sizeof(std::uint64_t); left -= sizeof(std::uint64_t)) {
        std::uint64_t word = 0;
        std::memcpy(&word, at, sizeof(word));
        crc = __crc32cd(crc, word);
        at += sizeof(word);
    }
    for (; left > 0; --left, ++at)
        crc = __crc32cb(crc, static_cast<std::uint8_t>(*at));
    return ~crc;
}

Function choose() noexcept {
    constexpr unsigned long hwcap_crc32 = 1UL << 7U;  // HWCAP_CRC32, asm/hwcap.h
    return (getauxval(AT_HWCAP) & hwcap_crc32) != 0 ? by_instruction : crc32c_portable;
}

#else

Function choose() noexcept {
    return crc32c_portable;
}

#endif

}  // namespace

std::uint32_t crc32c_portable(std::span<const std::byte> bytes, std::uint32_t seed) noexcept {
    std::uint32_t crc = ~seed;
    for (const std::byte byte : bytes) {
        crc = (crc >> 8U) ^ table[(crc ^ static_cast<std::uint32_t>(byte)) & 0xffU];
    }
    return ~crc;
}

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t seed) noexcept {
    static const Function function = choose();
    return function(bytes, seed);
}

}  // namespace inod
