// An allocator with one pool on a real disk, driven as the daemon drives it, without sockets and threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "lib/allocator/allocator.h"
#include "lib/base/posix_storage.h"
#include "tests/bench/in_a_child.h"

namespace inod::bench {

// The default is 4 MiB. With these the log of ten million leases, 133 MB, gets no snapshot that nobody asked
// for. Not larger than it takes, since each start writes one.
inline constexpr std::uint64_t bench_segment_size = std::uint64_t{40} << 20U;

struct Store {
    explicit Store(const std::string& directory, const PoolSpec& pool = {.name = "bench"},
                   std::uint32_t holders_max = 1'000'000)
        : storage(PosixStorage::open_directory(directory).value()),
          allocator(*storage, {.pools = {pool},
                               .journal = {.segment_size = bench_segment_size},
                               .memory_max = std::uint64_t{16} << 30U,
                               .holders_max = holders_max}) {
        if (auto recovered = allocator.recover(); !recovered) fail(recovered.error().message);
        set_aside();
    }

    void set_aside() {
        while (allocator.journal().wants_space()) {
            if (auto made = allocator.make_space(); !made) fail(made.error().message);
            if (!allocator.journal().has_space()) fail("the disk is full");
        }
    }
    void flush() {
        if (allocator.begin_flush()) {
            if (auto flushed = allocator.flush(); !flushed) fail(flushed.error().message);
            allocator.end_flush();
        }
        set_aside();
    }
    // Asks again behind a flush when it is told to, as a session does. Whatever else is refused ends the
    // measurement.
    template <class Ask>
    auto insist(Ask ask) {
        for (int turn = 0;; ++turn) {
            auto answer = ask();
            if (answer.result) return *answer.result;
            if (turn == 3) fail("refused: " + std::string(name(answer.result.error().code)));
            flush();
        }
    }
    Lease allocate(const Asker& asker) {
        NoGuard nobody_else;
        return insist([&] { return allocator.allocate(nobody_else, 0, Wish{.count = 1}, asker); });
    }
    Lease allocate(std::uint32_t uid) { return allocate(Asker{.uid = uid, .gid = uid}); }

    std::unique_ptr<PosixStorage> storage;
    Allocator allocator;
};

}  // namespace inod::bench
