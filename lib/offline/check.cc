#include "lib/offline/check.h"

#include <algorithm>

#include "lib/offline/hand_outs.h"
#include "lib/offline/offline_store.h"

namespace inod {
namespace {

void describe(const Scan& scan, CheckReport& report) {
    report.store = scan.recovery;
    report.snapshot_size = scan.snapshot_size;
    report.log_size = scan.log_size;
    const auto& slots = scan.found.slots;
    report.spares = static_cast<std::size_t>(std::count_if(
        slots.begin(), slots.end(),
        [](const SegmentSet::Slot& slot) { return slot.number == SegmentSet::spare; }));
    report.segments = slots.size() - report.spares;
}

// Each frame by itself, and the account of what was handed out.
Result<void, Failure> check_frames(Storage& storage, HandOuts& account, CheckReport& report) {
    NoReplay nobody;
    const auto found = scan(storage, nobody, &account);
    report.frames = account.frame_count();
    report.records = account.record_count();
    if (!found && found.error().code != Errc::journal_damaged) return found.error();
    if (!found) {
        report.damage.push_back(found.error().message);
        return {};
    }
    if (found->recovery.run == 0) return no_store();
    describe(*found, report);
    if (!found->recovery.clean) account.on_unclean_stop();
    return {};
}

// The records as a start replays them, and what they come to.
Result<void, Failure> check_state(Storage& storage, HandOuts& account, CheckReport& report) {
    Allocator allocator(storage, options_to_look());
    const auto loaded = allocator.load();
    if (!loaded && loaded.error().code != Errc::journal_damaged) return loaded.error();
    if (!loaded) {
        report.damage.push_back(loaded.error().message);
        return {};
    }
    report.holders = allocator.holders().size();
    for (std::size_t i = 0; i < allocator.pool_index_end(); ++i) {
        const auto index = static_cast<PoolIndex>(i);
        const Pool& pool = allocator.any_pool(index);
        account.compare(index, pool);
        report.pools.push_back({.spec = pool.spec(),
                                .sequence = pool.sequence(),
                                .live_ids = pool.live_count().ids,
                                .live_runs = pool.live_count().runs});
    }
    if (const auto broken = allocator.verify()) report.damage.push_back(*broken);
    return {};
}

}  // namespace

Result<CheckReport, Failure> check(Storage& storage) {
    CheckReport report;
    HandOuts account;
    if (auto checked = check_frames(storage, account, report); !checked) return checked.error();
    // What does not read back is damage once, and not again for whoever replays it.
    if (report.damage.empty()) {
        if (auto checked = check_state(storage, account, report); !checked) return checked.error();
    }
    const auto& findings = account.findings();
    report.damage.insert(report.damage.end(), findings.begin(), findings.end());
    return report;
}

}  // namespace inod
