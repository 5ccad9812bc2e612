// The flusher of a simulated machine, and how its calls may end the process.
#include <new>

#include "tests/sim/promises.h"
#include "tests/sim/refused_memory.h"
#include "tests/sim/world.h"

namespace inod::sim {

// A part of a turn. Where there is nothing to flush, the disk may still be short of spares.
void World::advance_turn() {
    switch (turn_) {
        case Turn::idle: begin_turn(); return;
        case Turn::begun: flush(); return;
        case Turn::written: end_turn(); return;
        case Turn::durable:
            turn_ = Turn::idle;
            make_space();
            return;
    }
}

void World::begin_turn() {
    const bool was_under_way = process_->snapshot_under_way();
    if (!process_->begin_flush()) {
        make_space();
        return;
    }
    story_.step("flusher: a group is under way");
    if (process_->snapshot_under_way()) {
        story_.detail(was_under_way ? "with a piece of the snapshot" : "a snapshot begins with it");
    }
    oracle_->group_begun();
    turn_ = Turn::begun;
}

// What is under way to its end, or else a turn from its beginning. False if that ended the process.
bool World::complete_turn() {
    do {
        advance_turn();
    } while (!is_over_ && turn_ != Turn::idle);
    return !is_over_;
}

// Until nothing that was recorded is left to flush. A snapshot may stay under way.
void World::finish_turns() {
    while (!is_over_ && (turn_ != Turn::idle || process_->last_lsn() > process_->durable_lsn()))
        advance_turn();
}

void World::flush() {
    story_.step("flusher: writes the group");
    ++flush_count_;
    if (memory_in_flush_ == flush_count_) figures_.inject(Fault::no_memory_in_flush);
    if (survives([this] { return process_->flush(); })) turn_ = Turn::written;
}

void World::end_turn() {
    const std::uint64_t snapshots_before = process_->snapshot_count();
    const Lsn last_before = process_->last_lsn();
    const Lsn durable = process_->end_flush();
    turn_ = Turn::durable;
    figures_.add(Count::groups);
    const std::uint64_t snapshots = process_->snapshot_count() - snapshots_before;
    figures_.add(Count::snapshots, snapshots);
    if (snapshots > 0) starts_on_full_disk_ = 0;
    oracle_->group_durable(durable);
    clients_->look_for_ends(*process_, last_before);
    story_.step("flusher: durable up to LSN ", durable);
}

// A step of it, where it is wanted; on a full disk now and then a look whether it still is.
void World::make_space() {
    check_space();
    const bool looks = !process_->has_space() && dice_.one_in(8);
    if (!looks && !process_->wants_space()) return;
    story_.step("flusher: makes space");
    if (survives([this] { return process_->make_space(); })) check_space();
    if (!process_->has_space() && !has_memory()) figures_.meet(Fault::no_memory_in_flush);
}

bool World::has_memory() const {
    return !memory_in_flush_ || flush_count_ < *memory_in_flush_;
}

bool World::survives(const std::function<Result<void, Failure>()>& call) {
    try {
        const auto make = [&] {
            if (has_memory()) return call();
            const RefusedMemory refused;
            return call();
        };
        const Result<void, Failure> done = make();
        if (done) return true;
        judge(done.error());
    } catch (const std::bad_alloc&) {
        if (has_memory()) violated("std::bad_alloc, with memory enough");
        figures_.meet(Fault::no_memory_in_flush);
        story_.detail("std::bad_alloc ends the process");
    }
    is_over_ = true;
    return false;
}

// The process ends with this: may it?
void World::judge(const Failure& failure) {
    story_.detail("The process ends: ", failure.code, ": ", failure.message);
    if (call_failed()) return;
    if (failure.code != Errc::no_space) violated("the process ends without a reason");
    if (!disk_was_full()) violated("no space, with enough");
    // Before the first lease nothing is set aside: nobody gives back what counters hand out.
    if (!full_disk_may_stop() && oracle_->has_seen_leases()) {
        violated("a full disk ends the process");
    }
    figures_.add(Count::stops_by_full_disk);
    figures_.meet(Fault::full_disk);
}

bool World::full_disk_may_stop() const {
    return !full_disk_never_stops || starts_on_full_disk_ > starts_on_full_disk_max;
}

void World::check_space() const {
    if (!process_->has_space() && !call_failed() && !disk_was_full() && has_memory()) {
        violated("no space, with enough");
    }
}

}  // namespace inod::sim
