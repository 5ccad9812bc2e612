#include "lib/offline/dump.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "config/json_value.h"
#include "lib/allocator/links.h"
#include "lib/base/hex.h"
#include "lib/journal/segment_reader.h"
#include "lib/offline/offline_store.h"
#include "lib/offline/state_text.h"
#include "lib/pool/record.h"
#include "lib/pool/runs.h"

namespace inod {
namespace {

// lib/pool/record.h. The keys of holders are nobody's to see, in whatever version they stand.
constexpr std::byte holder_defined_type{2};

DumpLine json_of(const std::optional<Id>& id) {
    return id ? DumpLine(*id) : DumpLine();
}

class Dumper final : public ScanWatcher {
public:
    explicit Dumper(const DumpSink& sink) : sink_(sink) {}

    void on_segment(const std::string& file, const SegmentHeader& header) override;
    void on_frame(const FramePlace& place, const Frame& frame) override;
    void end(const Scan& scan);

    // What was wrong with a record, the first such thing.
    [[nodiscard]] const Result<void, Failure>& trouble() const { return trouble_; }

private:
    [[nodiscard]] DumpLine line_at() const {
        return {{"file", file_}, {"offset", offset_}, {"lsn", lsn_}};
    }
    [[nodiscard]] DumpLine line_of(std::string_view record) const {
        DumpLine line = line_at();
        line["record"] = record;
        return line;
    }
    void show_record(std::span<const std::byte> bytes);
    void show_unknown(std::span<const std::byte> bytes, const Error& error);
    template <class Add>
    void show_runs(const char* item, PoolIndex pool, const RunItems& items, Range covered, Add add,
                   std::uint64_t generation = 0);
    void note(Errc code, const std::string& what);

    [[nodiscard]] DumpLine pool_text(PoolIndex index) const;
    void put_pool(DumpLine& line, PoolIndex index) const;
    void put_holder(DumpLine& line, HolderIndex index) const;
    static void put_range(DumpLine& line, Range range);

    void show(const PoolDefined& record);
    void show(const HolderDefined& record);
    void show(const Allocated& record) { show_lease("Allocated", record); }
    void show(const Claimed& record) { show_lease("Claimed", record); }
    template <class R>
    void show_lease(const char* type, const R& record);
    void show(const Released& record) { show_range("Released", record.pool, record.range); }
    void show(const MarkMoved& record);
    void show(const UncleanStop& record);
    void show(const SkippedAhead& record);
    void show(const SkippedAbove& record);
    void show(const Passed& record);
    void show(const Reserved& record) { show_range("Reserved", record.pool, record.range); }
    void show(const Unreserved& record) { show_range("Unreserved", record.pool, record.range); }
    void show(const Advanced& record);
    void show(const HolderEnded& record);
    void show(const HolderRenewed& record);
    void show(const Booted& record);
    void show(const Rested& record);
    void show(const RestingSaved& record);
    void show(const Tokened& record);
    void show(const EpochBegun& record);
    void show(const EpochsSaved& record);
    void show(const TokenSaved& record);
    static void put_token(DumpLine& line, const TokenFields& token);
    void show(const NestedAllocated& record);
    void show(const NestedReleased& record);
    void show(const LinksSaved& record);
    void show_range(const char* type, PoolIndex pool, Range range);
    void show(const SequenceSaved& record);
    void show(const ClaimsSaved& record);
    void show(const ReservedSaved& record);
    void show(const LiveSaved& record);

    const DumpSink& sink_;
    std::string file_;  // and where in it, of the frame or record that is shown
    std::uint64_t offset_ = 0;
    Lsn lsn_ = 0;
    std::map<PoolIndex, std::string> pools_;
    std::map<HolderIndex, Holder> holders_;
    Result<void, Failure> trouble_;
};

void Dumper::on_segment(const std::string& file, const SegmentHeader& header) {
    file_ = file;
    offset_ = 0;
    lsn_ = header.first_lsn;
    DumpLine line = line_at();
    line["segment"] = header.number;
    line["size"] = header.size;
    line["store"] = uuid(header.store);
    line["run"] = header.run;
    line["base"] = header.base;
    line["previous"] = header.previous;
    line["begins_life"] = header.begins_life;
    line["begins_snapshot"] = header.begins_snapshot;
    line["has_witness"] = header.has_witness;
    line["machine"] = hex(header.machine);
    line["vm"] = uuid(header.vm);
    sink_(line);
}

void Dumper::on_frame(const FramePlace& place, const Frame& frame) {
    const FrameHeader& header = frame.header;
    offset_ = place.offset;
    lsn_ = header.lsn;
    DumpLine line = line_at();
    line["frame"] = name(header.type);
    line["count"] = header.count;
    line["size"] = header.size;
    line["synced"] = header.synced;
    if (is_snapshot(header.type)) line["in_use"] = !place.is_aside;
    if (header.type == FrameType::next) line["next"] = named_by(frame);
    sink_(line);
    if (header.type != FrameType::log && header.type != FrameType::snapshot_piece) return;
    RecordReader records(frame);
    while (const auto record = records.next()) {
        show_record(*record);
        lsn_ += header.type == FrameType::log ? 1 : 0;
    }
}

void Dumper::end(const Scan& scan) {
    offset_ = scan.found.end;
    lsn_ = scan.recovery.last_lsn + 1;
    DumpLine line = line_at();
    line["end"] = scan.recovery.torn_tail ? "torn tail"
                  : scan.recovery.clean   ? "clean stop"
                                          : "unclean stop";
    sink_(line);
}

void Dumper::show_record(std::span<const std::byte> bytes) {
    const auto record = decode_record(bytes);
    if (!record) return show_unknown(bytes, record.error());
    std::visit([this](const auto& r) { show(r); }, *record);
}

void Dumper::show_unknown(std::span<const std::byte> bytes, const Error& error) {
    DumpLine line = line_of(name(error.code));
    const bool may_have_key = !bytes.empty() && bytes[0] == holder_defined_type;
    line["bytes"] = may_have_key ? DumpLine() : DumpLine(hex(bytes));
    sink_(line);
    note(error.code, error.code == Errc::record_unknown
                         ? "a record of this type is unknown here: a newer version wrote it"
                         : "a record is not whole");
}

// Damage is worse than what is only unknown.
void Dumper::note(Errc code, const std::string& what) {
    const bool is_worse = trouble_ || (code == Errc::journal_damaged &&
                                       trouble_.error().code == Errc::record_unknown);
    if (!is_worse) return;
    trouble_ = Failure{code, file_ + ", offset " + std::to_string(offset_) + ", LSN " +
                                 std::to_string(lsn_) + ": " + what};
}

DumpLine Dumper::pool_text(PoolIndex index) const {
    const auto pool = pools_.find(index);
    return pool != pools_.end() ? DumpLine(pool->second) : DumpLine(index);
}

void Dumper::put_pool(DumpLine& line, PoolIndex index) const {
    line["pool"] = pool_text(index);
}

void Dumper::put_holder(DumpLine& line, HolderIndex index) const {
    line["holder"] = index;
    const auto holder = holders_.find(index);
    if (holder == holders_.end()) return;
    line["binding"] = name(holder->second.binding);
    line["uid"] = holder->second.uid;
    line["gid"] = holder->second.gid;
}

// All that is known of it, once; its key is its client's alone. Its name is whatever a client made up.
void Dumper::show(const HolderDefined& record) {
    Holder& holder = holders_[record.index] = record.holder;
    DumpLine line = line_of("HolderDefined");
    put_holder(line, record.index);
    line["id"] = holder.id;
    line["name"] = printable(holder.name);
    if (holder.binding == Binding::process) {
        line["pid"] = holder.process.pid;
        line["inode"] = holder.process.inode;
        line["start_time"] = holder.process.start_time;
        line["pid_namespace"] = holder.process.pid_namespace;
    }
    if (holder.binding == Binding::ttl) {
        line["ttl_ms"] = holder.ttl_ms;
        line["deadline"] = holder.deadline;
    }
    holder.name = {};  // the record's text
    sink_(line);
}

void Dumper::put_range(DumpLine& line, Range range) {
    line["first"] = range.first;
    line["last"] = range.last;
}

void Dumper::show(const PoolDefined& record) {
    const std::string& name_of_pool = pools_[record.pool] = printable(record.name);
    DumpLine line = line_of("PoolDefined");
    line["pool"] = name_of_pool;
    line["index"] = record.pool;
    line["policy"] = name(record.policy);
    line["durability"] = name(record.durability);
    line["min"] = record.range.first;
    line["max"] = record.range.last;
    line["tracking"] = record.tracking;
    if (record.parent) line["parent"] = pool_text(*record.parent);
    sink_(line);
}

template <class R>
void Dumper::show_lease(const char* type, const R& record) {
    DumpLine line = line_of(type);
    put_pool(line, record.pool);
    put_range(line, record.range);
    put_holder(line, record.holder);
    line["raised_generation"] = record.raised_generation;
    sink_(line);
}

void Dumper::show_range(const char* type, PoolIndex pool, Range range) {
    DumpLine line = line_of(type);
    put_pool(line, pool);
    put_range(line, range);
    sink_(line);
}

void Dumper::show(const Passed& record) {
    DumpLine line = line_of("Passed");
    put_pool(line, record.pool);
    put_range(line, record.range);
    line["raised_generation"] = record.raised_generation;
    sink_(line);
}

void Dumper::show(const Advanced& record) {
    DumpLine line = line_of("Advanced");
    put_pool(line, record.pool);
    line["last"] = record.last;
    sink_(line);
}

void Dumper::show(const HolderEnded& record) {
    DumpLine line = line_of("HolderEnded");
    put_holder(line, record.index);
    holders_.erase(record.index);
    sink_(line);
}

void Dumper::show(const HolderRenewed& record) {
    DumpLine line = line_of("HolderRenewed");
    put_holder(line, record.index);
    line["deadline"] = record.deadline;
    sink_(line);
}

void Dumper::show(const Rested& record) {
    DumpLine line = line_of("Rested");
    put_pool(line, record.pool);
    put_range(line, record.range);
    line["at"] = record.at;
    line["rest_ms"] = record.rest_ms;
    sink_(line);
}

// A line for each level too, the highest first.
void Dumper::show(const NestedAllocated& record) {
    DumpLine line = line_of("NestedAllocated");
    put_holder(line, record.holder);
    line["claim"] = record.is_claim;
    sink_(line);
    for (const LevelAllocated& level : record.levels) {
        DumpLine of_level = line_at();
        of_level["item"] = "level";
        put_pool(of_level, level.pool);
        put_range(of_level, {level.first, level.first + record.span});
        of_level["raised_generation"] = level.raised_generation;
        sink_(of_level);
    }
}

// What goes with these numbers of the lowest level is freed above; which, the links say.
void Dumper::show(const NestedReleased& record) {
    DumpLine line = line_of("NestedReleased");
    put_range(line, record.range);
    line["at"] = record.at;
    sink_(line);
    for (const LevelReleased& level : record.levels) {
        DumpLine of_level = line_at();
        of_level["item"] = "level";
        put_pool(of_level, level.pool);
        of_level["rest_ms"] = level.rest_ms;
        sink_(of_level);
    }
}

void Dumper::show(const LinksSaved& record) {
    DumpLine line = line_of("LinksSaved");
    put_pool(line, record.pool);
    line["parent"] = pool_text(record.parent);
    put_range(line, record.covered);
    sink_(line);
    show_runs(
        "link", record.pool, record.items, record.covered,
        [](DumpLine& of_run, const Run& run) {
            const Link link = Links::saved_link(run);
            of_run["above_first"] = link.above.first;
            of_run["above_last"] = link.above.last;
        },
        Links::saved_generation);
}

void Dumper::show(const Booted& record) {
    DumpLine line = line_of("Booted");
    line["boot"] = record.boot.is_none() ? DumpLine() : DumpLine(uuid(bytes_of(record.boot.words)));
    line["next_holder"] = record.next_holder;
    line["now"] = record.now;
    sink_(line);
}

// Numbers that are chosen at random are told from each other more easily so.
void Dumper::put_token(DumpLine& line, const TokenFields& token) {
    line["token_uid"] = token.uid;
    line["token_epoch"] = hex(token.epoch);
    line["token_number"] = hex(token.number);
    line["request_digest"] = hex(token.digest);
}

void Dumper::show(const Tokened& record) {
    DumpLine line = line_of("Tokened");
    line["how"] = name(record.how);
    put_pool(line, record.pool);
    put_range(line, record.range);
    if (record.how != HandOut::passed) put_holder(line, record.holder);
    line["raised_generation"] = record.raised_generation;
    line["generation"] = record.generation;
    put_token(line, record.token);
    sink_(line);
}

void Dumper::show(const EpochBegun& record) {
    DumpLine line = line_of("EpochBegun");
    line["token_epoch"] = hex(record.number);
    line["at"] = record.at;
    line["alone"] = record.alone;
    sink_(line);
}

void Dumper::show(const EpochsSaved& record) {
    DumpLine line = line_of("EpochsSaved");
    line["began"] = record.began;
    line["open"] = DumpLine::array();
    line["closed"] = DumpLine::array();
    for (const EpochsSaved::Epoch& epoch : record.epochs) {
        if (epoch.number == 0) break;
        line[epoch.is_open ? "open" : "closed"].push_back(hex(epoch.number));
    }
    sink_(line);
}

void Dumper::show(const TokenSaved& record) {
    DumpLine line = line_of("TokenSaved");
    put_pool(line, record.pool);
    put_range(line, record.range);
    line["generation"] = record.generation;
    put_token(line, record.token);
    sink_(line);
}

void Dumper::show(const MarkMoved& record) {
    DumpLine line = line_of("MarkMoved");
    put_pool(line, record.pool);
    line["mark"] = record.mark;
    sink_(line);
}

void Dumper::show(const UncleanStop& /*record*/) {
    DumpLine line = line_of("UncleanStop");
    sink_(line);
}

void Dumper::show(const SkippedAhead& record) {
    DumpLine line = line_of("SkippedAhead");
    line["count"] = record.count;
    sink_(line);
}

void Dumper::show(const SkippedAbove& record) {
    DumpLine line = line_of("SkippedAbove");
    put_pool(line, record.pool);
    line["floor"] = record.floor;
    sink_(line);
}

void Dumper::show(const SequenceSaved& record) {
    DumpLine line = line_of("SequenceSaved");
    put_pool(line, record.pool);
    const SequenceState& state = record.state;
    line["cursor"] = json_of(state.cursor);
    line["highest"] = json_of(state.highest);
    line["mark"] = json_of(state.mark);
    line["generation"] = state.generation;
    line["swept"] = json_of(state.swept);
    line["claims_first"] =
        json_of(state.claims ? std::optional(state.claims->first) : std::nullopt);
    line["claims_last"] = json_of(state.claims ? std::optional(state.claims->last) : std::nullopt);
    line["passed"] = json_of(state.passed);
    line["claimed"] = json_of(state.claimed);
    sink_(line);
}

void Dumper::show(const ClaimsSaved& record) {
    show_range("ClaimsSaved", record.pool, record.covered);
    show_runs("claim", record.pool, record.items, record.covered,
              [](DumpLine& line, const Run& run) { line["reserved"] = is_reserved_item(run); });
}

void Dumper::show(const ReservedSaved& record) {
    show_range("ReservedSaved", record.pool, record.covered);
    show_runs("reserved", record.pool, record.items, record.covered,
              [](DumpLine& /*line*/, const Run& /*run*/) {});
}

void Dumper::show(const RestingSaved& record) {
    show_range("RestingSaved", record.pool, record.covered);
    show_runs("resting", record.pool, record.items, record.covered,
              [](DumpLine& /*line*/, const Run& /*run*/) {});
}

void Dumper::show(const LiveSaved& record) {
    DumpLine line = line_of("LiveSaved");
    put_pool(line, record.pool);
    put_range(line, record.covered);
    line["generation"] = record.generation;
    sink_(line);
    show_runs(
        "live", record.pool, record.items, record.covered,
        [this](DumpLine& of_run, const Run& run) {
            of_run["generation"] = run.tag.generation;
            of_run["claimed"] = run.tag.claimed;
            put_holder(of_run, run.tag.holder);
        },
        record.generation);
}

// A line for each item: `add` says what it has beside its range.
template <class Add>
void Dumper::show_runs(const char* item, PoolIndex pool, const RunItems& items, Range covered,
                       Add add, std::uint64_t generation) {
    RunReader runs(items.bytes, covered.first, generation);
    while (const auto run = runs.next()) {
        DumpLine line = line_at();
        line["item"] = item;
        put_pool(line, pool);
        put_range(line, run->range);
        add(line, *run);
        sink_(line);
    }
    if (!runs.complete())
        note(Errc::journal_damaged, "the record's items are not what they should be");
}

}  // namespace

Result<void, Failure> dump(Storage& storage, const DumpSink& sink) {
    Dumper dumper(sink);
    NoReplay nobody;
    const auto found = scan(storage, nobody, &dumper);
    if (!found) return found.error();
    if (found->recovery.run == 0) return no_store();
    dumper.end(*found);
    return dumper.trouble();
}

}  // namespace inod
