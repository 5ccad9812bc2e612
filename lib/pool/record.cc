#include "lib/pool/record.h"

#include <limits>
#include <type_traits>

#include "lib/base/assert.h"

namespace inod {
namespace {

// The type byte of each record; every one is at version 1.
template <class R>
constexpr std::uint8_t type_of = 0;
template <>
constexpr std::uint8_t type_of<PoolDefined> = 1;
template <>
constexpr std::uint8_t type_of<HolderDefined> = 2;
template <>
constexpr std::uint8_t type_of<Allocated> = 3;
template <>
constexpr std::uint8_t type_of<Claimed> = 4;
template <>
constexpr std::uint8_t type_of<Released> = 5;
template <>
constexpr std::uint8_t type_of<MarkMoved> = 6;
template <>
constexpr std::uint8_t type_of<UncleanStop> = 7;
template <>
constexpr std::uint8_t type_of<SkippedAhead> = 8;
template <>
constexpr std::uint8_t type_of<SkippedAbove> = 9;
template <>
constexpr std::uint8_t type_of<SequenceSaved> = 16;
template <>
constexpr std::uint8_t type_of<ClaimsSaved> = 17;
template <>
constexpr std::uint8_t type_of<LiveSaved> = 18;

constexpr std::uint8_t version = 1;

// Each record's fields are listed once, below, for both directions: Writer and Reader have the same
// calls, one takes values from the fields, the other puts them there.
class Writer {
public:
    explicit Writer(ByteWriter& out) : out_(out) {}

    template <class Int>
    void field(const Int& value) {
        out_.put_varint(static_cast<std::uint64_t>(value));
    }
    void field(const std::string_view& text) {
        out_.put_varint(text.size());
        out_.put_text(text);
    }
    void field(const Range& range) {
        out_.put_varint(range.first);
        out_.put_varint(range.span());
    }
    void field(const RunItems& items) { out_.put_bytes(items.bytes); }
    template <class T>
    void field(const std::optional<T>& value) {
        field(value.has_value());
        if (value) field(*value);
    }

private:
    ByteWriter& out_;
};

class Reader {
public:
    explicit Reader(std::span<const std::byte> in) : in_(in) {}

    template <class Int>
    void field(Int& value) {
        const std::uint64_t read = in_.get_varint();
        value = static_cast<Int>(read);
        sound_ = sound_ && static_cast<std::uint64_t>(value) == read;
    }
    void field(std::string_view& text) {
        const std::uint64_t size = in_.get_varint();
        sound_ = sound_ && size <= in_.left();
        if (sound_) text = in_.get_text(size);
    }
    void field(Range& range) {
        range.first = in_.get_varint();
        const std::uint64_t span = in_.get_varint();
        sound_ = sound_ && span <= id_max - range.first;
        range.last = range.first + span;
    }
    void field(RunItems& items) { items.bytes = in_.get_bytes(in_.left()); }
    template <class T>
    void field(std::optional<T>& value) {
        bool present = false;
        field(present);
        if (present) field(value.emplace());
    }

    [[nodiscard]] bool complete() const { return sound_ && in_.complete(); }

private:
    ByteReader in_;
    bool sound_ = true;
};

template <class Coder, class R>
void fields(Coder& coder, R& record) {
    using Plain = std::remove_const_t<R>;
    if constexpr (std::is_same_v<Plain, PoolDefined>) {
        coder.field(record.pool);
        coder.field(record.name);
        coder.field(record.policy);
        coder.field(record.durability);
        coder.field(record.range);
    } else if constexpr (std::is_same_v<Plain, HolderDefined>) {
        coder.field(record.index);
        coder.field(record.holder.binding);
        coder.field(record.holder.uid);
        coder.field(record.holder.gid);
    } else if constexpr (std::is_same_v<Plain, Allocated> || std::is_same_v<Plain, Claimed>) {
        coder.field(record.pool);
        coder.field(record.range);
        coder.field(record.holder);
        coder.field(record.raised_generation);
    } else if constexpr (std::is_same_v<Plain, Released>) {
        coder.field(record.pool);
        coder.field(record.range);
    } else if constexpr (std::is_same_v<Plain, MarkMoved>) {
        coder.field(record.pool);
        coder.field(record.mark);
    } else if constexpr (std::is_same_v<Plain, SkippedAhead>) {
        coder.field(record.count);
    } else if constexpr (std::is_same_v<Plain, SkippedAbove>) {
        coder.field(record.pool);
        coder.field(record.floor);
    } else if constexpr (std::is_same_v<Plain, SequenceSaved>) {
        coder.field(record.pool);
        coder.field(record.state.cursor);
        coder.field(record.state.highest);
        coder.field(record.state.mark);
        coder.field(record.state.generation);
        coder.field(record.state.swept);
        coder.field(record.state.claims);
    } else if constexpr (std::is_same_v<Plain, ClaimsSaved>) {
        coder.field(record.pool);
        coder.field(record.covered);
        coder.field(record.items);
    } else if constexpr (std::is_same_v<Plain, LiveSaved>) {
        coder.field(record.pool);
        coder.field(record.covered);
        coder.field(record.generation);
        coder.field(record.items);
    }
}

template <class R>
Result<Record> decode_as(std::span<const std::byte> body) {
    R record{};
    Reader reader(body);
    fields(reader, record);
    if (!reader.complete()) return Errc::journal_damaged;
    return Record(std::move(record));
}

// Tries the alternatives of Record in turn.
template <std::size_t index = 0>
Result<Record> decode_type(std::uint8_t type, std::span<const std::byte> body) {
    if constexpr (index == std::variant_size_v<Record>) {
        return Error{Errc::record_unknown, type};
    } else {
        using R = std::variant_alternative_t<index, Record>;
        return type == type_of<R> ? decode_as<R>(body) : decode_type<index + 1>(type, body);
    }
}

}  // namespace

void encode(const Record& record, ByteWriter& out) noexcept {
    std::visit(
        [&out](const auto& r) {
            out.put(type_of<std::remove_cvref_t<decltype(r)>>);
            out.put(version);
            Writer writer(out);
            fields(writer, r);
        },
        record);
    INOD_ASSERT(!out.overflowed());
}

Result<Record> decode_record(std::span<const std::byte> bytes) {
    if (bytes.size() < 2) return Errc::journal_damaged;
    const auto type = std::to_integer<std::uint8_t>(bytes[0]);
    const auto found_version = std::to_integer<std::uint8_t>(bytes[1]);
    if (found_version != version) {
        return Error{Errc::record_unknown, type + 256ULL * found_version};
    }
    return decode_type(type, bytes.subspan(2));
}

}  // namespace inod
