#include "proto/stats.h"

#include <algorithm>
#include <array>

namespace inod::proto {
namespace {

constexpr StatScope pool = StatScope::pool;
constexpr StatScope daemon = StatScope::daemon;

#define INOD_STAT(scope, id, meaning)   \
    StatInfo {                          \
        StatId::id, scope, #id, meaning \
    }

// Counters count since the daemon's start and are 0 after it.
constexpr std::array table{
    INOD_STAT(pool, live_ids, "IDs held now; 2^64 - 1 stands for that many or more"),
    INOD_STAT(pool, live_runs, "runs of IDs with one holder and one generation"),
    INOD_STAT(pool, cursor, "highest ID handed out (unique), or the last one (cyclic); 0 for none"),
    INOD_STAT(pool, generation, "generation of the next lease; 0 in a unique pool"),
    INOD_STAT(pool, allocations, "allocations granted since the start"),
    INOD_STAT(pool, releases, "releases carried out since the start"),
    INOD_STAT(pool, lookups, "lookups answered since the start, next and list included"),
    INOD_STAT(pool, refusals, "requests refused since the start"),
    INOD_STAT(pool, tree_nodes, "nodes of the tree of leases"),
    INOD_STAT(pool, reserve_nodes, "nodes set aside for releases"),
    INOD_STAT(daemon, memory_used, "bytes taken from the memory budget"),
    INOD_STAT(daemon, memory_max, "bytes of the memory budget"),
    INOD_STAT(daemon, connections, "connections open now"),
    INOD_STAT(daemon, journal_last_lsn, "last record appended to the journal"),
    INOD_STAT(daemon, journal_durable_lsn, "last record known to be on stable storage"),
    INOD_STAT(daemon, disk_size, "bytes of all journal segments"),
    INOD_STAT(daemon, log_size, "bytes of log since the last snapshot"),
    INOD_STAT(daemon, groups_synced, "groups of records synced since the start"),
    INOD_STAT(daemon, uptime_s, "seconds since the start"),
    INOD_STAT(daemon, run, "how many times this state has been started"),
    INOD_STAT(daemon, holders, "holders that there are, of all users"),
    INOD_STAT(daemon, tokens, "tokens that are kept, of all users"),
};

#undef INOD_STAT

}  // namespace

std::span<const StatInfo> stat_table() noexcept {
    return table;
}

std::string_view name(StatId id) noexcept {
    const auto* const info =
        std::find_if(table.begin(), table.end(), [id](const StatInfo& i) { return i.id == id; });
    return info == table.end() ? "unknown" : info->name;
}

void get_item(ByteReader& in, Stat& stat) {
    stat.id = static_cast<StatId>(in.get<std::uint32_t>());
    in.get<std::uint32_t>();
    stat.value = in.get<std::uint64_t>();
}

void put_item(ByteWriter& out, const Stat& stat) {
    out.put(static_cast<std::uint32_t>(stat.id));
    out.put(std::uint32_t{0});
    out.put(stat.value);
}

}  // namespace inod::proto
