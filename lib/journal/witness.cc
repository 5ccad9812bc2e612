#include "lib/journal/witness.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/bytes.h"
#include "lib/base/crc32c.h"

namespace inod {
namespace {

constexpr std::string_view magic = "inodwtns";
constexpr std::size_t crc_at = 8;
constexpr std::size_t crc_end = crc_at + 4;
constexpr std::size_t prefix_size = 24;  // what all versions have in common
constexpr std::uint64_t slot_size_max = witness_block_size + witness_marks_limit;

struct Slot {
    std::uint64_t serial;
    WitnessRecord record;
};

std::uint64_t slot_size_for(std::size_t marks_size) {
    const std::size_t blocks =
        (witness_header_size + marks_size + witness_block_size - 1) / witness_block_size;
    return blocks * witness_block_size;
}

template <class Array>
void get_array(ByteReader& reader, Array& out) {
    const auto bytes = reader.get_bytes(out.size());
    std::copy(bytes.begin(), bytes.end(), out.begin());
}

// The record at the start of `bytes`, which is slot `number`; none if it is unsound.
// Errors: record_unknown.
Result<std::optional<Slot>, Failure> decode_slot(std::span<const std::byte> bytes,
                                                 std::uint64_t number) {
    const std::optional<Slot> unsound;
    ByteReader reader(bytes);
    if (reader.get_text(magic.size()) != magic) return unsound;
    const auto crc = reader.get<std::uint32_t>();
    const auto version = reader.get<std::uint16_t>();
    const auto zeros = reader.get<std::uint16_t>();
    const auto size = reader.get<std::uint64_t>();
    if (size < prefix_size || size > bytes.size()) return unsound;
    if (crc != crc32c(bytes.subspan(crc_end, size - crc_end))) return unsound;
    if (version != witness_version) {
        return Failure{Errc::record_unknown,
                       std::string(witness_file) + ": its format, version " +
                           std::to_string(version) +
                           ", is unknown here; start the newer inod that wrote it"};
    }
    const auto slot_size = reader.get<std::uint64_t>();
    Slot slot;
    slot.serial = reader.get<std::uint64_t>();
    if (zeros != 0 || size < witness_header_size || slot_size != bytes.size() || slot.serial == 0 ||
        slot.serial % 2 != number) {
        return unsound;
    }
    WitnessFacts& facts = slot.record.facts;
    get_array(reader, facts.store);
    facts.run = reader.get<std::uint64_t>();
    facts.lsn = reader.get<std::uint64_t>();
    get_array(reader, facts.machine.machine);
    get_array(reader, facts.machine.vm_generation);
    const auto marks = reader.get_bytes(size - witness_header_size);
    slot.record.marks.assign(marks.begin(), marks.end());
    return std::optional(std::move(slot));
}

Failure damaged(const std::string& what) {
    return {Errc::journal_damaged, std::string(witness_file) + ": " + what};
}

bool contains(const std::vector<std::string>& names, const char* name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

// All of the file. Errors: journal_damaged if it has no size that a witness can have; io_error.
Result<std::vector<std::byte>, Failure> read_whole(const File& file) {
    const auto size = file.size();
    if (!size) return size.error();
    if (*size == 0 || *size % (2 * witness_block_size) != 0 || *size > 2 * slot_size_max) {
        return damaged("it has " + std::to_string(*size) + " bytes, which no witness has");
    }
    std::vector<std::byte> content(*size);
    const auto read = file.read(0, content);
    if (!read) return read.error();
    if (*read != content.size()) return damaged("it became shorter while it was read");
    return content;
}

}  // namespace

Result<std::optional<WitnessRecord>, Failure> Witness::load() {
    const auto names = storage_.list();
    if (!names) return names.error();
    if (!contains(*names, witness_file)) return std::optional<WitnessRecord>();
    auto file = storage_.open(witness_file);
    if (!file) return file.error();
    const auto content = read_whole(**file);
    if (!content) return content.error();
    const std::size_t slot_size = content->size() / 2;
    std::optional<Slot> newest;
    for (std::uint64_t number = 0; number < 2; ++number) {
        auto slot = decode_slot(std::span(*content).subspan(number * slot_size, slot_size), number);
        if (!slot) return slot.error();
        if (*slot && (!newest || (*slot)->serial > newest->serial)) newest = *std::move(*slot);
    }
    if (!newest) return damaged("neither of its two slots reads back as it was written");
    file_ = *std::move(file);
    slot_size_ = slot_size;
    serial_ = newest->serial;
    if (newest->record.facts.run != 0) store_ = newest->record.facts.store;
    return std::optional(std::move(newest->record));
}

Result<void, Failure> Witness::prepare(const WitnessFacts& facts, std::span<const std::byte> marks,
                                       std::size_t marks_size_max) {
    INOD_ASSERT(marks.size() <= marks_size_max && marks_size_max <= witness_marks_limit);
    const std::uint64_t wanted = slot_size_for(marks_size_max);
    const bool is_there = file_ && slot_size_ >= wanted && store_ == facts.store;
    slot_size_ = std::max(slot_size_, wanted);
    // Set to ones, so that every page of it is there before write() needs it.
    buffer_.assign(slot_size_, std::byte{0xff});
    if (is_there) return {};
    auto made = make_file(facts, marks);
    // What went wrong first is what is told.
    if (!made) static_cast<void>(storage_.remove(witness_fresh_file));
    return made;
}

Result<void, Failure> Witness::make_file(const WitnessFacts& facts,
                                         std::span<const std::byte> marks) {
    const auto names = storage_.list();
    if (!names) return names.error();
    if (contains(*names, witness_fresh_file)) {
        if (auto removed = storage_.remove(witness_fresh_file); !removed) return removed;
    }
    auto file = storage_.create(witness_fresh_file);
    if (!file) return file.error();
    // Every block is written, so that the file system has to find no block later.
    const std::vector<std::byte> zeros(2 * slot_size_);
    if (auto filled = (*file)->write(0, zeros); !filled) return filled;
    for (int slot = 0; slot < 2; ++slot) {
        ++serial_;
        auto written = (*file)->write(serial_ % 2 * slot_size_, encode(facts, marks));
        if (!written) return written;
    }
    if (auto synced = (*file)->sync(); !synced) return synced;
    if (auto renamed = storage_.rename(witness_fresh_file, witness_file); !renamed) return renamed;
    if (auto synced = storage_.sync_names(); !synced) return synced;
    file_ = *std::move(file);
    return {};
}

Result<void, Failure> Witness::write(const WitnessFacts& facts, std::span<const std::byte> marks) {
    INOD_ASSERT(file_ && witness_header_size + marks.size() <= buffer_.size());
    ++serial_;
    auto written = file_->write(serial_ % 2 * slot_size_, encode(facts, marks));
    if (!written) return written;
    return file_->sync();
}

Result<void, Failure> Witness::write_both(const WitnessFacts& facts,
                                          std::span<const std::byte> marks) {
    if (auto first = write(facts, marks); !first) return first;
    return write(facts, marks);
}

// Into buffer_, with serial_.
std::span<const std::byte> Witness::encode(const WitnessFacts& facts,
                                           std::span<const std::byte> marks) {
    ByteWriter writer(buffer_);
    writer.put_text(magic);
    writer.put(std::uint32_t{0});
    writer.put(witness_version);
    writer.put(std::uint16_t{0});
    writer.put(std::uint64_t{witness_header_size + marks.size()});
    writer.put(slot_size_);
    writer.put(serial_);
    writer.put_bytes(facts.store);
    writer.put(facts.run);
    writer.put(facts.lsn);
    writer.put_bytes(facts.machine.machine);
    writer.put_bytes(facts.machine.vm_generation);
    writer.put_bytes(marks);
    const auto record = writer.written();
    ByteWriter crc(record.subspan(crc_at));
    crc.put(crc32c(record.subspan(crc_end)));
    return record;
}

}  // namespace inod
