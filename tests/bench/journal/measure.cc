#include "tests/bench/journal/measure.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/bench/store.h"

namespace inod::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t group_size = 4'096;     // leases
constexpr std::uint64_t small_group_size = 64;  // those whose bytes are counted
constexpr std::uint64_t small_group_count = 100;

double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

double peak_mib() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) / 1024;
}

void drop_from_cache(const std::string& directory) {
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        const int fd = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
        ::fsync(fd);
        ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        ::close(fd);
    }
}

Built build(const Work& work) {
    Store store(work.directory);
    Built built{};
    const auto begin = Clock::now();
    const std::uint64_t small = std::min(work.lease_count, small_group_size * small_group_count);
    std::uint64_t log_size = 0;
    for (std::uint64_t i = 1; i <= work.lease_count; ++i) {
        store.allocate(static_cast<std::uint32_t>(i % work.holder_count));
        const std::uint64_t size = i <= work.lease_count - small ? group_size : small_group_size;
        if (i == work.lease_count - small) {
            store.flush();
            log_size = store.allocator.journal().log_size();
        }
        if (i % size == 0) store.flush();
    }
    store.flush();
    built.log_bytes_per_lease =
        static_cast<double>(store.allocator.journal().log_size() - log_size) /
        static_cast<double>(small);
    built.seconds = seconds_since(begin);
    built.peak_mib = peak_mib();
    return built;
}

Built snapshot(const Work& work) {
    Store store(work.directory);
    Built built{};
    std::vector<double> hold_ups;
    store.allocator.request_snapshot();
    const auto begin = Clock::now();
    while (store.allocator.has_work()) {
        const double before = thread_cpu_ms();
        const bool any = store.allocator.begin_flush();
        hold_ups.push_back(thread_cpu_ms() - before);
        if (!any) break;
        if (auto flushed = store.allocator.flush(); !flushed) fail(flushed.error().message);
        store.allocator.end_flush();
    }
    built.snapshot_seconds = seconds_since(begin);
    std::sort(hold_ups.begin(), hold_ups.end());
    built.snapshot_hold_up_ms = hold_ups.back();
    built.snapshot_hold_up_p99_ms = hold_ups[hold_ups.size() * 99 / 100];
    built.snapshot_bytes_per_lease =
        static_cast<double>(store.allocator.journal().snapshot_size()) /
        static_cast<double>(work.lease_count);
    built.peak_mib = peak_mib();
    return built;
}

Recovered come_back(const Work& work) {
    const auto storage = PosixStorage::open_directory(work.directory).value();
    Allocator allocator(*storage, {.pools = {{.name = "bench"}},
                                   .journal = {.segment_size = bench_segment_size},
                                   .memory_max = std::uint64_t{16} << 30U});
    const double cpu_before = thread_cpu_ms();
    const auto begin = Clock::now();
    if (auto recovered = allocator.recover(); !recovered) fail(recovered.error().message);
    const Recovered result{
        .seconds = seconds_since(begin),
        .cpu_seconds = (thread_cpu_ms() - cpu_before) / 1e3,
        .peak_mib = peak_mib(),
        .state_mib = static_cast<double>(allocator.memory().used()) / (1024.0 * 1024.0)};
    if (allocator.pool(0)->live_count().ids != work.lease_count) fail("leases are missing");
    return result;
}

}  // namespace

Built build_log(const Work& work) {
    return in_a_child<Built>([&] { return build(work); });
}

Built add_snapshot(const Work& work) {
    return in_a_child<Built>([&] { return snapshot(work); });
}

Recovered recover(const Work& work, bool cold) {
    if (cold) drop_from_cache(work.directory);
    return in_a_child<Recovered>([&] { return come_back(work); });
}

}  // namespace inod::bench
