#include "tests/sim/faults.h"

namespace inod::sim {
namespace {

std::optional<std::uint64_t> once_in(Dice& dice, std::uint64_t count, std::uint64_t from,
                                     std::uint64_t how_many) {
    if (!dice.one_in(count)) return std::nullopt;
    return from + dice.below(how_many);
}

CallFault draw_call(Dice& dice, std::uint64_t number_max) {
    CallFault fault{.number = 1 + dice.below(number_max),
                    .segments = 0,
                    .is_in_snapshot = false,
                    .code = std::nullopt,
                    .kept_permille = dice.below(1'001)};
    switch (dice.below(8)) {
        case 0: fault.code = Errc::io_error; break;
        case 1: fault.code = Errc::no_space; break;
        default: break;
    }
    return fault;
}

// Groups of many frames, which go on in the next segment, are in long logs alone. Half of these crashes
// are at one of the few calls with which that is done, of the log or of a snapshot and the log beside it,
// or shortly behind.
CallFault draw_crash_in_long_log(Dice& dice) {
    CallFault fault = draw_call(dice, 60);
    fault.code.reset();
    if (dice.one_in(2)) return fault;
    fault.is_in_snapshot = dice.one_in(3);
    fault.number = 1 + dice.below(fault.is_in_snapshot ? 8 : 4);
    // The first that is opened while it is under way is its own.
    fault.segments = fault.is_in_snapshot ? 2 : 1 + dice.below(3);
    return fault;
}

// After a group or two, of which the last is on the disk, or before any.
void end_early(Dice& dice, ProcessPlan& plan) {
    plan.has_slow_flusher = dice.one_in(2);
    plan.operations = 1 + dice.below(plan.has_slow_flusher ? 20 : 6);
    plan.end = dice.one_in(2) ? End::kill : End::power_cut;
    plan.in_life.reset();
    plan.has_long_log = false;
}

}  // namespace

StorePlan draw_store(Dice& dice) {
    StorePlan plan{.damage = std::nullopt,
                   .damaged_process = 1 + dice.below(8),
                   .flip = Flip::anywhere,
                   .memory_max = std::uint64_t{64} << 20U,
                   .has_small_budget = dice.one_in(12),
                   .segment_size = std::uint64_t{64} * 1024,
                   .snapshot_size_per_group = 512};
    // In the smallest segments there are the most ends; but no group of two frames has room.
    if (dice.one_in(4)) plan.segment_size *= 2;
    if (dice.one_in(4)) plan.snapshot_size_per_group *= 64;
    if (dice.one_in(2)) plan.flip = dice.one_in(2) ? Flip::in_first_groups : Flip::in_only_trace;
    switch (dice.below(6)) {
        case 0: plan.damage = Fault::bit_flip; break;
        case 1: plan.damage = Fault::stale_sector; break;
        case 2: plan.damage = Fault::misdirected_write; break;
        default: break;
    }
    // A tree's first nodes are some 10 KiB, and a store has about ten trees.
    if (plan.has_small_budget) plan.memory_max = (100 + dice.below(200)) * 1024;
    return plan;
}

ProcessPlan draw_process(Dice& dice, bool is_behind_clean_stop) {
    ProcessPlan plan{};
    plan.operations = 200 + dice.below(60);
    plan.end = dice.one_in(4) ? End::clean_stop : dice.one_in(2) ? End::kill : End::power_cut;
    if (dice.one_in(4)) plan.in_start = draw_call(dice, 70);
    plan.memory_in_start = once_in(dice, 30, 0, 60);
    const bool is_quiet = plan.end == End::clean_stop && dice.one_in(2);
    if (!is_quiet && !dice.one_in(3)) plan.in_life = draw_call(dice, dice.one_in(8) ? 6 : 90);
    plan.memory_in_flush = once_in(dice, 16, 0, 20);
    if (plan.end == End::clean_stop && dice.one_in(3)) plan.in_stop = draw_call(dice, 14);
    plan.full_disk = once_in(dice, 12, 0, 3);
    if (plan.full_disk) *plan.full_disk *= std::uint64_t{40} * 1024;
    plan.is_full_at_start = !dice.one_in(3);
    plan.has_long_log = dice.one_in(20);
    if (plan.has_long_log && dice.one_in(2)) {
        plan.in_life = draw_crash_in_long_log(dice);
        plan.end = End::power_cut;
    }
    if (dice.one_in(is_behind_clean_stop ? 2 : 10)) end_early(dice, plan);
    plan.is_started_twice = dice.one_in(16);
    return plan;
}

}  // namespace inod::sim
