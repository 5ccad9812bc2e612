#include "lib/allocator/store_witness.h"

#include <algorithm>

#include "lib/base/assert.h"

namespace inod {

std::uint64_t witness_mark_stride(Id mark, Id max) noexcept {
    constexpr std::uint64_t stride_max = std::uint64_t{1} << 20U;
    INOD_ASSERT(mark <= max);
    return std::min(stride_max, (max - mark) / 1000);
}

std::optional<std::uint64_t> witness_limit(const PoolSpec& spec,
                                           std::optional<std::uint64_t> mark) noexcept {
    if (spec.policy != Policy::unique) {
        const std::uint64_t generation = mark.value_or(0);
        return generation + std::min(witness_generation_stride, ~generation);
    }
    const Id last = spec.range.last;
    if (mark) return std::min(*mark, last) + witness_mark_stride(std::min(*mark, last), last);
    const std::uint64_t stride = witness_mark_stride(spec.range.first, last);
    if (stride == 0) return {};
    return spec.range.first + (stride - 1);
}

StoreWitness::StoreWitness(const WitnessPlace& place)
    : here_(place.here), witness_(*place.storage) {}

Result<void, Failure> StoreWitness::admit(const Recovery& found, const StoreId& fresh_id,
                                          std::span<const PoolMark> marks, std::size_t pools_max) {
    const auto seen = witness_.load();
    if (!seen) return witness_refused(seen.error(), here_);
    std::optional<StoreFacts> store;
    facts_ = {.store = fresh_id, .machine = here_.machine};
    if (found.run != 0) {
        const MachineIdentity machine{.machine = found.machine, .vm_generation = found.vm};
        store = {.id = found.id,
                 .run = found.run,
                 .last_lsn = found.last_lsn,
                 .machine = machine,
                 .had_witness = found.had_witness};
        facts_ = {.store = found.id, .run = found.run, .lsn = found.last_lsn, .machine = machine};
    }
    if (auto current = check_not_stale(store, *seen, here_); !current) return current;
    marks_memory_.assign(marks_size_max(pools_max), std::byte{});
    // So that it is there before the journal says so.
    auto prepared = witness_.prepare(facts_, encoded(marks), marks_memory_.size());
    if (!prepared) return witness_refused(prepared.error(), here_);
    marks_memory_.resize(witness_.marks_size_max());
    return {};
}

Result<void, Failure> StoreWitness::begin_run(const Recovery& run, Lsn lsn,
                                              std::span<const PoolMark> marks) {
    facts_ = {.store = run.id, .run = run.run, .lsn = lsn, .machine = here_.machine};
    is_gathered_ = false;
    auto written = witness_.write_both(facts_, encoded(marks));
    if (!written) return witness_refused(written.error(), here_);
    return {};
}

void StoreWitness::gather(Lsn lsn, std::span<const PoolMark> marks) noexcept {
    facts_.lsn = lsn;
    marks_ = encoded(marks);
    is_gathered_ = true;
}

Result<void, Failure> StoreWitness::write() {
    if (!is_gathered_) return {};
    is_gathered_ = false;
    auto written = witness_.write(facts_, marks_);
    if (!written) return witness_refused(written.error(), here_);
    return {};
}

std::span<const std::byte> StoreWitness::encoded(std::span<const PoolMark> marks) noexcept {
    ByteWriter out(marks_memory_);
    encode_marks(marks, out);
    return out.written();
}

}  // namespace inod
