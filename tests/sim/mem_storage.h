// A disk in memory that forgets what was not synced, and fails when told to.
//
// It keeps what a reader sees apart from what a power cut leaves. crash() draws what is left:
// - each write since the file's last sync() is lost, kept, or torn at sectors of 512 B, every
//   sector for itself, independently of all other writes;
// - of the directory operations since the last sync_names() some number of the first are kept, as
//   file systems with a journal do it;
// - every File opened before is dead.
// A sync() that fails drops the writes it was to make durable while readers still see them, which
// is what Linux does (PostgreSQL's fsync lesson of 2018): trying again "succeeds" for lost data. Where
// the machine is dying (die_at_call()), they are still under way, and may be kept.
//
// Thread safety: as lib/base/storage.h asks, by one mutex.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>

#include "lib/base/storage.h"

namespace inod::sim {

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

    // The power fails now: only what crash() above describes is left. Ends die_at_call().
    void crash(std::mt19937_64& random);

    // How many calls there were, on the storage and its files; `failures` were made to fail.
    [[nodiscard]] std::uint64_t calls() const;
    [[nodiscard]] std::uint64_t failures() const;

    // The call with this number, counted from the next one, which is 1, fails once with `code`;
    // 0: none does. A write then has an arbitrary part of its bytes in the file.
    void fail_call(std::uint64_t number, Errc code);
    // From that call on all fail with io_error: the machine is about to lose its power.
    void die_at_call(std::uint64_t number);
    // Bytes that all files together may have; a write that would need more fails with no_space.
    void set_capacity(std::uint64_t size);

    // A disk of its own in the same state, sure and unsure; failures to come are not copied.
    [[nodiscard]] std::unique_ptr<MemStorage> clone() const;

    // For tests that look at or damage what is there, past all counting: as it reads, and set as if
    // it had always been so and been synced. Requires that the file exists, or makes it.
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
