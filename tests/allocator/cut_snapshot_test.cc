// Promise: what a snapshot took of the disk is not lost where a crash cuts it short, since the next life
// goes on with it; and the state that comes of both parts is the state.
// Method: a life that is cut off after each number of pieces; then one with other pools that goes on,
// while clients do; then one that starts from what the two have written.
#include "tests/allocator/machine.h"

namespace inod {
namespace {

std::vector<PoolSpec> pools() {
    return {unique_pool("inode"), unique_pool("ids"), cyclic_pool("pid", {1, 5'000})};
}

// Leases of many holders, with holes and claims; each pool takes several pieces.
void use(Machine& machine, Id from, std::uint32_t holders) {
    for (Id i = 0; i < 300; ++i) {
        const auto uid = static_cast<std::uint32_t>(i % holders);
        for (PoolIndex pool = 0; pool < 3; ++pool) {
            const auto leased = machine.allocate(pool, 1 + i % 3, uid);
            ASSERT_TRUE(leased.result) << name(leased.result.error().code);
            if (i % 4 != 0) continue;
            const Range range = leased.result->range;
            ASSERT_TRUE(machine.release(pool, range, leased.result->generation, uid).result);
        }
        for (PoolIndex pool = 0; pool < 2; ++pool) {
            const Id claimed = (id_max / 2) + from + 3 * i;
            ASSERT_TRUE(machine.allocate_at(pool, {claimed, claimed}, uid).result);
        }
        if (i % 20 == 0) {
            ASSERT_TRUE(machine.flush());
        }
    }
    ASSERT_TRUE(machine.flush());
}

// One group, and what is to be set aside. True while there is more of the snapshot to come.
bool write_piece(Machine& machine) {
    EXPECT_TRUE(machine.flush());
    return machine.allocator->journal().snapshot_under_way();
}

class CutLife {
public:
    CutLife() { machine.journal.snapshot_size_per_group = 512; }

    // A life with a snapshot that is cut off after so many pieces. False if it was whole by then.
    bool live_and_cut(int pieces) {
        EXPECT_EQ(said(machine.start()), "recovered");
        use(machine, 0, 50);
        machine.allocator->request_snapshot();
        for (int i = 0; i < pieces; ++i) {
            if (!write_piece(machine)) return false;
            EXPECT_TRUE(machine.allocate(0).result);  // between the pieces
        }
        return true;
    }

    Machine machine{pools()};
};

TEST(CutSnapshot, IsGoneOnWith) {
    int cut = 1;
    for (;; ++cut) {
        SCOPED_TRACE("cut after " + std::to_string(cut) + " pieces");
        CutLife life;
        if (!life.live_and_cut(cut)) break;
        Machine& machine = life.machine;
        machine.crash(static_cast<std::uint64_t>(cut));
        // What comes between the two parts: another pool, one that is wider, other holders.
        machine.specs[2].range.last = 6'000;
        machine.specs.push_back(cyclic_pool("more", {1, 50}));
        const auto gone_on = machine.start();
        ASSERT_EQ(said(gone_on), "recovered");
        ASSERT_TRUE(gone_on->has_cut_snapshot);
        const Lsn begun_below = gone_on->last_lsn;  // in the life before
        ASSERT_TRUE(write_piece(machine)) << "of the rest";
        use(machine, 2'000, 60);
        ASSERT_TRUE(machine.allocate(3).result);
        while (write_piece(machine)) {
        }
        const std::string before = machine.state();
        ASSERT_TRUE(machine.allocator->close());
        machine.crash(1);

        const auto started = machine.start();
        ASSERT_EQ(said(started), "recovered");
        ASSERT_GT(started->snapshot_lsn, 0U);
        ASSERT_LE(started->snapshot_lsn, begun_below) << "it is the one that was cut short";
        ASSERT_EQ(machine.state(), before);
        ASSERT_EQ(machine.allocator->verify().value_or("sound"), "sound");
    }
    EXPECT_GT(cut, 8) << "of each pool something was cut off";
}

}  // namespace
}  // namespace inod
