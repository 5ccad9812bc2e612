#include "lib/pool/sequence.h"

#include "lib/base/assert.h"
#include "lib/pool/cyclic_sequence.h"
#include "lib/pool/lowest_sequence.h"
#include "lib/pool/unique_sequence.h"

namespace inod {

std::unique_ptr<Sequence> Sequence::make(const PoolSpec& spec, MemoryBudget& budget) {
    switch (spec.policy) {
        case Policy::unique: return std::make_unique<UniqueSequence>(spec, budget);
        case Policy::cyclic: return std::make_unique<CyclicSequence>(spec);
        case Policy::lowest: return std::make_unique<LowestSequence>(spec);
    }
    INOD_UNREACHABLE("validate() let an unknown policy pass");
}

}  // namespace inod
