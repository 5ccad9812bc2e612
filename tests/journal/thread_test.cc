// How the journal is used: one thread appends under a lock, another flushes without it. Run under
// the thread sanitizer, this finds what is shared and should not be.
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <new>
#include <thread>

#include "lib/base/posix_storage.h"
#include "lib/journal/frame.h"
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

// Groups, snapshots and spares, as the daemon's flusher does them.
class Flusher {
public:
    Flusher(Life& life, std::mutex& mutex) : life_(life), mutex_(mutex) {}

    // Until `done` was said and all is durable.
    void run(const bool& done) {
        Journal& journal = life_.journal;
        for (;;) {
            std::unique_lock lock(mutex_);
            const bool last = done;
            if (!last && journal.wants_snapshot()) life_.feeder.begin();
            life_.feeder.feed(50);
            const bool wants_space = journal.wants_space();
            if (journal.begin_flush()) {
                lock.unlock();
                EXPECT_TRUE(journal.flush());
                lock.lock();
                journal.end_flush();
            } else if (last) {
                return;
            }
            lock.unlock();
            if (!wants_space) continue;
            EXPECT_TRUE(journal.make_space());
        }
    }

private:
    Life& life_;
    std::mutex& mutex_;
};

TEST(JournalThreads, AppendsGoOnDuringAFlush) {
    sim::MemStorage storage;
    State state;
    {
        Life life(storage);
        Journal& journal = life.journal;
        std::mutex mutex;
        bool done = false;
        std::thread thread([&] { Flusher(life, mutex).run(done); });
        for (std::uint32_t serial = 1; serial <= 20'000;) {
            const Bytes change = change_of(serial, 0, 80);
            EXPECT_TRUE(journal.has_space());
            EXPECT_LE(journal.log_size(), journal.disk_size());
            EXPECT_FALSE(journal.sealed());
            const std::lock_guard lock(mutex);
            if (!journal.has_room(1, change.size())) continue;
            life.state[key_of(change)] = change;
            const Lsn lsn = journal.append(change);
            EXPECT_EQ(lsn, journal.last_lsn());
            EXPECT_LT(journal.durable_lsn(), journal.last_lsn());
            journal.set_state_size({.kept = life.state.size() * 80, .holes = 0});
            static_cast<void>(journal.has_space_for({.kept = serial, .holes = serial}));
            ++serial;
        }
        {
            const std::lock_guard lock(mutex);
            done = true;
        }
        thread.join();
        EXPECT_EQ(journal.durable_lsn(), journal.last_lsn());
        EXPECT_GT(journal.last_lsn(), 20'000U) << "no snapshot was taken on the way";
        state = life.state;
    }
    const Life life(storage);
    EXPECT_EQ(life.state, state);
    EXPECT_EQ(life.replay.snapshot_ends, 1U);
}

TEST(JournalThreads, AGroupAllocatesNothing) {
    std::string path = testing::TempDir() + "inod-journal-XXXXXX";
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    {
        const auto storage = PosixStorage::open_directory(path).value();
        Life life(*storage);
        const Bytes record(10, std::byte{3});
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
        // At most 24 B a record are promised; this is what a record of 10 B costs.
        EXPECT_EQ(life.journal.log_size(), 20 * (frame_header_size + 64 * (10 + 2)));
    }
    std::filesystem::remove_all(path);
}

}  // namespace
}  // namespace inod
