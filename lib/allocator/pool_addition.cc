#include "lib/allocator/pool_addition.h"

#include <limits>
#include <new>
#include <utility>

#include "lib/base/assert.h"

namespace inod {
namespace {

Failure refused(const PoolSpec& spec, Errc code, const std::string& why) {
    return {code, "pool '" + spec.name + "': " + why};
}

Failure refused(const PoolSpec& spec, const Error& error) {
    return refused(spec, error.code, std::string(explanation(error.code)));
}

}  // namespace

PoolAddition::PoolAddition(Allocator& allocator, std::vector<PoolSpec> pools)
    : allocator_(allocator), specs_(std::move(pools)) {}

PoolAddition::~PoolAddition() {
    unmake();
}

Result<void, Failure> PoolAddition::prepare() {
    if (allocator_.journal_.sealed()) {
        return Failure{Errc::journal_sealed, std::string(explanation(Errc::journal_sealed))};
    }
    try {
        auto done = made_.empty() ? make_all() : Result<void, Failure>();
        if (done) done = set_space_aside();
        if (done || done.error().code == Errc::block_pending) return done;
        unmake();
        return done;
    } catch (const std::bad_alloc&) {
        unmake();
        return Failure{Errc::out_of_memory, "the system has no memory for new pools"};
    }
}

Result<void, Failure> PoolAddition::make_all() {
    allocator_.trim();
    first_ = allocator_.pools_.size();
    made_.reserve(specs_.size());
    for (const PoolSpec& spec : specs_)
        wanted_.emplace(spec.name, &spec);
    known_.clear();
    for (const auto& served : allocator_.pools_)
        known_.emplace(served->pool.spec().name, served->index);
    for (const PoolSpec& spec : specs_) {
        if (auto done = make(spec); !done) return done;
    }
    allocator_.pools_.reserve(index_end());
    allocator_.marks_.reserve(index_end());
    allocator_.events_.reserve(index_end());
    return {};
}

// Behind its parent, as a start does it: whoever reads of a pool then knows those above it.
Result<void, Failure> PoolAddition::make(const PoolSpec& spec) {
    const auto known = known_.find(spec.name);
    if (known != known_.end() && known->second >= first_) return {};
    if (const auto above = wanted_.find(spec.parent); above != wanted_.end()) {
        if (auto done = make(*above->second); !done) return done;
    }
    if (auto may = check(spec); !may) return may;
    const auto index = static_cast<PoolIndex>(index_end());
    Made made{.pool = std::make_unique<Allocator::ServedPool>(spec, index, allocator_, false),
              .reserved = {}};
    if (auto kept = reserve_bands(made); !kept) return kept;
    if (auto begun = made.pool->pool.begin_run(); !begun) return refused(spec, begun.error());
    known_.emplace(spec.name, index);
    if (!spec.parent.empty()) {
        const PoolIndex parent = index_of(spec.parent);
        INOD_ASSERT(parent != no_pool);
        if (auto set = allocator_.links_.set_parent(index, parent); !set) {
            return refused(spec, set.error());
        }
        made.pool->parent = parent;
    }
    made_.push_back(std::move(made));  // for which there is room
    return {};
}

Result<void, Failure> PoolAddition::check(const PoolSpec& spec) const {
    if (known_.contains(spec.name)) {
        return refused(spec, Errc::pool_changed,
                       "the state has it, kept but not served: to serve it again takes a restart");
    }
    if (index_end() >= std::numeric_limits<PoolIndex>::max()) {
        return refused(spec, Errc::config_invalid,
                       "a store has at most 65,535 pools, those that are no longer configured "
                       "included");
    }
    const std::size_t pools_max = allocator_.witness_ ? allocator_.witness_->pools_max()
                                                      : std::numeric_limits<PoolIndex>::max();
    if (index_end() >= pools_max) {
        return refused(spec, Errc::config_invalid,
                       "the witness has room for " + std::to_string(pools_max) +
                           " pools, and more take a restart");
    }
    return {};
}

Result<void, Failure> PoolAddition::reserve_bands(Made& made) const {
    Pool& pool = made.pool->pool;
    NoGuard nobody_else;
    for (const Range band : pool.spec().reserved) {
        if (auto done = pool.reserve(nobody_else, band); !done) {
            return refused(pool.spec(), done.error());
        }
        made.reserved.push_back(band);
    }
    return {};
}

// What they take in a snapshot. Whatever is short of space already is to have it first.
Result<void, Failure> PoolAddition::set_space_aside() {
    if (made_.empty()) return {};
    StateSize wanted = allocator_.state_size();
    for (const Made& made : made_) {
        const SavedSize size = allocator_.size_of(*made.pool);
        wanted.kept += size.kept;
        wanted.holes += size.holes;
    }
    const Errc lack = allocator_.journal_.has_space() ? Errc::ok : allocator_.journal_.lack();
    const auto set_aside =
        lack == Errc::ok ? allocator_.set_space_aside_for(wanted) : Result<>(lack);
    if (set_aside) return {};
    return Failure{set_aside.error().code,
                   "for new pools: " + std::string(explanation(set_aside.error().code))};
}

// The last first, as it came.
void PoolAddition::unmake() noexcept {
    while (made_.size() > recorded_) {
        allocator_.links_.forget_pool(made_.back().pool->index);
        made_.pop_back();
    }
}

// Each with all its records at once: a snapshot that comes along has a pool whole, or not at all.
bool PoolAddition::record() {
    while (recorded_ < made_.size()) {
        Made& next = made_[recorded_];
        const Journal& journal = allocator_.journal_;
        const bool has_room = !journal.sealed() && journal.has_space() &&
                              allocator_.has_room_for(1 + next.reserved.size());
        if (!has_room) return false;
        record(next);
        ++recorded_;
    }
    return true;
}

void PoolAddition::record(Made& made) {
    Allocator& to = allocator_;
    const Pool& pool = made.pool->pool;
    const PoolIndex index = made.pool->index;
    const PoolIndex parent = made.pool->parent;
    INOD_ASSERT(index == to.pools_.size());
    lsn_ = to.append(definition_of(index, pool.spec(), parent));
    for (const Range band : made.reserved)
        lsn_ = to.append(Reserved{.pool = index, .range = band});
    to.pools_.push_back(std::move(made.pool));
    to.events_.add_pool(lsn_);
    to.resize_grown(*to.pools_.back());
    // It is to know of the pool before anybody does.
    to.is_witness_due_ = true;
}

bool PoolAddition::is_durable() const noexcept {
    return lsn_ <= allocator_.journal_.durable_lsn();
}

void PoolAddition::serve() noexcept {
    INOD_ASSERT(recorded_ == made_.size() && is_durable());
    for (std::size_t index = first_; index < index_end(); ++index)
        allocator_.pools_[index]->configured = true;
}

PoolIndex PoolAddition::index_of(std::string_view name) const noexcept {
    const auto found = known_.find(name);
    if (found == known_.end()) return no_pool;
    const bool is_served = found->second >= first_ || allocator_.pool(found->second) != nullptr;
    return is_served ? found->second : no_pool;
}

}  // namespace inod
