// What is made to go wrong in a simulated machine: calls that fail, a disk that lies, a bit that
// flips.
#include <algorithm>
#include <string>

#include "tests/sim/world.h"

namespace inod::sim {

void World::Eye::on_call(const DiskCall& call) {
    world_.story_.on_call(call);
    if (call.call == "rename" && call.to.starts_with("segment-")) {
        world_.figures_.add(Count::segments);
    }
    if (call.kept > 0 && call.kept < call.size) world_.figures_.meet(Fault::short_write);
}

void World::arm(const CallFault& fault, Fault kind) {
    figures_.inject(kind);
    if (fault.kept_permille > 0 && fault.kept_permille < 1'000) {
        figures_.inject(Fault::short_write);
    }
    armed_ = {kind, disk_->failures()};
    if (fault.code) {
        disk_->fail_call(fault.number, *fault.code, fault.kept_permille);
    } else {
        disk_->die_at_call(fault.number, fault.kept_permille);
    }
}

void World::disarm() {
    if (armed_ && disk_->failures() != armed_->failures_before) figures_.meet(armed_->kind);
    armed_.reset();
    disk_->fail_call(0, Errc::io_error);
    disk_->die_at_call(0);
}

void World::prepare_lie() {
    const bool lies =
        store_.damage == Fault::stale_sector || store_.damage == Fault::misdirected_write;
    if (!lies || is_lie_armed_ || process_number_ < store_.damaged_process) return;
    is_lie_armed_ = true;
    disk_->lie_at_sync(1 + dice_.below(60),
                       {store_.damage == Fault::misdirected_write, dice_.any()});
}

void World::look_for_lie() {
    if (!is_lie_armed_ || is_damage_done_) return;
    const auto told = disk_->lie_told();
    if (!told) return;
    figures_.inject(*store_.damage);
    is_damage_done_ = is_damage_unseen_ = true;
    power_failed_since_lie_ = false;
    story_.step("The disk has lied: ", told->size, " bytes at ", told->offset, " of ", told->name,
                told->landed_in.empty()
                    ? " are not there"
                    : text_of(" are in ", told->landed_in, ", at ", told->landed_at));
}

void World::damage_at_rest() {
    if (store_.damage != Fault::bit_flip || is_damage_done_) return;
    if (process_number_ < store_.damaged_process) return;
    flip_bit();
}

// One bit of a file, mostly where something was written.
void World::flip_bit() {
    const std::vector<std::string> names = disk_->names();
    if (names.empty()) return;
    const auto newest = std::find_if(names.rbegin(), names.rend(), [](const std::string& name) {
        return name.starts_with("segment-");
    });
    const bool in_newest = newest != names.rend() && dice_.one_in(2);
    const std::string& name = in_newest ? *newest : names[dice_.below(names.size())];
    const std::vector<std::byte> content = disk_->content(name);
    const auto last = std::find_if(content.rbegin(), content.rend(),
                                   [](std::byte byte) { return byte != std::byte{0}; });
    const auto used = static_cast<std::uint64_t>(content.rend() - last);
    if (used == 0) return;
    const std::uint64_t header_size = std::min<std::uint64_t>(used, 512);
    std::uint64_t offset = dice_.below(used);
    if (dice_.one_in(4)) offset = dice_.below(header_size);
    if (dice_.one_in(2)) offset = used - 1 - dice_.below(std::min<std::uint64_t>(used, 200));
    const auto mask = static_cast<std::byte>(1U << dice_.below(8));
    disk_->flip(name, offset, mask);
    figures_.inject(Fault::bit_flip);
    is_damage_done_ = is_damage_unseen_ = true;
    story_.step("A bit flips: ", name, ", offset ", offset);
}

void World::notice_damage(Count how) {
    figures_.add(how);
    if (!is_damage_noticed_ && store_.damage) figures_.meet(*store_.damage);
    is_damage_noticed_ = true;
}

}  // namespace inod::sim
