// Promise: whatever the order of calls, the tree does what a sorted list does, keeps its invariants,
// and its reserve suffices for every release.
// Method: an input is a program of calls, run on the tree and on the Model; every answer is compared
// at once, everything that is stored and verify() every few calls and at the end. A broken promise
// ends the process. INOD_FUZZ_TRACE=1 prints each call.
//
//   byte 0    bits 0 and 1: words a node, 16, 24, 256, 16; bits 2 and 3: the budget
//   then      calls: a byte that says which, and as many as that call takes; 0 where the input ends
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/assert.h"
#include "lib/tree/range_tree.h"
#include "tests/fuzz/input.h"
#include "tests/tree/model.h"

namespace inod {
namespace {

// Memory that refuses on demand.
class FickleMemory final : public NodeMemory {
public:
    void* take(std::size_t size) noexcept override {
        return refuses ? nullptr : NodeMemory::system().take(size);
    }
    void give(void* memory, std::size_t size) noexcept override {
        NodeMemory::system().give(memory, size);
    }

    bool refuses = false;
};

std::string text_of(const Range& range) {
    return std::to_string(range.first) + '-' + std::to_string(range.last);
}
std::string text_of(const GapRequest& request) {
    return "{count " + std::to_string(request.count) + ", align " + std::to_string(request.align) +
           ", window " + text_of(request.window) + '}';
}

template <unsigned words>
class Program {
    using Tree = BasicRangeTree<words>;
    static constexpr std::uint64_t cell_size = Leaf<words>::cell_size;
    static constexpr std::size_t entries_max = 1'500;  // a program makes no more on purpose
    static constexpr unsigned calls_per_check = 16;

    // A guard beside which another writer may come in while it is dropped.
    struct Guard {
        Program& program;

        void lock() {}
        void unlock() {
            if (auto visit = std::exchange(program.visit_, std::nullopt)) {
                program.store(visit->range, visit->value, false);
            }
        }
    };

public:
    Program(Input input, std::uint64_t budget) : input_(input), budget_(budget) {}

    void run() {
        for (unsigned calls = 1; !input_.empty(); ++calls) {
            step();
            pays();
            if (calls % calls_per_check == 0) check();
        }
        check();
        // And everything can go without memory.
        memory_.refuses = true;
        trace("the end: erase all without memory");
        for (const Entry& entry : model_.entries())
            release(entry.range);
        check();
        release(whole_space);
        INOD_ASSERT(tree_.entry_count() == 0 && tree_.id_count() == 0 && tree_.node_count() == 0);
        check();
    }

private:
    // What the bytes mean.

    Id id() {
        const std::uint8_t base = input_.byte();
        const Id offset = (Id{input_.byte()} ^ 128U) - 128;  // -128 to 127
        const Id n = base % 32U;
        switch (base / 32U) {
            case 0: return 64 * n + offset;
            case 1: return cell_size * n + offset;
            case 2: return cell_size * n + 64 * (n % 4) + offset;
            case 3: return id_max - 64 * n + offset;
            case 4: return id_max - cell_size * n + offset;
            case 5: return id_max / cell_size * cell_size + offset;  // the last cell is cut
            case 6: return (Id{1} << (32 + n)) + offset;
            default: return 8 * n + offset;
        }
    }
    std::uint64_t span() {
        const std::uint8_t byte = input_.byte();
        const std::uint64_t n = byte % 64U;
        switch (byte / 64U) {
            case 0: return n % 8 < 4 ? 0 : n / 4;
            case 1: return n;
            case 2: return cell_size * (n % 8) + n / 8 + 61 * (n / 16);
            default: return n < 32 ? 64 * n + 63 : (std::uint64_t{1} << n) - 1;
        }
    }
    Range range() {
        const Id first = id();
        const std::uint64_t more = span();
        return {first, more > id_max - first ? id_max : first + more};
    }
    Value value() {
        const std::uint8_t byte = input_.byte();
        if (byte % 8 == 7) return reserved;
        return byte < 128 ? 1 + byte % 3U : byte;
    }
    GapRequest request() {
        const std::uint8_t kind = input_.byte();
        GapRequest request{.count = span() + 1};
        if (request.count == 0) request.count = 1;
        if (kind % 2 == 1) request.align = 1 + (kind / 4U) % 32U;
        if (kind % 4 == 3) request.align = std::uint64_t{1} << (kind / 4U % 33U);
        if (kind >= 128) request.window = range();
        return request;
    }

    // Calls.

    void step() {
        switch (input_.byte() % 16) {
            case 0:
            case 1: {
                const Range r = range();
                store(r, value(), false);
                break;
            }
            case 2:
            case 3: {
                const Range r = range();
                store(r, value(), true);
                break;
            }
            case 4:
            case 5: erase(range()); break;
            case 6: insert(); break;
            case 7:
            case 8:
            case 9: allocate(input_.byte() % 3); break;
            case 10: erase_at(id()); break;
            case 11: look_up(id()); break;
            case 12: find_gaps(); break;
            case 13: store_many(); break;
            case 14: erase_many(); break;
            default: rare(input_.byte()); break;
        }
    }
    void store(Range range, Value value, bool merged) {
        trace(merged ? "store_merged " : "store ", text_of(range), " value ", value);
        Guard guard{*this};
        if (!tree_.preallocate(guard, range)) {
            trace("  out of memory");
            return;
        }
        store_in_both(tree_, model_, range, value, merged);
    }
    // A part of a reserved entry is prepared; all else is paid for.
    void erase(Range range) {
        trace("erase ", text_of(range));
        if (!holds_reserved(range)) {
            release(range);
            return;
        }
        Guard guard{*this};
        if (!tree_.preallocate(guard, range)) {
            trace("  out of memory");
            return;
        }
        tree_.erase(range);
        model_.erase(range);
    }
    void release(Range range) {
        const std::uint64_t before = owed();
        tree_.erase(range);
        model_.erase(range);
        INOD_ASSERT(owed() <= before);
        pays();
    }
    void erase_at(Id id) {
        trace("erase_at ", id);
        const std::uint64_t before = owed();
        INOD_ASSERT(tree_.erase_at(id) == model_.erase_at(id));
        INOD_ASSERT(owed() <= before);
    }
    void insert() {
        const Range r = range();
        const Value v = value();
        trace("insert ", text_of(r), " value ", v);
        Guard guard{*this};
        const Result<> got = tree_.insert(guard, r, v);
        // By now the other writer was there, if he came at all.
        const auto taken = model_.next_occupied(r.first);
        if (!got && got.error().code == Errc::out_of_memory) return;
        if (taken && taken->range.first <= r.last) {
            const Id first = std::max(taken->range.first, r.first);
            INOD_ASSERT(!got && (got.error() == Error{Errc::id_taken, first}));
        } else {
            INOD_ASSERT(got.has_value());
            model_.store(r, v);
        }
    }
    void allocate(unsigned how) {
        const GapRequest asked = request();
        const Id from = how == 2 ? id() : 0;
        const Value v = value();
        trace("allocate ", how, ' ', text_of(asked), " from ", from, " value ", v);
        Guard guard{*this};
        Id cursor = from;
        const Result<Range> got = how == 0   ? tree_.allocate_lowest(guard, asked, v)
                                  : how == 1 ? tree_.allocate_highest(guard, asked, v)
                                             : tree_.allocate_cyclic(guard, asked, cursor, v);
        if (!got && got.error().code == Errc::out_of_memory) {
            INOD_ASSERT(cursor == from);
            return;
        }
        if (const auto sound = asked.check(); !sound) {
            INOD_ASSERT(!got && got.error() == sound.error());
            return;
        }
        if (how == 2 && !asked.window.contains(from)) {
            INOD_ASSERT(!got && (got.error() == Error{Errc::cursor_outside, from}));
            return;
        }
        auto want = how == 1 ? model_.find_gap_down(asked, id_max) : model_.find_gap(asked, from);
        if (how == 2 && !want) want = model_.find_gap(asked, 0);
        INOD_ASSERT(want.has_value() == got.has_value());
        if (!want) {
            INOD_ASSERT(got.error().code == Errc::pool_exhausted && cursor == from);
            return;
        }
        INOD_ASSERT(*got == *want);
        if (how == 2) {
            const bool at_end = want->last == asked.window.last;
            INOD_ASSERT(cursor == (at_end ? asked.window.first : want->last + 1));
        }
        model_.store(*want, v);
    }
    void look_up(Id id) {
        trace("look up ", id);
        INOD_ASSERT(tree_.find_occupied(id) == model_.find_occupied(id));
        INOD_ASSERT(tree_.next_occupied(id) == model_.next_occupied(id));
        INOD_ASSERT(tree_.previous_occupied(id) == model_.previous_occupied(id));
        const auto find = model_.find(id);
        INOD_ASSERT(tree_.load(id) == (find ? find->value : 0));
        INOD_ASSERT(tree_.find(id) == find);
        INOD_ASSERT(tree_.next(id) == model_.next(id));
        INOD_ASSERT(tree_.previous(id) == model_.previous(id));
        INOD_ASSERT(tree_.next_gap(id) == model_.next_gap(id));
        INOD_ASSERT(tree_.previous_gap(id) == model_.previous_gap(id));
        auto cursor = tree_.begin_at(id);
        auto want = model_.next(id);
        for (unsigned steps = 0; steps < 20; ++steps, ++cursor) {
            INOD_ASSERT(static_cast<bool>(cursor) == want.has_value());
            if (!want) break;
            INOD_ASSERT(*cursor == *want);
            want = want->range.last == id_max ? std::nullopt : model_.next(want->range.last + 1);
        }
    }
    void find_gaps() {
        const GapRequest asked = request();
        const Id from = id();
        trace("find_gap ", text_of(asked), " from ", from);
        if (!asked.check()) return;
        INOD_ASSERT(tree_.find_gap(asked, from) == model_.find_gap(asked, from));
        INOD_ASSERT(tree_.find_gap_down(asked, from) == model_.find_gap_down(asked, from));
        INOD_ASSERT(tree_.find_gap(asked) == model_.find_gap(asked, 0));
        INOD_ASSERT(tree_.find_gap_down(asked) == model_.find_gap_down(asked, id_max));
    }
    // As many small stores in a row as fill leaves.
    void store_many() {
        Id first = id();
        const unsigned count = input_.byte();
        const std::uint8_t shape = input_.byte();
        const Value v = value();
        const Id width = 1 + shape / 4 % 8U;
        const Id step = shape >= 192 ? 70 : width + shape / 32 % 4U;
        for (unsigned i = 0; i < count && model_.size() < entries_max; ++i, first += step) {
            const bool own_value = shape % 4 == 0 && v != reserved;
            const Range r{first, first > id_max - (width - 1) ? id_max : first + (width - 1)};
            store(r, own_value ? 1'000 + i : v, shape % 4 == 1);
        }
    }
    void erase_many() {
        Id first = id();
        const unsigned count = input_.byte();
        const std::uint8_t shape = input_.byte();
        const Id width = 1 + shape % 4U;
        const Id step = shape >= 192 ? cell_size / 2 + 1 : width + shape / 4 % 16U;
        for (unsigned i = 0; i < count; ++i, first += step) {
            erase({first, first > id_max - (width - 1) ? id_max : first + (width - 1)});
        }
    }
    void rare(std::uint8_t kind) {
        if (kind % 8 < 3) {
            const Range r = range();
            visit_ = Entry{r, value()};
            trace("the next to drop the guard lets in a store of ", text_of(r));
        } else if (kind % 8 == 3) {
            memory_.refuses = !memory_.refuses;
            trace("memory refuses: ", memory_.refuses);
        } else if (kind % 8 == 4) {
            trace("trim");
            tree_.trim();
        } else if (kind % 8 == 5 && kind >= 128) {
            trace("clear");
            tree_.clear();
            model_.clear();
        } else {
            trace("all are compared");
            check();
        }
    }

    // What holds.

    // What is in use and what may be needed together never rise over a release.
    std::uint64_t owed() const { return tree_.node_count() + tree_.worst_case_nodes(); }
    void pays() {
        INOD_ASSERT(tree_.reserve_size() >= tree_.worst_case_nodes());
        INOD_ASSERT(budget_.used() == tree_.bytes());
    }
    void check() {
        if (const auto wrong = tree_.verify()) {
            std::cerr << *wrong << '\n';
            tree_.dump(std::cerr);
            INOD_UNREACHABLE("verify() found something");
        }
        std::vector<Entry> got;
        tree_.for_each([&](const Entry& entry) { got.push_back(entry); });
        INOD_ASSERT(got == model_.entries());
        INOD_ASSERT(tree_.entry_count() == model_.size());
        INOD_ASSERT(tree_.id_count() == model_.id_count());
    }
    bool holds_reserved(Range range) const {
        for (auto entry = model_.next_occupied(range.first);
             entry && entry->range.first <= range.last;) {
            if (entry->value == reserved) return true;
            if (entry->range.last == id_max) break;
            entry = model_.next_occupied(entry->range.last + 1);
        }
        return false;
    }
    template <class... Parts>
    void trace(const Parts&... parts) const {
        static const bool wanted = std::getenv("INOD_FUZZ_TRACE") != nullptr;  // NOLINT
        if (wanted) (std::cerr << ... << parts) << std::endl;
    }

    Input input_;
    MemoryBudget budget_;
    FickleMemory memory_;
    Tree tree_{budget_, memory_};
    Model model_;
    std::optional<Entry> visit_;  // what another writer stores
};

}  // namespace
}  // namespace inod

// The name is libFuzzer's. NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    inod::Input input({data, size});
    const std::uint8_t first = input.byte();
    const std::uint64_t budgets[] = {1U << 19U, 1U << 17U, 1U << 15U, 1U << 21U};  // bytes
    const std::uint64_t budget = budgets[first / 4 % 4U];
    switch (first % 4) {
        case 1: inod::Program<24>(input, budget).run(); break;
        case 2: inod::Program<256>(input, budget).run(); break;
        default: inod::Program<16>(input, budget).run(); break;
    }
    return 0;
}
