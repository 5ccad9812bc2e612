// Promise: a released ID is not handed out before it has rested, unless the pool ends its rest; and
// that holds over restarts and reboots, of which the journal knows no rest's end. Method: lives of
// a quarantine beside a list of what each ID does, and beside a second list of what the journal
// says it does. Some IDs are reserved meanwhile, and at a start even where they rest. Memory refuses at random moments; what is no allocation must not notice.
#include <algorithm>
#include <memory>
#include <random>
#include <utility>
#include <variant>
#include <vector>

#include "lib/pool/quarantine.h"
#include "tests/tree/support.h"

namespace inod {
namespace {

constexpr std::uint64_t rest_ms = 60;
constexpr std::size_t window_size = 1'024;

enum class Does { nothing, live, rest, reserved };

struct Cell {
    Does does = Does::nothing;
    std::uint64_t until = 0;  // of one that rests
};
using Cells = std::vector<Cell>;

// What a journal has, since its snapshot.
struct Stored {
    Range range;
};
struct Rested {
    Range range;
    std::uint64_t until;
    std::uint64_t now;
};
struct Forgotten {
    Range range;
};
struct Kept {
    Range range;
};
struct Unkept {
    Range range;
};
struct Rebooted {
    std::uint64_t now;
};
using Logged = std::variant<Stored, Rested, Forgotten, Kept, Unkept, Rebooted>;

struct Snapshot {
    std::vector<Range> kept;
    std::vector<Range> live;
    std::vector<Range> resting;
    std::uint64_t until = 0;  // of all that rests
    std::uint64_t now = 0;
};

class Lives {
public:
    Lives(std::uint64_t seed, Id base) : random_(seed), base_(base) { begin_life(); }

    void step() {
        memory_.refuses = random_() % 3 == 0;
        switch (random_() % 18) {
            case 0:
            case 1:
            case 2:
            case 3: return lease();
            case 4:
            case 5:
            case 6:
            case 7: return release();
            case 8:
            case 9: return pass_time();
            case 10: return end_oldest();
            case 11: return random_() % 4 == 0 ? forget() : release();
            case 12: return quarantine_->trim();
            case 13: return random_() % 4 == 0 ? take_snapshot() : release();
            case 14: return random_() % 2 == 0 ? keep() : unkeep();
            case 15: return random_() % 20 == 0 ? restart() : lease();
            default: return random_() % 8 == 0 ? check() : release();
        }
    }

    void check() {
        ASSERT_EQ(quarantine_->verify(live_).value_or("sound"), "sound");
        ASSERT_EQ(seen(), does_of(cells_));
        std::optional<std::uint64_t> first;
        std::optional<std::uint64_t> last;
        for (const Cell& cell : cells_) {
            if (cell.does != Does::rest) continue;
            first = std::min(first.value_or(UINT64_MAX), cell.until);
            last = std::max(last.value_or(0), cell.until);
        }
        ASSERT_EQ(quarantine_->next_end(), first);
        ASSERT_EQ(quarantine_->last_end(), last);
    }

private:
    [[nodiscard]] Id id_of(std::size_t index) const { return base_ + index; }
    [[nodiscard]] Cell& at(Cells& cells, Id id) const { return cells[id - base_]; }
    void set(Cells& cells, Range range, const Cell& cell) const {
        std::fill_n(cells.begin() + static_cast<std::ptrdiff_t>(range.first - base_), range.count(),
                    cell);
    }
    void set(Range range, const Cell& cell) {
        set(cells_, range, cell);
        set(journal_, range, cell);
    }
    [[nodiscard]] static std::vector<Does> does_of(const Cells& cells) {
        std::vector<Does> all;
        for (const Cell& cell : cells)
            all.push_back(cell.does);
        return all;
    }

    // What the quarantine says of each ID.
    [[nodiscard]] std::vector<Does> seen() {
        std::vector<Does> all(window_size, Does::nothing);
        const auto mark = [&](Range range, Does does) {
            for (Id id = range.first;; ++id) {
                EXPECT_EQ(all[id - base_], Does::nothing);
                all[id - base_] = does;
                if (id == range.last) break;
            }
        };
        live_.for_each([&](const Entry& entry) { mark(entry.range, Does::live); });
        for (const Range range : resting())
            mark(range, Does::rest);
        for (const Range range : kept())
            mark(range, Does::reserved);
        return all;
    }
    [[nodiscard]] std::vector<Range> kept() const {
        const RangeTree& tree = std::as_const(*quarantine_).occupied();
        std::vector<Range> ranges;
        for (auto entry = tree.next_occupied(0); entry;
             entry = entry->range.last < id_max ? tree.next_occupied(entry->range.last + 1)
                                                : std::nullopt) {
            if (entry->value == reserved) ranges.push_back(entry->range);
        }
        return ranges;
    }
    [[nodiscard]] std::vector<Range> resting() {
        std::vector<Range> ranges;
        for (Id from = 0;;) {
            std::size_t visits = 1 + random_() % 4;
            const auto next = quarantine_->next_resting({from, id_max}, live_, visits);
            if (next.range) ranges.push_back(*next.range);
            if (next.looked_to == id_max) return ranges;
            from = next.looked_to + 1;
        }
    }

    // A pool's allocation; of most IDs, of one, and now and then of many.
    void lease() {
        const std::uint64_t count = 1 + random_() % (random_() % 6 == 0 ? 200 : 3);
        const GapRequest request{.count = count, .window = {base_, id_of(window_size - 1)}};
        const auto found =
            quarantine_->occupied().find_gap(request, id_of(random_() % window_size));
        if (!found) return;
        NoGuard nobody_else;
        if (!quarantine_->prepare(nobody_else, *found)) {
            ASSERT_TRUE(memory_.refuses);
            return;
        }
        for (Id id = found->first; id - found->first < count; ++id)
            ASSERT_EQ(at(cells_, id).does, Does::nothing) << id << " was handed out too early";
        hold(*found);
        log_.emplace_back(Stored{*found});
        set(*found, {Does::live});
    }
    void hold(Range range) {
        quarantine_->store(range);
        store_merged(live_, range, 1 + random_() % 2);
    }

    // Some live IDs in a row.
    [[nodiscard]] std::optional<Range> some_live() {
        const auto entry = live_.next(id_of(random_() % window_size));
        if (!entry) return std::nullopt;
        const Id first = entry->range.first + random_() % entry->range.count();
        const std::uint64_t most = random_() % 4 == 0 ? 100 : 2;
        return Range{first, first + std::min(entry->range.last - first, random_() % most)};
    }
    void release() {
        const auto range = some_live();
        if (!range) return;
        const bool clock_is_odd = now_ > 20 && random_() % 16 == 0;
        const std::uint64_t until =
            quarantine_->end_of_rest(clock_is_odd ? now_ - random_() % 20 : now_);
        live_.erase(*range);
        quarantine_->rest(*range, until);
        std::uint64_t latest = until;
        for (const Cell& cell : cells_)
            if (cell.does == Does::rest) latest = std::max(latest, cell.until);
        log_.emplace_back(Rested{*range, latest, now_});
        told_ = now_;
        set(*range, {Does::rest, latest});
    }
    void forget() {
        const auto range = some_live();
        if (!range) return;
        live_.erase(*range);
        quarantine_->forget(*range);
        log_.emplace_back(Forgotten{*range});
        set(*range, {});
    }

    // Of what is neither live nor rests, or in recovery of what is not live, a few IDs are reserved.
    void keep() {
        const auto gap = quarantine_->occupied().next_gap(id_of(random_() % window_size));
        if (!gap || gap->first < base_ || gap->first > id_of(window_size - 1)) return;
        const Id last = std::min(gap->last, id_of(window_size - 1));
        const Range range{gap->first, gap->first + std::min(last - gap->first, random_() % 20)};
        if (!make_kept(range)) {
            ASSERT_TRUE(memory_.refuses);
            return;
        }
        log_.emplace_back(Kept{range});
        set(range, {Does::reserved});
    }
    [[nodiscard]] Result<> make_kept(Range range) {
        NoGuard nobody_else;
        RangeTree& tree = quarantine_->occupied();
        if (auto nodes = tree.preallocate(nobody_else, range, reserved); !nodes) return nodes;
        quarantine_->take_back(range);
        tree.store_merged(range, reserved);
        return {};
    }
    void unkeep() {
        const std::vector<Range> all = kept();
        if (all.empty()) return;
        const Range whole = all[random_() % all.size()];
        const Id first = whole.first + random_() % whole.count();
        const Range range{first, first + random_() % (whole.last - first + 1)};
        if (!make_unkept(range)) {
            ASSERT_TRUE(memory_.refuses);
            return;
        }
        log_.emplace_back(Unkept{range});
        set(range, {});
    }
    [[nodiscard]] Result<> make_unkept(Range range) {
        NoGuard nobody_else;
        RangeTree& tree = quarantine_->occupied();
        if (auto nodes = tree.preallocate(nobody_else, range, reserved); !nodes) return nodes;
        tree.erase(range);
        return {};
    }

    void pass_time() {
        now_ += random_() % 12;
        const std::size_t max = random_() % 2 == 0 ? 1 + random_() % 4 : window_size;
        const bool more = quarantine_->end_rests(now_, max);
        if (max < window_size) {
            take_over_ends(now_);
        } else {
            ASSERT_FALSE(more);
            end(cells_, now_);
        }
        const bool is_due = std::any_of(cells_.begin(), cells_.end(), [&](const Cell& cell) {
            return cell.does == Does::rest && cell.until <= now_;
        });
        ASSERT_EQ(more, is_due);
    }
    static void end(Cells& cells, std::uint64_t now) {
        for (Cell& cell : cells)
            if (cell.does == Does::rest && cell.until <= now) cell = {};
    }
    // Which rests were ended is the quarantine's to say: those that nothing older outlasts, none
    // later than `latest`.
    void take_over_ends(std::uint64_t latest) {
        const std::vector<Does> now_seen = seen();
        std::uint64_t newest_ended = 0;
        std::uint64_t oldest_left = UINT64_MAX;
        for (std::size_t i = 0; i < window_size; ++i) {
            if (cells_[i].does != Does::rest) continue;
            if (now_seen[i] == Does::rest) {
                oldest_left = std::min(oldest_left, cells_[i].until);
            } else {
                newest_ended = std::max(newest_ended, cells_[i].until);
                cells_[i] = {};
            }
        }
        ASSERT_LE(newest_ended, oldest_left);
        ASSERT_LE(newest_ended, latest);
    }
    void end_oldest() {
        const std::uint64_t resting_before = quarantine_->resting_count();
        ASSERT_EQ(quarantine_->end_oldest(), resting_before > 0);
        if (resting_before > 0) {
            ASSERT_LT(quarantine_->resting_count(), resting_before);
        }
        take_over_ends(UINT64_MAX);
    }

    void take_snapshot() {
        snapshot_ = {};
        snapshot_.now = now_;
        snapshot_.kept = kept();
        live_.for_each([&](const Entry& entry) { snapshot_.live.push_back(entry.range); });
        snapshot_.resting = resting();
        snapshot_.until = quarantine_->last_end().value_or(0);
        log_.clear();
        told_ = now_;
        journal_ = cells_;
        for (Cell& cell : journal_)
            if (cell.does == Does::rest) cell.until = snapshot_.until;
    }

    // The daemon, and at times the machine.
    void restart() {
        check();
        memory_.refuses = false;
        const bool reboots = random_() % 2 == 0;
        if (reboots) {
            end(journal_, told_);
            now_ = random_() % 50;
            for (Cell& cell : journal_)
                if (cell.does == Does::rest) cell.until = now_ + rest_ms;
            log_.emplace_back(Rebooted{now_});
            told_ = now_;
        }
        begin_life();
        end(journal_, now_);
        cells_ = journal_;
        check();
    }
    void begin_life() {
        live_.clear();
        quarantine_ = std::make_unique<Quarantine>(rest_ms, budget_, memory_);
        restore();
        for (const Logged& logged : log_)
            std::visit([this](const auto& what) { replay(what); }, logged);
        ASSERT_EQ(quarantine_->verify(live_).value_or("sound"), "sound");
        if (random_() % 2 == 0) keep();
        ASSERT_EQ(quarantine_->verify(live_).value_or("sound"), "sound");
        ASSERT_TRUE(quarantine_->begin_run(now_));
        ASSERT_EQ(quarantine_->verify(live_).value_or("sound"), "sound");
    }
    void restore() {
        for (const Range range : snapshot_.kept)
            replay(Kept{range});
        for (const Range range : snapshot_.live)
            replay(Stored{range});
        std::vector<Range> resting = snapshot_.resting;
        std::shuffle(resting.begin(), resting.end(), random_);
        for (const Range range : resting)
            ASSERT_TRUE(quarantine_->restore_resting(range, snapshot_.until));
        quarantine_->replay_time(snapshot_.now);
    }
    void replay(const Stored& stored) {
        NoGuard nobody_else;
        ASSERT_TRUE(quarantine_->prepare(nobody_else, stored.range));
        hold(stored.range);
    }
    void replay(const Rested& rested) {
        live_.erase(rested.range);
        quarantine_->replay_time(rested.now);
        ASSERT_TRUE(quarantine_->replay_rest(rested.range, rested.until));
    }
    void replay(const Forgotten& forgotten) {
        live_.erase(forgotten.range);
        quarantine_->forget(forgotten.range);
    }
    void replay(const Kept& kept_then) { ASSERT_TRUE(make_kept(kept_then.range)); }
    void replay(const Unkept& unkept) { ASSERT_TRUE(make_unkept(unkept.range)); }
    void replay(const Rebooted& rebooted) { ASSERT_TRUE(quarantine_->restart_rests(rebooted.now)); }

    std::mt19937_64 random_;
    const Id base_;
    MemoryBudget budget_{budget_of_tests};
    RefusingMemory memory_;
    MemoryBudget live_budget_{budget_of_tests};
    RangeTree live_{live_budget_};
    std::unique_ptr<Quarantine> quarantine_;
    Cells cells_ = Cells(window_size);  // what is
    Cells journal_ =
        Cells(window_size);  // what a start would find, but for the time that has passed
    Snapshot snapshot_;
    std::vector<Logged> log_;
    std::uint64_t now_ = 0;
    std::uint64_t told_ = 0;  // the time that the journal knows
};

TEST(QuarantineModel, KeepsEveryRestOverRestartsAndReboots) {
    constexpr std::uint64_t seeds = 20;
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Lives lives(seed, seed % 3 == 0 ? id_max - (window_size - 1) : seed % 3 * 1'000'000);
        for (int step = 0; step < 10'000; ++step) {
            lives.step();
            ASSERT_FALSE(testing::Test::HasFatalFailure()) << "step " << step;
        }
        lives.check();
    }
}

}  // namespace
}  // namespace inod
