// The table of holders by itself, beside a map: who is found, who is due next, and what it takes.
#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "lib/allocator/holders.h"

namespace inod {
namespace {

// Any holder that a small number stands for; the same number makes the same one.
struct Made {
    explicit Made(std::uint64_t number)
        : name(number % 3 == 0 ? "" : "name " + std::to_string(number % 50)) {
        holder.binding = static_cast<Binding>(1 + number % 4);
        holder.uid = static_cast<std::uint32_t>(number / 4 % 5);
        switch (holder.binding) {
            case Binding::persistent: holder.name = name; break;
            case Binding::connection: holder.key = {{number + 1, 1}}; break;
            case Binding::process:
                holder.process = {.pid = static_cast<std::uint32_t>(number),
                                  .inode = number % 100,
                                  .start_time = number % 100,
                                  .pid_namespace = 7};
                break;
            case Binding::ttl:
                holder.key = {{number + 1, 1}};
                holder.name = name;
                holder.ttl_ms = 5;
                break;
        }
    }
    Made(const Made&) = delete;
    Made& operator=(const Made&) = delete;

    [[nodiscard]] bool has_identity() const {
        return holder.binding != Binding::connection &&
               (holder.binding != Binding::ttl || !holder.name.empty());
    }
    [[nodiscard]] bool is_same(const Made& other) const {
        return has_identity() && other.holder.binding == holder.binding &&
               other.holder.uid == holder.uid && other.holder.name == holder.name &&
               other.holder.process == holder.process;
    }

    std::string name;
    Holder holder;
};

struct Known {
    std::uint64_t number;
    HolderId id;
    std::optional<BootTime> deadline;
};

using Model = std::map<HolderIndex, Known>;

void expect_same(const Holders& holders, const Model& model) {
    ASSERT_EQ(holders.size(), model.size());
    std::map<std::uint32_t, std::uint32_t> counts;
    std::optional<std::pair<BootTime, HolderIndex>> next;
    for (const auto& [index, known] : model) {
        const Made made(known.number);
        const Holder found = holders[index];
        ASSERT_EQ(found.id, known.id);
        ASSERT_EQ(found.binding, made.holder.binding);
        ASSERT_EQ(found.uid, made.holder.uid);
        ASSERT_EQ(found.name, made.holder.name);
        ASSERT_EQ(found.process, made.holder.process);
        ASSERT_EQ(found.ttl_ms, made.holder.ttl_ms);
        ASSERT_EQ(found.key.words[0], made.holder.key.words[0]);
        if (!found.key.is_none()) {
            ASSERT_EQ(holders.find(found.key), index);
        }
        ASSERT_EQ(holders.deadline(index), known.deadline);
        ++counts[found.uid];
        if (!known.deadline) continue;
        const std::pair due(*known.deadline, index);
        if (!next || due < *next) next = due;
    }
    for (std::uint32_t uid = 0; uid < 5; ++uid)
        ASSERT_EQ(holders.count_of(uid), counts[uid]);
    ASSERT_EQ(holders.next_deadline(), next ? std::optional(next->first) : std::nullopt);
    if (next) {
        ASSERT_EQ(holders.find_overdue(next->first), next->second);
        if (next->first > 0) {
            ASSERT_EQ(holders.find_overdue(next->first - 1), std::nullopt);
        }
    }
}

// The table and the model, step by step.
class Both {
public:
    Both(MemoryBudget& budget, std::uint64_t seed) : random_(seed), holders_(budget) {}

    void add() {
        const std::uint64_t number = random_() % 1'000;
        const Made made(number);
        const bool is_known = std::any_of(model_.begin(), model_.end(), [&](const auto& it) {
            return made.is_same(Made(it.second.number));
        });
        ASSERT_EQ(holders_.find(made.holder).has_value(), is_known);
        if (is_known) return;
        const auto added = holders_.add(made.holder);
        ASSERT_TRUE(added);
        model_[*added] = {.number = number, .id = holders_.id(*added), .deadline = {}};
        if (made.holder.binding == Binding::ttl) {
            ASSERT_TRUE(holders_.prepare_deadline(*added));
            set_deadline(*model_.find(*added));
        }
    }
    void remove() {
        if (model_.empty()) return;
        const auto gone = any();
        if (random_() % 2 == 0) {
            holders_.queue_end(gone->first);
            ASSERT_EQ(holders_.take_ending(), gone->first);
        }
        holders_.remove(gone->first);
        model_.erase(gone);
    }
    // It goes, and comes back where it was, as a recovery has it.
    void restore() {
        if (model_.empty()) return;
        const auto one = any();
        const Made made(one->second.number);
        Holder holder = holders_[one->first];
        holder.name = made.holder.name;
        holder.deadline = 0;
        holders_.remove(one->first);
        const auto restored = holders_.restore(one->first, holder);
        ASSERT_TRUE(restored && *restored);
        one->second.deadline.reset();
        if (holder.binding != Binding::ttl) return;
        ASSERT_TRUE(holders_.prepare_deadline(one->first));
        set_deadline(*one);
    }
    void change_deadline() {
        if (model_.empty()) return;
        const auto one = any();
        if (Made(one->second.number).holder.binding == Binding::process) return;
        ASSERT_TRUE(holders_.prepare_deadline(one->first));
        if (random_() % 4 == 0) {
            holders_.clear_deadline(one->first);
            one->second.deadline.reset();
        } else {
            set_deadline(*one);
        }
    }
    void compare() { expect_same(holders_, model_); }

private:
    void set_deadline(Model::value_type& one) {
        one.second.deadline = random_() % 50;
        holders_.set_deadline(one.first, *one.second.deadline);
    }
    Model::iterator any() {
        return std::next(model_.begin(), static_cast<std::ptrdiff_t>(random_() % model_.size()));
    }

    std::mt19937_64 random_;
    Holders holders_;
    Model model_;
};

TEST(HoldersTable, AgainstAModel) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        MemoryBudget budget(std::uint64_t{1} << 30U);
        {
            Both both(budget, seed);
            for (int step = 0; step < 3'000; ++step) {
                const bool shrinks = step / 1'000 == 1;
                const std::uint64_t dice = random() % 10;
                if (dice < (shrinks ? 6U : 1U)) {
                    ASSERT_NO_FATAL_FAILURE(both.remove());
                } else if (dice < 7) {
                    ASSERT_NO_FATAL_FAILURE(both.add());
                } else if (dice == 7) {
                    ASSERT_NO_FATAL_FAILURE(both.restore());
                } else {
                    ASSERT_NO_FATAL_FAILURE(both.change_deadline());
                }
                if (step % 50 == 0) {
                    ASSERT_NO_FATAL_FAILURE(both.compare());
                }
            }
        }
        EXPECT_EQ(budget.used(), 0U) << "all is given back";
    }
}

// Names that somebody chose so that all lie in one chain of 256, with that of another user, do so for one
// secret alone. A daemon's is made at its start.
TEST(HoldersTable, WhoDoesNotKnowTheSecretCannotFillAChain) {
    constexpr std::size_t wanted = 256;
    constexpr std::uint64_t chain_mask = 0xFF;
    MemoryBudget budget(std::uint64_t{1} << 20U);
    const Holders known(budget, {1, 2});
    const Holders secret(budget, {3, 4});
    const Holder other{.binding = Binding::persistent, .uid = 1};
    const auto chain_in = [](const Holders& table, const Holder& holder) {
        return table.hash_of(holder) & chain_mask;
    };
    std::map<std::uint64_t, std::size_t> counts;
    std::size_t chosen = 0;
    for (std::size_t i = 0; chosen < wanted; ++i) {
        // As long as a name can be, and different at its end.
        std::string name = std::to_string(i);
        name.insert(0, holder_name_size_max - name.size(), 'x');
        const Holder holder{.binding = Binding::persistent, .uid = 2, .name = name};
        if (chain_in(known, holder) != chain_in(known, other)) continue;
        ++chosen;
        ++counts[chain_in(secret, holder)];
    }
    for (const auto& [chain, count] : counts)
        EXPECT_LE(count, 8U);
}

// One that is refused for want of memory leaves nothing behind but room.
TEST(HoldersTable, IsAsBeforeWhereThereIsNoMemory) {
    for (std::uint64_t memory_max = 0; memory_max < 30'000; memory_max += 500) {
        MemoryBudget budget(memory_max);
        Holders holders(budget);
        std::size_t count = 0;
        for (std::uint64_t number = 0; number < 300; ++number) {
            const Made made(number);
            if (holders.find(made.holder)) continue;
            const auto added = holders.add(made.holder);
            if (added) ++count;
            ASSERT_EQ(holders.size(), count);
            if (!added) {
                ASSERT_EQ(added.error().code, Errc::out_of_memory);
            }
            ASSERT_LE(budget.used(), memory_max);
        }
    }
}

}  // namespace
}  // namespace inod
