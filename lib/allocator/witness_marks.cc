#include "lib/allocator/witness_marks.h"

#include <algorithm>

#include "lib/base/assert.h"

namespace inod {

std::uint64_t witness_mark_stride(Id mark, Id max) noexcept {
    constexpr std::uint64_t stride_max = std::uint64_t{1} << 20U;
    INOD_ASSERT(mark <= max);
    return std::min(stride_max, (max - mark) / 1000);
}

void put_witness_mark(const WitnessMark& mark, ByteWriter& out) {
    out.put(mark.pool);
    out.put(static_cast<std::uint8_t>(mark.kind));
    out.put(std::uint8_t{0});
    out.put(std::uint32_t{0});
    out.put(mark.value);
}

std::optional<std::vector<WitnessMark>> decode_witness_marks(std::span<const std::byte> bytes) {
    if (bytes.size() % witness_mark_size != 0) return std::nullopt;
    std::vector<WitnessMark> marks;
    marks.reserve(bytes.size() / witness_mark_size);
    ByteReader reader(bytes);
    while (reader.left() > 0) {
        const auto pool = reader.get<PoolIndex>();
        const auto kind = static_cast<WitnessMark::Kind>(reader.get<std::uint8_t>());
        const bool zeros = reader.get<std::uint8_t>() == 0 && reader.get<std::uint32_t>() == 0;
        const auto value = reader.get<std::uint64_t>();
        const bool known = kind == WitnessMark::Kind::mark || kind == WitnessMark::Kind::generation;
        const bool ascending = marks.empty() || marks.back().pool < pool;
        if (!known || !zeros || !ascending) return std::nullopt;
        marks.push_back({.pool = pool, .kind = kind, .value = value});
    }
    return marks;
}

}  // namespace inod
