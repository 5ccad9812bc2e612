// How the journal is used: one thread appends under a lock, another flushes without it. Run under
// the thread sanitizer, this finds what is shared and should not be.
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <new>
#include <thread>

#include "lib/base/posix_storage.h"
#include "tests/journal/support.h"

namespace {

thread_local std::size_t allocation_count = 0;

}  // namespace

// Counts this program's allocations, by thread. Not inlined: the compiler would take malloc() and
// operator delete for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
    ++allocation_count;
    if (void* const memory = std::malloc(size)) return memory;  // NOLINT
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
    std::free(memory);  // NOLINT
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t /*size*/) noexcept {
    std::free(memory);  // NOLINT
}

namespace inod {
namespace {

TEST(JournalThreads, AppendsGoOnDuringAFlush) {
    sim::MemStorage storage;
    Records state;
    {
        Life life(storage);
        Journal& journal = life.journal;
        std::mutex mutex;
        bool done = false;
        std::thread flusher([&] {
            for (;;) {
                std::unique_lock lock(mutex);
                const bool last = done;
                if (journal.begin_flush()) {
                    lock.unlock();
                    EXPECT_TRUE(journal.flush());
                    lock.lock();
                    journal.end_flush();
                } else if (last) {
                    return;
                }
            }
        });
        while (state.size() < 5'000) {
            const Record record = record_of(state.size() + 1, 0);
            const std::lock_guard lock(mutex);
            EXPECT_TRUE(journal.has_space());
            if (!journal.has_room(1, record.size())) continue;
            state.push_back(record);
            EXPECT_EQ(journal.append(record), state.size());
            EXPECT_LE(journal.durable_lsn(), state.size());
            EXPECT_FALSE(journal.sealed());
            EXPECT_LE(journal.log_size(), journal.disk_size());
            static_cast<void>(journal.wants_snapshot());
        }
        {
            const std::lock_guard lock(mutex);
            done = true;
        }
        flusher.join();
        EXPECT_EQ(journal.durable_lsn(), state.size());
    }
    EXPECT_EQ(Life(storage).state, state);
}

TEST(JournalThreads, AGroupAllocatesNothing) {
    std::string path = testing::TempDir() + "inod-journal-XXXXXX";
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    {
        const auto storage = PosixStorage::open_directory(path).value();
        Life life(*storage);
        const Record record(10, std::byte{3});
        const std::size_t before = allocation_count;
        EXPECT_GT(before, 0U);
        bool flushed = true;
        for (int group = 0; group < 20; ++group) {
            for (int i = 0; i < 64; ++i)
                life.journal.append(record);
            flushed = flushed && life.journal.begin_flush() && life.journal.flush();
            life.journal.end_flush();
        }
        EXPECT_EQ(allocation_count, before);
        EXPECT_TRUE(flushed);
        // The promise of DESIGN.md is 24 B a record; this is what a record of 10 B costs.
        EXPECT_EQ(life.journal.log_size(), 20 * (32 + 64 * (10 + 2)));
    }
    std::filesystem::remove_all(path);
}

}  // namespace
}  // namespace inod
