#include "lib/offline/export.h"

#include <nlohmann/json.hpp>

#include "lib/base/hex.h"
#include "lib/offline/offline_store.h"
#include "lib/offline/state_lines.h"

namespace inod {
namespace {

// Members stay in the order in which they are put in.
using Json = nlohmann::ordered_json;

Json json_of(const std::optional<Id>& id) {
    return id ? Json(*id) : Json();
}

class Exporter {
public:
    Exporter(const Allocator& allocator, const LineSink& sink)
        : allocator_(allocator), sink_(sink) {}

    void run(const Recovery& store);

private:
    void put(const Json& line) {
        sink_(line.dump());
        ++line_count_;
    }
    void put_holders();
    void put_pool(const Pool& pool);
    void put_claims(const Pool& pool);
    void put_live(const Pool& pool);

    const Allocator& allocator_;
    const LineSink& sink_;
    std::uint64_t line_count_ = 0;
};

void Exporter::run(const Recovery& store) {
    put({{"format", state_format},
         {"version", state_format_version},
         {"store", uuid(store.id)},
         {"run", store.run}});
    put_holders();
    for (std::size_t i = 0; i < allocator_.pool_index_end(); ++i) {
        const Pool& pool = allocator_.any_pool(static_cast<PoolIndex>(i));
        put_pool(pool);
        put_claims(pool);
        put_live(pool);
    }
    put({{"type", "end"}, {"lines", line_count_}});
}

void Exporter::put_holders() {
    const Holders& holders = allocator_.holders();
    for (HolderIndex i = 0; i < holders.size(); ++i) {
        put({{"type", "holder"},
             {"index", i},
             {"binding", name(holders[i].binding)},
             {"uid", holders[i].uid},
             {"gid", holders[i].gid}});
    }
}

void Exporter::put_pool(const Pool& pool) {
    const PoolSpec& spec = pool.spec();
    const SequenceState state = pool.sequence();
    put({{"type", "pool"},
         {"name", spec.name},
         {"policy", name(spec.policy)},
         {"durability", name(spec.durability)},
         {"min", spec.range.first},
         {"max", spec.range.last},
         {"cursor", json_of(state.cursor)},
         {"highest", json_of(state.highest)},
         {"mark", json_of(state.mark)},
         {"generation", state.generation},
         {"swept", json_of(state.swept)},
         {"claims", state.claims ? Json{state.claims->first, state.claims->last} : Json()}});
}

void Exporter::put_claims(const Pool& pool) {
    const RangeTree* const claims = pool.claims();
    if (claims == nullptr) return;
    for (auto cursor = claims->begin_at(0); cursor; ++cursor) {
        const Range range = (*cursor).range;
        put({{"type", "claim"},
             {"pool", pool.spec().name},
             {"first", range.first},
             {"last", range.last}});
    }
}

void Exporter::put_live(const Pool& pool) {
    for (auto cursor = pool.live().begin_at(0); cursor; ++cursor) {
        const Range range = (*cursor).range;
        const Tag& tag = pool.tag_of(*cursor);
        put({{"type", "live"},
             {"pool", pool.spec().name},
             {"first", range.first},
             {"last", range.last},
             {"generation", tag.generation},
             {"holder", tag.holder},
             {"claimed", tag.claimed}});
    }
}

}  // namespace

Result<void, Failure> export_state(Storage& storage, const LineSink& sink) {
    Allocator allocator(storage, options_to_look());
    const auto loaded = allocator.load();
    if (!loaded) return loaded.error();
    if (loaded->recovery.run == 0) return no_store();
    if (const auto broken = allocator.verify()) return Failure{Errc::journal_damaged, *broken};
    Exporter(allocator, sink).run(loaded->recovery);
    return {};
}

}  // namespace inod
