// A disk in memory that forgets what was not synced, fails when told to, and lies when told to.
//
// It keeps what a reader sees apart from what a power cut leaves. crash() draws what is left:
// - each write since the file's last sync() is lost, kept, or torn at sectors of 512 B, every
//   sector for itself, independently of all other writes;
// - of the directory operations since the last sync_names() some number of the first are kept, as
//   file systems with a journal do it;
// - every File opened before is dead.
// A sync() that fails drops the writes it was to make durable while readers still see them, which
// is what Linux does (PostgreSQL's fsync lesson of 2018): trying again "succeeds" for lost data.
// Where the machine is dying (die_at_call()), they are still under way, and may be kept.
// A sync() that lies (lie_at_sync()) says that all is durable, and one run of sectors is not, or is
// somewhere else: readers see it right until a power cut.
//
// Thread safety: as lib/base/storage.h asks, by one mutex.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>

#include "lib/base/storage.h"

namespace inod::sim {

// A call on the storage or one of its files, once it is known what comes of it.
struct DiskCall {
    std::string_view call;  // "write"
    std::string_view name;  // of the file, empty where there is none
    std::string_view to;    // rename: the new name
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    Errc result = Errc::ok;
    std::uint64_t kept = 0;  // a write that failed: so many of its first bytes are there
    std::span<const std::byte> bytes = {};  // of a write
};

class DiskWatcher {
public:
    DiskWatcher() = default;
    DiskWatcher(const DiskWatcher&) = delete;
    DiskWatcher& operator=(const DiskWatcher&) = delete;
    virtual ~DiskWatcher() = default;

    // Must not call the storage.
    virtual void on_call(const DiskCall& call) = 0;
};

// What became of all that was not synced.
struct CrashLoss {
    std::uint64_t writes_kept = 0;
    std::uint64_t writes_lost = 0;
    std::uint64_t writes_torn = 0;
    std::uint64_t names_kept = 0;  // operations on the directory
    std::uint64_t names_lost = 0;
};

// How a sync() lies about one run of whole sectors, which `draw` chooses.
struct Lie {
    bool misdirects;  // It lands at another offset or in another file; otherwise nowhere.
    std::uint64_t draw;
};

// What a lie came to.
struct LieTold {
    std::string name;
    std::uint64_t offset;
    std::uint64_t size;
    std::string landed_in;  // empty: nowhere
    std::uint64_t landed_at = 0;
};

class MemStorage final : public Storage {
public:
    MemStorage();
    ~MemStorage() override;

    [[nodiscard]] Result<std::vector<std::string>, Failure> list() const override;
    [[nodiscard]] Result<std::unique_ptr<File>, Failure> create(const std::string& name) override;
    [[nodiscard]] Result<std::unique_ptr<File>, Failure> open(const std::string& name) override;
    [[nodiscard]] Result<void, Failure> rename(const std::string& from,
                                               const std::string& to) override;
    [[nodiscard]] Result<void, Failure> remove(const std::string& name) override;
    [[nodiscard]] Result<void, Failure> sync_names() override;

    // The power fails now: only what crash() above describes is left. Ends die_at_call() and
    // whatever was to fail.
    CrashLoss crash(std::mt19937_64& random);
    // The process ends now, by kill -9: all that it wrote is there, but its Files are dead. Ends
    // the same.
    void kill();

    // How many calls there were, on the storage and its files; `failures` were made to fail; as
    // many as `refusals` found the disk full.
    [[nodiscard]] std::uint64_t calls() const;
    [[nodiscard]] std::uint64_t failures() const;
    [[nodiscard]] std::uint64_t refusals() const;
    // Those that change what is on the disk, whether they succeed or not.
    [[nodiscard]] std::uint64_t changes() const;

    // The call with this number, counted from the next one, which is 1, fails once with `code`;
    // 0: none does. A write then has the first `kept_permille` of its bytes in the file.
    void fail_call(std::uint64_t number, Errc code, std::uint64_t kept_permille = 500);
    // From that call on all fail with io_error: the machine, or the process, is about to end. Of a
    // write at just that call the first `kept_permille` are in the file, of later ones half.
    void die_at_call(std::uint64_t number, std::uint64_t kept_permille = 500);
    // Likewise, but counted from behind the first call for which `aim` is true. It is asked after each,
    // and must not call this storage.
    using Aim = std::function<bool(const DiskCall& call)>;
    void die_behind(Aim aim, std::uint64_t number, std::uint64_t kept_permille = 500);
    // Bytes that all files together may have; a write that would need more fails with no_space.
    void set_capacity(std::uint64_t size);
    // Bytes that all files together have.
    [[nodiscard]] std::uint64_t used() const;

    // The sync() of a file with this number, counted from the next one, lies, or the first one
    // after it where a lie makes a difference.
    void lie_at_sync(std::uint64_t number, Lie lie);
    // What the last lie_at_sync() came to; nothing if no sync() has lied since.
    [[nodiscard]] std::optional<LieTold> lie_told() const;

    // Who is told of every call; nullptr: nobody. Not copied by clone().
    void watch(DiskWatcher* watcher);

    // A disk of its own in the same state, sure and unsure; failures to come are not copied.
    [[nodiscard]] std::unique_ptr<MemStorage> clone() const;

    // For tests that look at or damage what is there, past all counting: as it reads, and set as if
    // it had always been so and been synced. Requires that the file exists, or makes it.
    [[nodiscard]] std::vector<std::string> names() const;
    [[nodiscard]] std::vector<std::byte> content(const std::string& name) const;
    void set_content(const std::string& name, std::vector<std::byte> bytes);

    // Turns round the bits of `mask` in one byte, on the disk and for readers.
    void flip(const std::string& name, std::uint64_t offset, std::byte mask);

    struct Disk;  // in mem_storage.cc

private:
    explicit MemStorage(std::shared_ptr<Disk> disk);

    std::shared_ptr<Disk> disk_;
};

}  // namespace inod::sim
