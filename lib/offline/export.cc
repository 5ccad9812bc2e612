#include "lib/offline/export.h"

#include <nlohmann/json.hpp>

#include "lib/base/hex.h"
#include "lib/offline/offline_store.h"
#include "lib/offline/state_lines.h"
#include "lib/offline/state_text.h"

namespace inod {
namespace {

// Members stay in the order in which they are put in.
using Json = nlohmann::ordered_json;

Json json_of(const std::optional<Id>& id) {
    return id ? Json(*id) : Json();
}

Json json_of(const HolderKey& key) {
    return key.is_none() ? Json() : Json(hex(bytes_of(key.words)));
}

Json json_of(const BootId& boot) {
    return boot.is_none() ? Json() : Json(uuid(bytes_of(boot.words)));
}

Json json_of(const ProcessIdentity& process) {
    return {{"pid", process.pid},
            {"inode", process.inode},
            {"start_time", process.start_time},
            {"pid_namespace", process.pid_namespace}};
}

// Which start of the machine a journal tells of last.
class BootWatcher final : public ScanWatcher {
public:
    void on_segment(const std::string& /*file*/, const SegmentHeader& /*header*/) override {}
    void on_frame(const FramePlace& place, const Frame& frame) override {
        const FrameType type = frame.header.type;
        const bool is_piece_in_use = type == FrameType::snapshot_piece && !place.is_aside;
        if (type != FrameType::log && !is_piece_in_use) return;
        RecordReader records(frame);
        while (const auto bytes = records.next()) {
            const auto record = decode_record(*bytes);
            const Booted* const booted = record ? std::get_if<Booted>(&*record) : nullptr;
            if (booted != nullptr) boot_ = booted->boot;
        }
    }

    [[nodiscard]] const BootId& boot() const { return boot_; }

private:
    BootId boot_{};
};

class Exporter {
public:
    Exporter(const Allocator& allocator, const BootId& boot, const LineSink& sink)
        : allocator_(allocator), boot_(boot), sink_(sink) {}

    void run(const Recovery& store);

private:
    void put(const Json& line) {
        sink_(line.dump());
        ++line_count_;
    }
    void put_holders();
    void put_pool(const Pool& pool);
    void put_range(const char* type, const Pool& pool, Range range) {
        put({{"type", type},
             {"pool", pool.spec().name},
             {"first", range.first},
             {"last", range.last}});
    }
    void put_claims(const Pool& pool);
    void put_reserved(const Pool& pool);
    void put_live(const Pool& pool);

    const Allocator& allocator_;
    const BootId boot_;
    const LineSink& sink_;
    std::uint64_t line_count_ = 0;
};

void Exporter::run(const Recovery& store) {
    put({{"format", state_format},
         {"version", state_format_version},
         {"store", uuid(store.id)},
         {"run", store.run},
         {"boot", json_of(boot_)},
         {"next_holder", allocator_.holders().next_id()}});
    put_holders();
    for (std::size_t i = 0; i < allocator_.pool_index_end(); ++i) {
        const Pool& pool = allocator_.any_pool(static_cast<PoolIndex>(i));
        put_pool(pool);
        put_claims(pool);
        put_reserved(pool);
        put_live(pool);
    }
    put({{"type", "end"}, {"lines", line_count_}});
}

void Exporter::put_holders() {
    const Holders& holders = allocator_.holders();
    for (HolderIndex i = 0; i < holders.index_end(); ++i) {
        if (!holders.contains(i)) continue;
        const Holder holder = holders[i];
        const bool has_process = holder.binding == Binding::process;
        put({{"type", "holder"},
             {"index", i},
             {"id", holder.id},
             {"binding", name(holder.binding)},
             {"uid", holder.uid},
             {"gid", holder.gid},
             {"name", characters_of(holder.name)},
             {"key", json_of(holder.key)},
             {"process", has_process ? json_of(holder.process) : Json()},
             {"ttl_ms", holder.ttl_ms},
             {"deadline", holder.deadline}});
    }
}

void Exporter::put_pool(const Pool& pool) {
    const PoolSpec& spec = pool.spec();
    const SequenceState state = pool.sequence();
    put({{"type", "pool"},
         {"name", spec.name},
         {"policy", name(spec.policy)},
         {"durability", name(spec.durability)},
         {"tracking", spec.tracking},
         {"min", spec.range.first},
         {"max", spec.range.last},
         {"cursor", json_of(state.cursor)},
         {"highest", json_of(state.highest)},
         {"mark", json_of(state.mark)},
         {"generation", state.generation},
         {"swept", json_of(state.swept)},
         {"claims", state.claims ? Json{state.claims->first, state.claims->last} : Json()},
         {"passed", json_of(state.passed)},
         {"claimed", json_of(state.claimed)}});
}

void Exporter::put_claims(const Pool& pool) {
    const RangeTree* const claims = pool.claims();
    if (claims == nullptr) return;
    // What is reserved there comes with all that is.
    for (auto cursor = claims->begin_at(0); cursor; ++cursor)
        put_range("claim", pool, (*cursor).range);
}

void Exporter::put_reserved(const Pool& pool) {
    for (auto run = pool.next_reserved(0); run;
         run = run->last < id_max ? pool.next_reserved(run->last + 1) : std::nullopt) {
        put_range("reserved", pool, *run);
    }
}

void Exporter::put_live(const Pool& pool) {
    pool.for_each_run([&](const Run& run) {
        put({{"type", "live"},
             {"pool", pool.spec().name},
             {"first", run.range.first},
             {"last", run.range.last},
             {"generation", run.tag.generation},
             {"holder", run.tag.holder},
             {"claimed", run.tag.claimed}});
    });
}

// A line has no way yet to say which numbers of several pools go together.
Result<void, Failure> check_exportable(const Allocator& allocator) {
    for (std::size_t i = 0; i < allocator.pool_index_end(); ++i) {
        const auto index = static_cast<PoolIndex>(i);
        const PoolIndex parent = allocator.parent_of(index);
        if (parent == no_pool) continue;
        return Failure{Errc::not_offered,
                       "pool '" + allocator.any_pool(index).spec().name + "' has a parent, '" +
                           allocator.any_pool(parent).spec().name +
                           "', and an export cannot say yet which of their numbers go together. "
                           "Take a backup instead: 'inoctl backup'"};
    }
    return {};
}

}  // namespace

Result<void, Failure> export_state(Storage& storage, const LineSink& sink) {
    Allocator allocator(storage, options_to_look());
    const auto loaded = allocator.load();
    if (!loaded) return loaded.error();
    if (loaded->recovery.run == 0) return no_store();
    if (auto fits = check_exportable(allocator); !fits) return fits;
    if (const auto broken = allocator.verify()) return Failure{Errc::journal_damaged, *broken};
    NoReplay nobody;
    BootWatcher watcher;
    if (auto watched = scan(storage, nobody, &watcher); !watched) return watched.error();
    Exporter(allocator, watcher.boot(), sink).run(loaded->recovery);
    return {};
}

}  // namespace inod
