// Promise: no short sequence of changes leads the tree astray.
// Method: every sequence of a few changes over a few ranges, from an empty tree and from one of
// several leaves; verify() and a comparison with the model after each. The ranges begin and end at the
// edges of a leaf's groups of 64 IDs and reach over what a leaf has bits for, so that they split
// leaves, make wide entries and put holes into them.
#include <sstream>

#include "tests/tree/model.h"
#include "tests/tree/support.h"

namespace inod {
namespace {

using Tree = BasicRangeTree<16>;

struct Change {
    enum Kind { store, merge, erase } kind;
    Range range;
    Value value = 0;
};

void prefill(Tree& tree, Model& model) {
    const auto put = [&](Range range, Value value) {
        store(tree, range, value);
        model.store(range, value);
    };
    for (Id id = 2; id < 64; id += 5)
        put({id, id}, id);
    put({70, 500}, 1);
    for (Id id = 510; id < 780; id += 90)
        put({id, id + 1}, 2);
    put({801, 1'599}, 1);
    put({1'700, 2'900}, 1);
    for (Id id = 3'000; id < 3'300; id += 13)
        put({id, id}, id);
}

class Sequences {
public:
    Sequences(const std::vector<Change>& changes, unsigned length, bool is_prefilled)
        : changes_(changes), length_(length), is_prefilled_(is_prefilled) {
        Model model;
        begin(model);
        if (is_prefilled) {
            EXPECT_GE(own_.tree.height(), 3U);
        }
        extend(model);
    }
    [[nodiscard]] std::uint64_t count() const { return count_; }

private:
    void begin(Model& model) {
        own_.tree.clear();
        if (is_prefilled_) prefill(own_.tree, model);
    }
    void change_tree(const Change& change) {
        switch (change.kind) {
            case Change::store: store(own_.tree, change.range, change.value); break;
            case Change::merge: store_merged(own_.tree, change.range, change.value); break;
            case Change::erase: own_.tree.erase(change.range); break;
        }
    }
    static void change_model(Model& model, const Change& change) {
        switch (change.kind) {
            case Change::store: model.store(change.range, change.value); break;
            case Change::merge: model.store_merged(change.range, change.value); break;
            case Change::erase: model.erase(change.range); break;
        }
    }
    [[nodiscard]] std::string drawn() const {
        static const char* const names[] = {"store", "store_merged", "erase"};
        std::ostringstream out;
        for (const Change* change : sequence_)
            out << names[change->kind] << ' ' << Entry{change->range, change->value} << "; ";
        return out.str();
    }

    // The model is copied and the tree, which is not for copying, is made anew from the start.
    void extend(const Model& model) {
        for (const Change& change : changes_) {
            sequence_.push_back(&change);
            Model changed = model;
            change_model(changed, change);
            if (sequence_.size() == length_) {
                ++count_;
                check(changed);
            } else {
                extend(changed);
            }
            sequence_.pop_back();
            if (::testing::Test::HasFailure()) return;
        }
    }
    void check(const Model& model) {
        Model unused;
        begin(unused);
        for (const Change* change : sequence_)
            change_tree(*change);
        INOD_ASSERT_SOUND(own_.tree) << drawn();
        ASSERT_EQ(entries_of(own_.tree), model.entries()) << drawn();
        ASSERT_EQ(own_.tree.entry_count(), model.size()) << drawn();
        ASSERT_EQ(own_.tree.id_count(), model.id_count()) << drawn();
    }

    const std::vector<Change>& changes_;
    const unsigned length_;
    const bool is_prefilled_;
    OwnTree<16> own_;
    std::vector<const Change*> sequence_;
    std::uint64_t count_ = 0;
};

const std::vector<Change> few_changes{
    {Change::store, {63, 64}, 1},    {Change::merge, {0, 799}, 1}, {Change::merge, {800, 1'600}, 1},
    {Change::store, {800, 800}, 2},  {Change::erase, {64, 64}},    {Change::erase, {800, 800}},
    {Change::erase, {63, 1'600}},    {Change::erase, {0, 63}},     {Change::merge, {64, 64}, 1},
    {Change::store, {64, 1'600}, 1},
};

const std::vector<Change> more_changes = [] {
    std::vector<Change> changes = few_changes;
    const std::vector<Change> others{
        {Change::store, {0, 0}, 2},       {Change::merge, {1, 1}, 2},
        {Change::store, {0, 1'600}, 1},   {Change::merge, {1, 63}, 1},
        {Change::merge, {801, 1'599}, 2}, {Change::merge, {800, 800}, 1},
        {Change::store, {64, 799}, 2},    {Change::merge, {1'600, 2'000}, 1},
        {Change::erase, {1, 1}},          {Change::erase, {0, 0}},
        {Change::erase, {1'600, 1'600}},  {Change::erase, {65, 1'599}},
        {Change::erase, {799, 801}},      {Change::erase, {1'600, 3'100}},
    };
    changes.insert(changes.end(), others.begin(), others.end());
    return changes;
}();

std::uint64_t power(std::uint64_t base, unsigned exponent) {
    std::uint64_t result = 1;
    for (; exponent > 0; --exponent)
        result *= base;
    return result;
}

void exhaust(const std::vector<Change>& changes, unsigned length) {
    for (const bool is_prefilled : {false, true}) {
        SCOPED_TRACE(is_prefilled ? "from a tree of several leaves" : "from an empty tree");
        const Sequences sequences(changes, length, is_prefilled);
        if (::testing::Test::HasFailure()) return;
        EXPECT_EQ(sequences.count(), power(changes.size(), length));
    }
}

TEST(Exhaustive, FewChangesInLongSequences) {
    exhaust(few_changes, is_long_test() ? 6 : 5);
}
TEST(Exhaustive, MoreChangesInShortSequences) {
    exhaust(more_changes, is_long_test() ? 4 : 3);
}

}  // namespace
}  // namespace inod
