#include "tests/sim/world.h"

#include <algorithm>
#include <limits>
#include <new>
#include <string>

#include "tests/sim/pools.h"
#include "tests/sim/promises.h"
#include "tests/sim/refused_memory.h"

namespace inod::sim {
namespace {

constexpr std::uint64_t operations_per_life = 200;
constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

std::string_view said(End how) {
    switch (how) {
        case End::clean_stop: return "a clean stop";
        case End::kill: return "kill -9";
        case End::power_cut: return "power cut";
    }
    return "";
}

}  // namespace

World::World(std::uint64_t seed, Story& story, Figures& figures)
    : dice_(seed), story_(story), figures_(figures) {
    make_store();
}

void World::run(std::uint64_t life_count) {
    // Faults end processes early, but not all of them.
    const std::uint64_t process_count_max = 20 * life_count + 100;
    std::uint64_t process_count = 0;
    for (std::uint64_t lives = 0; lives < life_count;) {
        run_process();
        if (++process_count > process_count_max) violated("the lives get nowhere");
        const std::uint64_t operations = clients_->operation_count() - operations_before_;
        if (operations < operations_per_life || crash_count_ == 0) continue;
        ++lives;
        figures_.add(Count::lives);
        operations_before_ = clients_->operation_count();
        crash_count_ = 0;
    }
    if (is_damage_done_ && !is_damage_noticed_) figures_.add(Count::damage_unnoticed);
}

void World::make_store() {
    if (is_damage_done_ && !is_damage_noticed_) figures_.add(Count::damage_unnoticed);
    figures_.add(Count::stores);
    pools_ = draw_pools(dice_);
    store_ = draw_store(dice_);
    if (store_.has_small_budget) figures_.inject(Fault::small_budget);
    disk_ = std::make_unique<MemStorage>();
    disk_->watch(&eye_);
    oracle_ = std::make_unique<Oracle>(pools_);
    clients_ = std::make_unique<Clients>(pools_, *oracle_, clock_, dice_, story_, figures_,
                                         [this] { return complete_turn(); });
    steps_ = JournalSteps();
    known_boot_ = clock_.boot;
    operations_before_ = 0;
    crash_count_ = 0;
    process_number_ = 0;
    starts_on_full_disk_ = 0;
    was_begun_before_ = false;
    is_damage_done_ = is_damage_unseen_ = is_damage_noticed_ = false;
    is_lie_armed_ = power_failed_since_lie_ = false;
    story_.step("A new store, memory for ", store_.memory_max / 1024, " KiB");
}

void World::run_process() {
    const ProcessPlan plan = draw_process(dice_, oracle_->is_closed());
    ++process_number_;
    is_over_ = is_behind_clean_stop_ = false;
    // Where the last process was over before its disk lied, this one's does.
    is_lie_armed_ = is_lie_armed_ && is_damage_done_;
    turn_ = Turn::idle;
    flush_count_ = 0;
    memory_in_flush_ = plan.memory_in_flush;
    failures_before_ = disk_->failures();
    refusals_before_ = disk_->refusals();
    change_configuration();
    if (!start(plan)) return;
    clients_->begin(*process_);
    live(plan);
    if (!is_over_) stop(plan);
    end(plan);
}

void World::change_configuration() {
    const std::string_view what = change_pools(pools_, dice_);
    if (!what.empty()) story_.step(what);
}

// Starting.

bool World::start(const ProcessPlan& plan) {
    story_.step("Process ", process_number_, " starts");
    figures_.add(Count::starts);
    const auto before =
        plan.is_started_twice && !plan.in_start ? disk_->clone() : std::unique_ptr<MemStorage>();
    prepare_lie();
    if (plan.full_disk && plan.is_full_at_start) limit_disk(*plan.full_disk);
    if (plan.in_start) {
        arm(*plan.in_start, plan.in_start->code ? Fault::io_error_in_start : Fault::crash_in_start);
    }
    std::optional<Recovery> recovery;
    const std::optional<Failure> failure = try_start(plan, recovery);
    disarm();
    look_for_lie();
    if (disk_was_full()) ++starts_on_full_disk_;
    if (!failure) {
        started(*recovery);
        if (before) compare_with(*before);
        return true;
    }
    process_.reset();
    if (failure->code == Errc::journal_damaged) {
        notice_damage(Count::damage_refused);
        make_store();
        return false;
    }
    crash(dice_.one_in(2) ? End::kill : End::power_cut);
    return false;
}

// Why there is no start, if there is none.
std::optional<Failure> World::try_start(const ProcessPlan& plan,
                                        std::optional<Recovery>& recovery) {
    const std::uint64_t changes_before = disk_->changes();
    std::optional<Failure> failure;
    bool memory_was_refused = false;
    try {
        std::optional<RefusedMemory> refused;
        if (plan.memory_in_start) {
            figures_.inject(Fault::no_memory_in_start);
            refused.emplace(*plan.memory_in_start * *plan.memory_in_start / 2);
        }
        process_ = std::make_unique<Process>(*disk_, pools_, sizes(), clock_);
        const auto result = process_->start();
        memory_was_refused = refused && refused->refused() > 0;
        refused.reset();
        if (result) {
            recovery = *result;
        } else {
            failure = result.error();
        }
    } catch (const std::bad_alloc&) {
        memory_was_refused = true;
        failure = Failure{Errc::out_of_memory, "std::bad_alloc"};
    }
    if (memory_was_refused) figures_.meet(Fault::no_memory_in_start);
    if (!failure) return std::nullopt;
    story_.detail("No start: ", failure->code, ": ", failure->message);
    judge_failed_start(*failure, memory_was_refused);
    const bool changed = disk_->changes() != changes_before;
    if (failure->code == Errc::journal_damaged && changed) {
        violated("a start was refused, and has changed the disk");
    }
    was_begun_before_ = was_begun_before_ || changed;
    return failure;
}

void World::judge_failed_start(const Failure& failure, bool memory_was_refused) {
    switch (failure.code) {
        case Errc::io_error:
            if (!call_failed()) violated("EIO, and no call failed");
            return;
        case Errc::no_space:
            if (call_failed()) return;
            if (!disk_was_full()) violated("no space, with enough");
            // Before the first lease nothing is set aside, and nobody waits for a release.
            if (!full_disk_may_stop() && oracle_->has_seen_leases()) {
                violated("no start because the disk is full");
            }
            figures_.add(Count::starts_refused_full);
            figures_.meet(Fault::full_disk);
            disk_->set_capacity(unlimited);
            return;
        case Errc::out_of_memory:
            if (memory_was_refused) return;
            if (!store_.has_small_budget) violated("out of memory, with enough");
            // More may be needed to take a state back than to get there.
            figures_.add(Count::starts_needing_more_memory);
            store_.memory_max *= 2;
            return;
        case Errc::journal_damaged:
            if (!is_damage_done_) violated("the start is refused, and nothing is damaged");
            return;
        default: violated("the start is refused, and there is no reason to");
    }
}

void World::started(const Recovery& recovery) {
    story_.detail("Started: run ", recovery.run, recovery.clean ? ", clean" : ", unclean",
                  ", up to LSN ", recovery.last_lsn, ", from a snapshot at ", recovery.snapshot_lsn,
                  recovery.torn_tail ? ", a torn tail was cut" : "");
    is_behind_clean_stop_ = recovery.clean && !recovery.created;
    if (recovery.snapshot_lsn != 0) figures_.add(Count::starts_from_snapshot);
    if (recovery.torn_tail) figures_.add(Count::torn_tails);
    const bool is_rebooted = known_boot_ != clock_.boot;
    const std::size_t holders_before = oracle_->holders().size();
    const bool lost_last_group = oracle_->restarted(recovery, process_->allocator(),
                                                    {.is_damaged = is_damage_unseen_,
                                                     .was_begun_before = was_begun_before_,
                                                     .is_rebooted = is_rebooted,
                                                     .first_start = clock_.first_start,
                                                     .now = clock_.now,
                                                     .grace_ms = Process::grace_ms});
    const std::size_t holders = oracle_->holders().size();
    figures_.add(Count::holders_over_restarts, holders);
    if (is_rebooted) figures_.add(Count::reboots);
    if (is_rebooted) figures_.add(Count::holders_gone_with_reboot, holders_before - holders);
    known_boot_ = clock_.boot;
    if (lost_last_group) {
        story_.detail("The last group was lost to damage");
        notice_damage(Count::damage_cut_last_group);
    }
    was_begun_before_ = false;
    if (!disk_was_full()) starts_on_full_disk_ = 0;
    check_space();
    if (!process_->has_space() && disk_was_full()) figures_.meet(Fault::full_disk);
    if (store_.damage == Fault::bit_flip || power_failed_since_lie_) is_damage_unseen_ = false;
    if (const auto broken = process_->allocator().verify()) violated(*broken);
}

Process::Sizes World::sizes() const {
    return {.memory_max = store_.memory_max,
            .segment = store_.segment_size,
            .snapshot_per_group = store_.snapshot_size_per_group};
}

// Another start from the same bytes comes to the same.
void World::compare_with(const MemStorage& before) {
    const auto disk = before.clone();
    disk->set_capacity(unlimited);
    Process twin(*disk, pools_, sizes(), clock_);
    if (const auto twins = twin.start(); !twins) violated("a start from the same bytes fails");
    for (std::size_t i = 0; i < pools_.size(); ++i) {
        const auto pool = static_cast<PoolIndex>(i);
        const auto same =
            process_->allocator().pool(pool)->sequence() == twin.allocator().pool(pool)->sequence();
        if (!same) violated("a start from the same bytes puts pool ", i, " elsewhere");
        if (process_->allocator().pool(pool)->next_reserved(0) !=
            twin.allocator().pool(pool)->next_reserved(0)) {
            violated("a start from the same bytes reserves something else in pool ", i);
        }
        for (Id from = 0;;) {
            const auto one = process_->allocator().next(pool, from).result;
            const auto other = twin.allocator().next(pool, from).result;
            if (one.has_value() != other.has_value() || (one && *one != *other)) {
                violated("a start from the same bytes has something else in pool ", i);
            }
            if (!one || one->range.last == id_max) break;
            from = one->range.last + 1;
        }
    }
    figures_.add(Count::starts_compared);
}

// Living.

void World::live(const ProcessPlan& plan) {
    if (plan.in_life) {
        Fault kind = Fault::crash_in_call;
        if (plan.in_life->code == Errc::io_error) kind = Fault::io_error;
        if (plan.in_life->code == Errc::no_space) kind = Fault::no_space;
        arm(*plan.in_life, kind);
    }
    if (plan.has_long_log) lengthen_log();
    const std::uint64_t half = plan.operations / 2;
    for (std::uint64_t i = 0; !is_over_ && i < plan.operations; ++i) {
        if (i == half && plan.full_disk && !plan.is_full_at_start) fill_disk(plan);
        if (!is_over_) operate(plan);
    }
    if (!is_over_ && dice_.one_in(2)) {
        if (const auto broken = process_->allocator().verify()) violated(*broken);
    }
}

void World::operate(const ProcessPlan& plan) {
    if (!process_->allocator().has_room()) finish_turns();
    if (!is_over_ && !plan.has_slow_flusher && dice_.one_in(2)) advance_turn();
    if (is_over_) return;
    if (turn_ == Turn::begun || turn_ == Turn::written) figures_.add(Count::operations_in_flush);
    if (process_->snapshot_under_way()) figures_.add(Count::operations_in_snapshot);
    if (dice_.one_in(70)) request_snapshot();
    clients_->operate(*process_, store_.has_small_budget);
}

void World::request_snapshot() {
    story_.step("A snapshot is asked for");
    process_->request_snapshot();
}

// The disk gets full, and clients go on releasing.
void World::fill_disk(const ProcessPlan& plan) {
    clients_->lease_much(*process_, store_.has_small_budget, 1 + dice_.below(4));
    finish_turns();
    if (is_over_) return;
    limit_disk(*plan.full_disk);
    while (!is_over_ && clients_->release_many(*process_, 1 + dice_.below(700)) > 0)
        finish_turns();
    if (is_over_) return;
    if (!process_->has_space()) figures_.meet(Fault::full_disk);
    if (!dice_.one_in(2)) return;
    disk_->set_capacity(unlimited);
    story_.step("The disk has room again");
    if (dice_.one_in(2)) make_space();
}

void World::limit_disk(std::uint64_t free_size) {
    figures_.inject(Fault::full_disk);
    disk_->set_capacity(disk_->used() + free_size);
    story_.step("The disk has room for ", free_size, " bytes more");
}

void World::lengthen_log() {
    // A state of many records for the snapshots to come.
    if (dice_.one_in(3)) {
        clients_->lease_much(*process_, store_.has_small_budget, 2);
        if (is_over_) return;
        clients_->scatter(*process_, 4'000);
        finish_turns();
    }
    for (std::uint64_t i = dice_.below(12); !is_over_ && i > 0; --i) {
        // While it is under way the log goes on in the next segment.
        if (dice_.one_in(3)) request_snapshot();
        clients_->churn(*process_, store_.has_small_budget, dice_.one_in(2) ? 5'000 : 500);
        finish_turns();
    }
}

// Stopping.

void World::stop(const ProcessPlan& plan) {
    if (plan.end != End::clean_stop) return;
    disarm();
    // Who waits for an answer may still get it, or not.
    if (dice_.one_in(2)) {
        finish_turns();
    } else {
        end_turn_under_way();
    }
    if (is_over_) return;
    story_.step("Stops by itself");
    if (plan.in_stop) arm(*plan.in_stop, Fault::crash_in_stop);
    oracle_->closing();
    if (!survives([this] { return process_->close(); })) return;
    figures_.add(Count::clean_stops);
    oracle_->closed();
}

void World::end_turn_under_way() {
    while (!is_over_ && turn_ != Turn::idle)
        advance_turn();
}

void World::end(const ProcessPlan& plan) {
    const bool stopped = plan.end == End::clean_stop && !is_over_;
    disarm();
    if (!stopped && process_->snapshot_under_way()) figures_.add(Count::crashes_in_snapshot);
    process_.reset();
    look_for_lie();
    if (stopped) {
        // No crash of the daemon; but the machine may be switched off.
        if (dice_.one_in(2)) {
            story_.step("The power fails, after a clean stop");
            disk_->crash(dice_.engine());
            power_failed_since_lie_ = true;
            clock_.reboot(dice_);
        } else {
            disk_->kill();
            clock_.go_on_alone(dice_);
        }
    } else {
        End how = plan.end;
        if (how == End::clean_stop) how = dice_.one_in(2) ? End::kill : End::power_cut;
        // Only a power cut shows what a disk has lied about.
        if (is_damage_unseen_ && !dice_.one_in(4)) how = End::power_cut;
        crash(how);
    }
    damage_at_rest();
    if (dice_.one_in(2)) disk_->set_capacity(unlimited);
}

void World::crash(End how) {
    ++crash_count_;
    story_.step("*** ", said(how));
    if (how == End::kill) {
        figures_.add(Count::kills);
        disk_->kill();
        clock_.go_on_alone(dice_);
        return;
    }
    clock_.reboot(dice_);
    figures_.add(Count::power_cuts);
    power_failed_since_lie_ = true;
    const CrashLoss loss = disk_->crash(dice_.engine());
    figures_.add(Count::writes_kept, loss.writes_kept);
    figures_.add(Count::writes_lost, loss.writes_lost);
    figures_.add(Count::writes_torn, loss.writes_torn);
    figures_.add(Count::names_kept, loss.names_kept);
    figures_.add(Count::names_lost, loss.names_lost);
    story_.detail("of unsynced writes ", loss.writes_kept, " kept, ", loss.writes_lost, " lost, ",
                  loss.writes_torn, " torn; of directory operations ", loss.names_kept, " kept, ",
                  loss.names_lost, " lost");
}

}  // namespace inod::sim
