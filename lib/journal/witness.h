// The witness: one small file outside the state directory that knows how far the store had come, so
// that a copy of the state directory that is put back is noticed. It knows bytes, not what marks
// mean; whether a store may go on beside it is decided in stale_copy.h.
//
// Life: construct, load() once, prepare() once, then write() and write_both() in any order. A store
// that starts writes its fresh run with write_both() before it hands anything out, then what it has
// reached with write(), in strides.
//
// Thread safety: none of its own; one call at a time, from any thread. Each call but load() blocks
// for a sync or several.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "lib/base/result.h"
#include "lib/base/storage.h"
#include "lib/journal/journal.h"

namespace inod {

// The file `witness` consists of two slots of equal size, a multiple of 4096 bytes, and nothing
// else. They are written in turn, in place, so that a full disk is not in the way and a torn write
// leaves the other one. `witness.new` is about to become it; only seen during or after a crash.
//
// A slot holds one record. Integers are little-endian.
//
//   offset  size  field
//        0     8  magic          "inodwtns"
//        8     4  crc            CRC-32C of bytes 12 to size - 1
//       12     2  version        witness_version
//       14     2  zeros
//       16     8  size           bytes of the record: 104 and the marks. Up to here the layout is
//                                that of all versions
//       24     8  slot_size      bytes of a slot, so that a file cut short is never sound
//       32     8  serial         one more in each record written, from 1. The record with serial n
//                                stands in slot n % 2
//       40    16  store          the store's identity
//       56     8  run            the life of the store that wrote this. 0: a store was about to be
//                                made, and nothing was handed out yet
//       64     8  lsn            all records up to here were durable in the store
//       72    16  machine        of the machine; zeros if it had none
//       88    16  vm_generation  of the virtual machine; zeros if none could be read
//      104        marks          what the allocator gave
//
// Behind the record stands whatever was there before.
inline constexpr std::size_t witness_header_size = 104;
inline constexpr std::size_t witness_block_size = 4096;
inline constexpr std::uint16_t witness_version = 1;
// Far more than 65,535 pools need.
inline constexpr std::size_t witness_marks_limit = std::size_t{4} << 20U;
inline constexpr const char* witness_file = "witness";
inline constexpr const char* witness_fresh_file = "witness.new";

// 128 bits that name something; zeros where there is no such name.
using Id128 = std::array<std::byte, 16>;

// What tells a machine from its copies.
struct MachineIdentity {
    Id128 machine{};        // the same until it is installed anew
    Id128 vm_generation{};  // another one after the virtual machine went back to a snapshot

    friend bool operator==(const MachineIdentity&, const MachineIdentity&) = default;
};

// How far a store has come.
struct WitnessFacts {
    StoreId store{};
    std::uint64_t run = 0;
    Lsn lsn = 0;
    MachineIdentity machine{};

    friend bool operator==(const WitnessFacts&, const WitnessFacts&) = default;
};

struct WitnessRecord {
    WitnessFacts facts;
    std::vector<std::byte> marks;

    friend bool operator==(const WitnessRecord&, const WitnessRecord&) = default;
};

class Witness {
public:
    // `storage` is the witness's own directory, and outlives it.
    explicit Witness(Storage& storage) : storage_(storage) {}

    // Reads the newest record; none if there is no witness. Changes nothing.
    //
    // A torn write of the newest cannot be told from a later flip of its bits: either way the one
    // before it counts, which says less by one write(), but never less by a write_both().
    //
    // Errors: journal_damaged if neither slot is sound; record_unknown if a newer version wrote
    //   one; io_error. An administrator acts, see stale_copy.h for what can be done.
    Result<std::optional<WitnessRecord>, Failure> load();

    // Sees to it that there is a file with room for records whose marks have up to `marks_size_max`
    // bytes, and that write() will need no space, no memory and no name. Where there is none, or it
    // is too small, or tells of another store or of none (run 0), a new one with this record in
    // both slots takes its place in one step; otherwise the disk is not changed.
    //
    // Requires that load() succeeded, or failed with journal_damaged and is to be replaced;
    // marks.size() <= marks_size_max <= witness_marks_limit; and that whoever calls it has decided
    // that the store may go on. Errors: io_error, no_space. The file is the old one or the new one.
    Result<void, Failure> prepare(const WitnessFacts& facts, std::span<const std::byte> marks,
                                  std::size_t marks_size_max);

    // What there is room for since then: at least as much as was asked for.
    [[nodiscard]] std::size_t marks_size_max() const noexcept {
        return buffer_.size() - witness_header_size;
    }

    // Makes this the newest record, durable when it returns. Allocates nothing.
    //
    // Requires prepare() before, and marks.size() <= marks_size_max().
    // Errors: io_error. Nobody knows what the slot holds then, so no other write may follow: the
    //   store stops as after a failed write to its journal, and the next start reads what is there.
    Result<void, Failure> write(const WitnessFacts& facts, std::span<const std::byte> marks);

    // The same into both slots, one after the other, so that no damage to either can take it back:
    // for a fresh run. Two syncs.
    Result<void, Failure> write_both(const WitnessFacts& facts, std::span<const std::byte> marks);

private:
    Result<void, Failure> make_file(const WitnessFacts& facts, std::span<const std::byte> marks);
    [[nodiscard]] std::span<const std::byte> encode(const WitnessFacts& facts,
                                                    std::span<const std::byte> marks);

    Storage& storage_;
    std::unique_ptr<File> file_;
    std::uint64_t slot_size_ = 0;    // of file_
    std::uint64_t serial_ = 0;       // of the newest record
    std::optional<StoreId> store_;   // of the newest record that tells of a store
    std::vector<std::byte> buffer_;  // one record; never grows after prepare()
};

}  // namespace inod
