// A hash for tables whose keys strangers choose: who does not know the secret cannot find words that have
// hashes alike, and so put all into one chain.
//
// Thread safety: none needed; a hash is a value.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>

namespace inod {

using SipKey = std::array<std::uint64_t, 2>;

// SipHash-1-3 of words, as of their little-endian bytes. Source: Aumasson, Bernstein, "SipHash: a fast
// short-input PRF", INDOCRYPT 2012.
class SipHash {
public:
    explicit SipHash(const SipKey& key) noexcept
        : v0_(key[0] ^ 0x736f6d6570736575),
          v1_(key[1] ^ 0x646f72616e646f6d),
          v2_(key[0] ^ 0x6c7967656e657261),
          v3_(key[1] ^ 0x7465646279746573) {}

    std::uint64_t operator()(std::span<const std::uint64_t> words) noexcept {
        for (const std::uint64_t word : words)
            compress(word);
        compress(std::uint64_t{words.size() * sizeof(std::uint64_t)} << 56U);
        v2_ ^= 0xffU;
        for (int i = 0; i < 3; ++i)
            round();
        return v0_ ^ v1_ ^ v2_ ^ v3_;
    }

private:
    void compress(std::uint64_t word) noexcept {
        v3_ ^= word;
        round();
        v0_ ^= word;
    }
    void round() noexcept {
        v0_ += v1_;
        v1_ = std::rotl(v1_, 13) ^ v0_;
        v0_ = std::rotl(v0_, 32);
        v2_ += v3_;
        v3_ = std::rotl(v3_, 16) ^ v2_;
        v0_ += v3_;
        v3_ = std::rotl(v3_, 21) ^ v0_;
        v2_ += v1_;
        v1_ = std::rotl(v1_, 17) ^ v2_;
        v2_ = std::rotl(v2_, 32);
    }

    std::uint64_t v0_;
    std::uint64_t v1_;
    std::uint64_t v2_;
    std::uint64_t v3_;
};

}  // namespace inod
