// The clock of a simulated machine, and which start of it this is.
//
// Thread safety: none of its own.
#pragma once

#include "lib/pool/lease.h"
#include "tests/sim/dice.h"

namespace inod::sim {

struct Clock {
    BootId boot{{1, 1}};
    BootTime now = 1'000;          // milliseconds since the machine was started
    BootTime first_start = 1'000;  // when a process was started first since then

    // It goes on while requests come: mostly a little.
    void tick(Dice& dice) { now += dice.one_in(40) ? dice.below(4'000) : dice.below(20); }
    // Nobody serves for a while.
    void go_on_alone(Dice& dice) { now += dice.below(dice.one_in(4) ? 30'000 : 500); }
    // The machine was off, nobody knows how long, and is started.
    void reboot(Dice& dice) {
        ++boot.words[0];
        now = first_start = dice.below(3'000);
    }
};

}  // namespace inod::sim
