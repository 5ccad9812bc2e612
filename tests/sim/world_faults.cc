// What is made to go wrong in a simulated machine: calls that fail, a disk that lies, a bit that
// flips.
#include <algorithm>
#include <string>

#include "lib/journal/frame.h"
#include "lib/journal/segment.h"
#include "tests/sim/world.h"

namespace inod::sim {

namespace {

// Of the segment that a file holds, or held; 0 if none.
std::uint64_t segment_number(const MemStorage& disk, const std::string& name) {
    const std::vector<std::byte> content = disk.content(name);
    SegmentHeaderBytes bytes{};
    if (content.size() < bytes.size()) return 0;
    std::copy_n(content.begin(), bytes.size(), bytes.begin());
    const auto header = decode_segment_header(bytes);
    return header ? header->number : 0;
}

}  // namespace

void World::Eye::on_call(const DiskCall& call) {
    world_.story_.on_call(call);
    Figures& figures = world_.figures_;
    const Step step = world_.steps_.on_call(call);
    if (world_.steps_.opens_segment()) figures.add(Count::segments);
    if (world_.steps_.reuses_file()) figures.add(Count::segments_recycled);
    if (call.call == "rename" && call.result == Errc::ok) figures.add(Count::spares);
    auto& armed = world_.armed_;
    if (armed && !armed->is_over && call.result == Errc::io_error) {
        armed->is_over = true;
        if (armed->is_crash) figures.crash_at(step);
    }
    if (call.kept > 0 && call.kept < call.size) figures.meet(Fault::short_write);
}

void World::arm(const CallFault& fault, Fault kind) {
    figures_.inject(kind);
    if (fault.kept_permille > 0 && fault.kept_permille < 1'000) {
        figures_.inject(Fault::short_write);
    }
    armed_ = {kind, !fault.code.has_value(), disk_->failures()};
    if (fault.segments > 0) {
        const auto aim = [this, fault, left = fault.segments](const DiskCall&) mutable {
            if (fault.is_in_snapshot && !process_->snapshot_under_way()) return false;
            return steps_.opens_segment() && --left == 0;
        };
        disk_->die_behind(aim, fault.number, fault.kept_permille);
    } else if (fault.code) {
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
    if (store_.damage == Fault::bit_flip && !is_damage_done_ && is_time_to_flip()) flip_bit();
}

bool World::is_time_to_flip() const {
    switch (store_.flip) {
        case Flip::anywhere: return process_number_ >= store_.damaged_process;
        case Flip::in_first_groups: return flush_count_ <= 2;
        case Flip::in_only_trace: return flush_count_ == 0 && is_behind_clean_stop_;
    }
    return false;
}

// One bit of a file, mostly where something was written.
void World::flip_bit() {
    const std::string name = file_to_flip();
    const std::vector<std::byte> content = disk_->content(name);
    const auto last = std::find_if(content.rbegin(), content.rend(),
                                   [](std::byte byte) { return byte != std::byte{0}; });
    const auto used = static_cast<std::uint64_t>(content.rend() - last);
    if (used == 0) return;
    const std::uint64_t offset = offset_to_flip(used);
    const auto mask = static_cast<std::byte>(1U << dice_.below(8));
    disk_->flip(name, offset, mask);
    figures_.inject(Fault::bit_flip);
    is_damage_done_ = is_damage_unseen_ = true;
    story_.step("A bit flips: ", name, ", offset ", offset);
}

std::string World::file_to_flip() {
    std::vector<std::string> names = disk_->names();
    std::stable_sort(names.begin(), names.end(), [this](const auto& a, const auto& b) {
        return segment_number(*disk_, a) > segment_number(*disk_, b);
    });
    switch (store_.flip) {
        case Flip::in_first_groups: return names[0];
        case Flip::in_only_trace: return names[1];
        case Flip::anywhere: break;
    }
    return dice_.one_in(2) ? names[0] : names[dice_.below(names.size())];
}

std::uint64_t World::offset_to_flip(std::uint64_t used) {
    const std::uint64_t last_frame = std::min<std::uint64_t>(used, frame_header_size);
    if (store_.flip != Flip::anywhere) return used - 1 - dice_.below(last_frame);
    if (dice_.one_in(2)) return used - 1 - dice_.below(std::min<std::uint64_t>(used, 200));
    return dice_.below(dice_.one_in(4) ? std::min<std::uint64_t>(used, segment_header_size) : used);
}

void World::notice_damage(Count how) {
    figures_.add(how);
    if (!is_damage_noticed_ && store_.damage) figures_.meet(*store_.damage);
    is_damage_noticed_ = true;
}

}  // namespace inod::sim
