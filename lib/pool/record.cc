#include "lib/pool/record.h"

#include <limits>
#include <type_traits>

#include "lib/base/assert.h"

namespace inod {
namespace {

// The type byte of each record, and its present version.
struct Kind {
    std::uint8_t type;
    std::uint8_t version = 1;
};
template <class R>
constexpr Kind kind_of{};
template <>
constexpr Kind kind_of<PoolDefined>{1, 3};
template <>
constexpr Kind kind_of<HolderDefined>{2, 2};
template <>
constexpr Kind kind_of<Allocated>{3};
template <>
constexpr Kind kind_of<Claimed>{4};
template <>
constexpr Kind kind_of<Released>{5};
template <>
constexpr Kind kind_of<MarkMoved>{6};
template <>
constexpr Kind kind_of<UncleanStop>{7};
template <>
constexpr Kind kind_of<SkippedAhead>{8};
template <>
constexpr Kind kind_of<SkippedAbove>{9};
template <>
constexpr Kind kind_of<Passed>{10};
template <>
constexpr Kind kind_of<Reserved>{11};
template <>
constexpr Kind kind_of<Unreserved>{12};
template <>
constexpr Kind kind_of<Advanced>{13};
template <>
constexpr Kind kind_of<HolderEnded>{14};
template <>
constexpr Kind kind_of<HolderRenewed>{15};
template <>
constexpr Kind kind_of<SequenceSaved>{16, 2};
template <>
constexpr Kind kind_of<ClaimsSaved>{17};
template <>
constexpr Kind kind_of<LiveSaved>{18};
template <>
constexpr Kind kind_of<ReservedSaved>{19};
template <>
constexpr Kind kind_of<Booted>{20};
template <>
constexpr Kind kind_of<Rested>{21};
template <>
constexpr Kind kind_of<RestingSaved>{22};
template <>
constexpr Kind kind_of<Tokened>{23};
template <>
constexpr Kind kind_of<EpochBegun>{24};
template <>
constexpr Kind kind_of<EpochsSaved>{25};
template <>
constexpr Kind kind_of<TokenSaved>{26};
template <>
constexpr Kind kind_of<NestedAllocated>{27};
template <>
constexpr Kind kind_of<NestedReleased>{28};
template <>
constexpr Kind kind_of<LinksSaved>{29};

template <class Coder, class Token>
void token_fields(Coder& coder, Token& token) {
    coder.field(token.uid);
    coder.field(token.epoch);
    coder.field(token.number);
    coder.field(token.digest);
}

template <class Coder, class Level>
void level_fields(Coder& coder, Level& level) {
    coder.field(level.pool);
    if constexpr (std::is_same_v<std::remove_const_t<Level>, LevelAllocated>) {
        coder.field(level.first);
        coder.field(level.raised_generation);
    } else {
        coder.field(level.rest_ms);
    }
}

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
    void field(const std::array<std::uint64_t, 2>& words) {
        out_.put(words[0]);
        out_.put(words[1]);
    }
    template <class T>
    void field(const std::optional<T>& value) {
        field(value.has_value());
        if (value) field(*value);
    }
    template <class Level>
    void field(const Levels<Level>& levels) {
        field(levels.size());
        for (const Level& level : levels)
            level_fields(*this, level);
    }
    void field(const TokenFields& token) { token_fields(*this, token); }
    void field(const NestedToken& granted) {
        field(granted.generation);
        field(granted.token);
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
    void field(std::array<std::uint64_t, 2>& words) {
        words[0] = in_.get<std::uint64_t>();
        words[1] = in_.get<std::uint64_t>();
    }
    template <class T>
    void field(std::optional<T>& value) {
        bool present = false;
        field(present);
        if (present) field(value.emplace());
    }
    template <class Level>
    void field(Levels<Level>& levels) {
        std::size_t count = 0;
        field(count);
        sound_ = sound_ && count <= levels_max;
        for (std::size_t i = 0; sound_ && i < count; ++i) {
            Level level{};
            level_fields(*this, level);
            levels.push_back(level);
        }
    }
    void field(TokenFields& token) { token_fields(*this, token); }
    void field(NestedToken& granted) {
        field(granted.generation);
        field(granted.token);
    }

    [[nodiscard]] bool complete() const { return sound_ && in_.complete(); }

private:
    ByteReader in_;
    bool sound_ = true;
};

template <class Coder, class... Fields>
void all(Coder& coder, Fields&... values) {
    (coder.field(values), ...);
}

// Each has what a record of this version has. What it has not keeps its default.
template <class Coder, class R>
void fields(Coder& coder, R& record, std::uint8_t version) {
    using Plain = std::remove_const_t<R>;
    if constexpr (std::is_same_v<Plain, PoolDefined>) {
        all(coder, record.pool, record.name, record.policy, record.durability, record.range);
        if (version >= 2) all(coder, record.tracking);
        if (version >= 3) all(coder, record.parent);
    } else if constexpr (std::is_same_v<Plain, HolderDefined>) {
        auto& holder = record.holder;
        coder.field(record.index);
        if (version >= 2) coder.field(holder.id);
        all(coder, holder.binding, holder.uid, holder.gid);
        if (version < 2) return;
        all(coder, holder.name, holder.key.words, holder.process.pid, holder.process.inode,
            holder.process.start_time, holder.process.pid_namespace, holder.ttl_ms,
            holder.deadline);
    } else if constexpr (std::is_same_v<Plain, Allocated> || std::is_same_v<Plain, Claimed>) {
        all(coder, record.pool, record.range, record.holder, record.raised_generation);
    } else if constexpr (std::is_same_v<Plain, Released> || std::is_same_v<Plain, Reserved> ||
                         std::is_same_v<Plain, Unreserved>) {
        all(coder, record.pool, record.range);
    } else if constexpr (std::is_same_v<Plain, MarkMoved>) {
        all(coder, record.pool, record.mark);
    } else if constexpr (std::is_same_v<Plain, SkippedAhead>) {
        all(coder, record.count);
    } else if constexpr (std::is_same_v<Plain, SkippedAbove>) {
        all(coder, record.pool, record.floor);
    } else if constexpr (std::is_same_v<Plain, Passed>) {
        all(coder, record.pool, record.range, record.raised_generation);
    } else if constexpr (std::is_same_v<Plain, Advanced>) {
        all(coder, record.pool, record.last);
    } else if constexpr (std::is_same_v<Plain, HolderEnded>) {
        all(coder, record.index);
    } else if constexpr (std::is_same_v<Plain, HolderRenewed>) {
        all(coder, record.index, record.deadline);
    } else if constexpr (std::is_same_v<Plain, SequenceSaved>) {
        auto& state = record.state;
        all(coder, record.pool, state.cursor, state.highest, state.mark, state.generation,
            state.swept, state.claims);
        if (version >= 2) all(coder, state.passed, state.claimed);
    } else if constexpr (std::is_same_v<Plain, ClaimsSaved> ||
                         std::is_same_v<Plain, ReservedSaved>) {
        all(coder, record.pool, record.covered, record.items);
    } else if constexpr (std::is_same_v<Plain, LiveSaved>) {
        all(coder, record.pool, record.covered, record.generation, record.items);
    } else if constexpr (std::is_same_v<Plain, Rested>) {
        all(coder, record.pool, record.range, record.at, record.rest_ms);
    } else if constexpr (std::is_same_v<Plain, RestingSaved>) {
        all(coder, record.pool, record.covered, record.until, record.items);
    } else if constexpr (std::is_same_v<Plain, NestedAllocated>) {
        all(coder, record.holder, record.is_claim, record.span, record.levels, record.token);
    } else if constexpr (std::is_same_v<Plain, NestedReleased>) {
        all(coder, record.range, record.at, record.levels);
    } else if constexpr (std::is_same_v<Plain, LinksSaved>) {
        all(coder, record.pool, record.parent, record.covered, record.items);
    } else if constexpr (std::is_same_v<Plain, Booted>) {
        all(coder, record.boot.words, record.next_holder, record.now);
    } else if constexpr (std::is_same_v<Plain, Tokened>) {
        all(coder, record.how, record.pool, record.range, record.holder, record.raised_generation,
            record.generation);
        coder.field(record.token);
    } else if constexpr (std::is_same_v<Plain, EpochBegun>) {
        all(coder, record.number, record.at, record.alone);
    } else if constexpr (std::is_same_v<Plain, EpochsSaved>) {
        coder.field(record.began);
        for (auto& epoch : record.epochs)
            all(coder, epoch.number, epoch.is_open);
    } else if constexpr (std::is_same_v<Plain, TokenSaved>) {
        all(coder, record.pool, record.range, record.generation);
        coder.field(record.token);
    }
}

// What older versions left unsaid.
void complete(PoolDefined& record, std::uint8_t version) {
    if (version < 2) record.tracking = true;
}
void complete(HolderDefined& record, std::uint8_t version) {
    if (version < 2) record.holder.id = HolderId{record.index} + 1;
}
void complete(SequenceSaved& record, std::uint8_t version) {
    if (version < 2 && record.state.generation != 0) record.state.passed = record.state.highest;
}
template <class Other>
void complete(Other& /*record*/, std::uint8_t /*version*/) {}

template <class R>
Result<Record> decode_as(std::span<const std::byte> body, std::uint8_t version) {
    if (version == 0 || version > kind_of<R>.version) {
        return Error{Errc::record_unknown, kind_of<R>.type + 256ULL * version};
    }
    R record{};
    Reader reader(body);
    fields(reader, record, version);
    complete(record, version);
    if (!reader.complete()) return Errc::journal_damaged;
    return Record(std::move(record));
}

// Tries the alternatives of Record in turn.
template <std::size_t index = 0>
Result<Record> decode_type(std::uint8_t type, std::uint8_t version,
                           std::span<const std::byte> body) {
    if constexpr (index == std::variant_size_v<Record>) {
        return Error{Errc::record_unknown, type + 256ULL * version};
    } else {
        using R = std::variant_alternative_t<index, Record>;
        return type == kind_of<R>.type ? decode_as<R>(body, version)
                                       : decode_type<index + 1>(type, version, body);
    }
}

}  // namespace

void encode(const Record& record, ByteWriter& out) noexcept {
    std::visit(
        [&out](const auto& r) {
            constexpr Kind kind = kind_of<std::remove_cvref_t<decltype(r)>>;
            out.put(kind.type);
            out.put(kind.version);
            Writer writer(out);
            fields(writer, r, kind.version);
        },
        record);
    INOD_ASSERT(!out.overflowed());
}

Result<Record> decode_record(std::span<const std::byte> bytes) {
    if (bytes.size() < 2) return Errc::journal_damaged;
    const auto type = std::to_integer<std::uint8_t>(bytes[0]);
    const auto version = std::to_integer<std::uint8_t>(bytes[1]);
    return decode_type(type, version, bytes.subspan(2));
}

}  // namespace inod
