// Promise: whatever comes, a token that was executed is never fresh again, gets its first reply for
// keep_ms at least, and one of an epoch that was just given out is taken.
// Method: random requests, epochs, quotas and restarts beside maps that never forget. A seed
// repeats its failure exactly.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "lib/allocator/tokens.h"

namespace inod {
namespace {

#define ASSERT_SOUND(tokens) ASSERT_EQ((tokens).verify().value_or("sound"), "sound")

constexpr std::uint64_t keep_ms = 100;
constexpr std::uint32_t count_max = 1'500;

using Key = std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>;

Key ordered(const TokenKey& key) {
    return {key.uid, key.epoch, key.number};
}

// All that ever was.
class Model {
public:
    struct Used {
        TokenRequest request;
        Lease reply;
        std::uint64_t at_ms;
    };
    struct Epoch {
        std::uint64_t given_ms;  // when a hello gave it out last
        bool is_open = true;
        bool is_kept = true;
        bool is_adopted = false;  // an old copy was adopted after it began
    };

    void begin(std::uint64_t epoch, std::uint64_t now_ms, bool alone) {
        for (auto& [number, one] : epochs) {
            if (!alone && !one.is_open) one.is_kept = false;
            if (alone || number != current) one.is_open = false;
            if (alone) one.is_adopted = true;
        }
        if (current != 0) epochs.at(current).given_ms = now_ms;
        current = epoch;
        epochs[epoch] = {.given_ms = now_ms};
    }
    [[nodiscard]] bool keeps(std::uint64_t epoch) const {
        const auto found = epochs.find(epoch);
        return found != epochs.end() && found->second.is_kept;
    }
    [[nodiscard]] std::uint32_t kept(std::optional<std::uint32_t> uid = {}) const {
        return static_cast<std::uint32_t>(
            std::count_if(used.begin(), used.end(), [&](const auto& one) {
                return keeps(std::get<1>(one.first)) && (!uid || *uid == std::get<0>(one.first));
            }));
    }
    [[nodiscard]] TokenAnswer expected(const TokenKey& key, const TokenRequest& request) const {
        if (!keeps(key.epoch)) return {TokenVerdict::expired};
        const auto found = used.find(ordered(key));
        if (found == used.end()) {
            const bool is_open = epochs.at(key.epoch).is_open;
            return {is_open ? TokenVerdict::fresh : TokenVerdict::expired};
        }
        if (found->second.request != request) return {TokenVerdict::mismatch};
        return {TokenVerdict::known, found->second.reply};
    }

    std::map<Key, Used> used;
    std::map<std::uint64_t, Epoch> epochs;
    std::uint64_t current = 0;
};

// What stands in the journal from the start of a snapshot on.
struct SavedEpochs {
    std::vector<TokenEpoch> epochs;
    std::uint64_t began_ms;
};
struct EpochBegan {
    std::uint64_t number;
    std::uint64_t began_ms;
    bool alone;
};
using Entry = std::variant<SavedEpochs, Token, EpochBegan>;

class Life {
public:
    explicit Life(std::uint64_t seed)
        : random_(seed), is_large_(seed % 4 == 0), number_max_(is_large_ ? 100'000 : 60) {
        start();
        begin_epoch(false);
    }

    void step() {
        switch (random_() % 16) {
            case 0: move_time(); break;
            case 1: maybe_begin_epoch(); break;
            case 2: tokens_->forget_some(random_() % 40); break;
            case 3: write_snapshot(); break;
            case 4: drop_or_finish(); break;
            case 5:
                if (random_() % 30 == 0) restart();
                break;
            default: request(); break;
        }
    }

    void check() {
        ASSERT_SOUND(*tokens_);
        ASSERT_EQ(tokens_->count(), model_.kept());
        ASSERT_EQ(tokens_->current_epoch(), model_.current);
        for (const auto& [key, used] : model_.used) {
            const auto& [uid, epoch, number] = key;
            ask({uid, epoch, number}, used.request);
        }
        if (random_() % 4 != 0) return;
        while (tokens_->is_forgetting())
            tokens_->forget_some(100);
        for (const std::uint32_t uid : uids) {
            const auto mine = std::count_if(under_way_.begin(), under_way_.end(),
                                            [&](const auto& one) { return one.key.uid == uid; });
            ASSERT_EQ(tokens_->count_of(uid), model_.kept(uid) + static_cast<std::uint32_t>(mine));
        }
    }

    std::uint64_t executed = 0;
    std::uint64_t refused = 0;
    std::uint64_t epochs = 0;
    std::uint64_t restarts = 0;
    std::uint64_t snapshots = 0;

private:
    static constexpr std::array<std::uint32_t, 4> uids{0, 1, 2, ~0U};

    struct UnderWay {
        Tokens::Place place;
        TokenKey key;
        TokenRequest request;
    };

    [[nodiscard]] TokenKey any_key() {
        const std::uint64_t number = random_() % number_max_;
        // Any of the last epochs, one in eight that never was.
        const std::uint64_t back = std::min(random_() % 6 * random_() % 6, model_.current - 1);
        return {.uid = uids[random_() % uids.size()],
                .epoch = random_() % 8 == 0 ? random_() : model_.current - back,
                .number = number == 1 ? ~std::uint64_t{0} : number};
    }
    [[nodiscard]] TokenRequest any_request() {
        return {.pool = static_cast<PoolIndex>(random_() % 16 == 0), .digest = random_() % 16 / 15};
    }
    [[nodiscard]] bool is_under_way(const TokenKey& key) const {
        return std::any_of(under_way_.begin(), under_way_.end(),
                           [&](const UnderWay& one) { return one.key == key; });
    }

    void move_time() {
        if (is_large_ && random_() % 16 != 0) return;
        now_ms_ += random_() % (random_() % 8 == 0 ? 2 * keep_ms : 8);
    }

    // The same answer as the model's, and the promise itself.
    void ask(const TokenKey& key, const TokenRequest& request) const {
        const TokenAnswer answer = tokens_->find(key, request);
        if (is_under_way(key)) {
            ASSERT_EQ(answer.verdict, TokenVerdict::under_way);
            return;
        }
        ASSERT_EQ(answer, model_.expected(key, request));
        const auto used = model_.used.find(ordered(key));
        if (used != model_.used.end()) {
            const bool is_old = now_ms_ - used->second.at_ms > keep_ms;
            ASSERT_NE(answer.verdict, TokenVerdict::fresh);
            ASSERT_TRUE(is_old || answer.verdict != TokenVerdict::expired);
        } else if (const auto epoch = model_.epochs.find(key.epoch); epoch != model_.epochs.end()) {
            const bool is_young = now_ms_ - epoch->second.given_ms <= keep_ms;
            const bool is_taken =
                key.epoch == model_.current || (is_young && !epoch->second.is_adopted);
            ASSERT_TRUE(!is_taken || answer.verdict == TokenVerdict::fresh);
        }
    }

    void request() {
        const TokenKey key = any_key();
        const TokenRequest request = any_request();
        ask(key, request);
        if (tokens_->find(key, request).verdict != TokenVerdict::fresh) return;
        const auto quota = static_cast<std::uint32_t>(number_max_ / 2 + random_() % number_max_);
        const std::uint32_t had = tokens_->count_of(key.uid);
        std::uint32_t all = 0;
        for (const std::uint32_t uid : uids)
            all += tokens_->count_of(uid);
        auto place = tokens_->prepare(key, request, quota);
        ASSERT_EQ(place.has_value(), had < quota && all < count_max);
        if (!place) {
            ++refused;
            ASSERT_EQ(place.error(), TokenRefusal::quota);
            return;
        }
        under_way_.push_back({std::move(*place), key, request});
        if (random_() % 4 != 0) drop_or_finish();
    }

    void drop_or_finish() {
        if (under_way_.empty()) return;
        const auto index = static_cast<std::ptrdiff_t>(random_() % under_way_.size());
        const auto chosen = std::next(under_way_.begin(), index);
        if (random_() % 4 != 0) {
            ++executed;
            const Lease reply{.range = {executed, executed + random_() % 5},
                              .generation = random_()};
            tokens_->add(std::move(chosen->place), reply);
            model_.used[ordered(chosen->key)] = {chosen->request, reply, now_ms_};
            record(Token{.key = chosen->key, .request = chosen->request, .reply = reply});
        }
        under_way_.erase(chosen);
    }

    void maybe_begin_epoch() {
        const bool is_due = tokens_->is_epoch_due(now_ms_);
        const bool is_old = now_ms_ - began_ms_ > keep_ms;
        ASSERT_EQ(is_due, under_way_.empty() && is_old && model_.kept() > 0);
        if (is_due) {
            begin_epoch(false);
        } else if (under_way_.empty() && random_() % 64 == 0) {
            begin_epoch(true);
        }
    }

    void begin_epoch(bool alone) {
        const std::uint64_t number = model_.current + 1;
        if (alone) {
            tokens_->begin_epoch_alone(number, now_ms_);
        } else {
            tokens_->begin_epoch(number, now_ms_);
        }
        ++epochs;
        began_ms_ = now_ms_;
        model_.begin(number, now_ms_, alone);
        journal_has_clock_ = true;
        record(EpochBegan{.number = number, .began_ms = now_ms_, .alone = alone});
    }

    void record(const Entry& entry) {
        journal_.push_back(entry);
        if (position_) later_journal_.push_back(entry);
    }

    // A piece of it. What is recorded until its end comes between the pieces.
    void write_snapshot() {
        if (!position_) {
            const auto kept = tokens_->epochs();
            later_journal_ = {SavedEpochs{{kept.begin(), kept.end()}, tokens_->epoch_began_ms()}};
            position_ = tokens_->first_position();
        }
        const std::size_t visits = 1 + random_() % 200;
        std::size_t visits_left = visits;
        for (int room = 1 + static_cast<int>(random_() % 60);; --room) {
            const TokenPosition before = *position_;
            const auto token = tokens_->next(*position_, visits_left);
            if (!token) break;
            if (room == 0) {
                *position_ = before;  // there was no room for it
                break;
            }
            later_journal_.push_back(*token);
        }
        if (!position_->is_at_end()) return;
        ++snapshots;
        journal_has_clock_ = true;
        journal_ = std::move(later_journal_);
        position_.reset();
    }

    void start() {
        tokens_ = std::make_unique<Tokens>(
            TokenOptions{
                .keep_ms = keep_ms, .count_max = count_max, .hash_key = {random_(), random_()}},
            budget_);
    }

    void restart() {
        ++restarts;
        under_way_.clear();
        position_.reset();
        start();
        for (const Entry& entry : journal_) {
            const Result<> done =
                std::visit([this](const auto& one) { return replay(one); }, entry);
            ASSERT_TRUE(done.has_value());
        }
        const bool same_clock = journal_has_clock_ && random_() % 2 == 0;
        tokens_->begin_run(now_ms_, same_clock);
        if (!same_clock) began_ms_ = now_ms_;
        journal_has_clock_ = same_clock;
        ASSERT_EQ(tokens_->epoch_began_ms(), began_ms_);
        check();
    }
    Result<> replay(const SavedEpochs& saved) {
        return tokens_->restore_epochs(saved.epochs, saved.began_ms);
    }
    Result<> replay(const Token& token) { return tokens_->restore(token); }
    Result<> replay(const EpochBegan& began) {
        return tokens_->replay_epoch(began.number, began.began_ms, began.alone);
    }

    std::mt19937_64 random_;
    const bool is_large_;  // blocks of slots, not epochs
    const std::uint64_t number_max_;
    MemoryBudget budget_{std::uint64_t{1} << 30U};
    std::unique_ptr<Tokens> tokens_;
    Model model_;
    std::list<UnderWay> under_way_;
    std::uint64_t now_ms_ = 0;
    std::uint64_t began_ms_ = 0;
    std::vector<Entry> journal_;        // what a restart reads
    bool journal_has_clock_ = true;     // what it says of time is by the clock of this run
    std::vector<Entry> later_journal_;  // once the snapshot that is under way is whole
    std::optional<TokenPosition> position_;
};

TEST(TokensModel, NoTokenIsExecutedTwiceOrForgottenEarly) {
    const std::uint64_t seeds = std::getenv("INOD_TEST_LONG") != nullptr ? 1'000 : 40;
    std::uint64_t executed = 0;
    std::uint64_t refused = 0;
    std::uint64_t epochs = 0;
    std::uint64_t restarts = 0;
    std::uint64_t snapshots = 0;
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Life life(seed);
        for (int i = 1; i <= 6'000 && !testing::Test::HasFatalFailure(); ++i) {
            life.step();
            if (i % 300 == 0) life.check();
        }
        ASSERT_FALSE(testing::Test::HasFatalFailure());
        executed += life.executed;
        refused += life.refused;
        epochs += life.epochs;
        restarts += life.restarts;
        snapshots += life.snapshots;
    }
    // Otherwise it would have tried little.
    EXPECT_GT(executed, 300 * seeds);
    EXPECT_GT(refused, 10 * seeds);
    EXPECT_GT(epochs, 10 * seeds);
    EXPECT_GT(restarts, 3 * seeds);
    EXPECT_GT(snapshots, 10 * seeds);
    RecordProperty("executed", std::to_string(executed));
    RecordProperty("refused", std::to_string(refused));
}

}  // namespace
}  // namespace inod
