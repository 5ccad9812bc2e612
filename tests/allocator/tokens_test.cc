// Promise: a request that comes again with its token gets the first reply, and is never executed
// anew: while its token is kept, for keep_ms at least, and by a refusal ever after.
#include "lib/allocator/tokens.h"

#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>
#include <gtest/gtest.h>

#include "tests/sim/refused_memory.h"

namespace inod {

// Googletest finds it beside the type that it prints.
// NOLINTNEXTLINE(readability-identifier-naming)
static void PrintTo(const TokenAnswer& answer, std::ostream* out) {
    *out << "verdict " << static_cast<int>(answer.verdict) << ", IDs " << answer.reply.range.first
         << " to " << answer.reply.range.last << " of generation " << answer.reply.generation;
}

namespace {

#define EXPECT_SOUND(tokens) EXPECT_EQ((tokens).verify().value_or("sound"), "sound")
#define ASSERT_SOUND(tokens) ASSERT_EQ((tokens).verify().value_or("sound"), "sound")

constexpr std::uint64_t number_max = ~std::uint64_t{0};
constexpr std::uint32_t no_quota = ~std::uint32_t{0};
constexpr std::uint64_t keep_ms = 1'000;
constexpr TokenRequest some_request{.pool = 3, .digest = 77};

// A reply that no other token has.
Lease reply_of(const TokenKey& key) {
    const std::uint64_t first = key.number / 2 + key.uid;
    return {.range = {first, first + key.epoch % 9}, .generation = key.epoch};
}

TokenAnswer known(const TokenKey& key) {
    return {TokenVerdict::known, reply_of(key)};
}

TokenAnswer only(TokenVerdict verdict) {
    return {verdict};
}

// A budget of its own, and an epoch 1 that began at 0 ms.
class TestTokens {
public:
    explicit TestTokens(std::uint32_t count_max = 1'000'000,
                        std::uint64_t memory_max = std::uint64_t{1} << 30U)
        : budget(memory_max),
          tokens({.keep_ms = keep_ms, .count_max = count_max, .hash_key = {1, 2}}, budget) {
        tokens.begin_epoch(1, 0);
    }

    // Executes a request that is fresh. False if its token is refused.
    [[nodiscard]] bool execute(const TokenKey& key, std::uint32_t quota = no_quota) {
        EXPECT_EQ(tokens.find(key, some_request), only(TokenVerdict::fresh));
        auto place = tokens.prepare(key, some_request, quota);
        if (!place) return false;
        tokens.add(std::move(*place), reply_of(key));
        return true;
    }
    [[nodiscard]] TokenAnswer find(const TokenKey& key) const {
        return tokens.find(key, some_request);
    }
    // Gives all places of forgotten tokens back.
    void forget_all() {
        while (tokens.is_forgetting())
            tokens.forget_some(1'000);
    }

    MemoryBudget budget;

private:
    // Goes after the tokens.
    struct AllGivenBack {
        ~AllGivenBack() { EXPECT_EQ(budget.used(), 0U); }
        MemoryBudget& budget;
    } all_given_back_{budget};

public:
    Tokens tokens;
};

// The digest stands in journals. SipHash-1-3 under the key 0 is also what CPython 3.11 has:
// PYTHONHASHSEED=0 python3 -c
//     'import struct; print(hex(hash(struct.pack("<3Q", 1, 2, 3)) & (2**64 - 1)))'
TEST(RequestDigest, NeverChanges) {
    EXPECT_EQ(request_digest(std::array<std::uint64_t, 1>{0}), 0xbd60acb658c79e45U);
    EXPECT_EQ(request_digest(std::array<std::uint64_t, 3>{1, 2, 3}), 0x8acb65135d8f2da1U);
    EXPECT_EQ(request_digest(std::array<std::uint64_t, 6>{1, 5, 0, 0, 1, number_max}),
              0x96fbc7e5f5ec6f67U);
}

TEST(Tokens, TheSameRequestGetsTheFirstReply) {
    TestTokens test;
    for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{1}, number_max}) {
        for (const std::uint32_t uid : {0U, 1U, ~0U}) {
            const TokenKey key{.uid = uid, .epoch = 1, .number = number};
            ASSERT_TRUE(test.execute(key));
            EXPECT_EQ(test.find(key), known(key));
            EXPECT_EQ(test.find(key), known(key)) << "as often as it is asked";
        }
    }
    EXPECT_EQ(test.tokens.count(), 9U);
    EXPECT_SOUND(test.tokens);
}

TEST(Tokens, AnotherRequestWithTheTokenIsRefused) {
    TestTokens test;
    const TokenKey key{.uid = 5, .epoch = 1, .number = 9};
    ASSERT_TRUE(test.execute(key));
    TokenRequest other = some_request;
    other.digest += 1;
    EXPECT_EQ(test.tokens.find(key, other), only(TokenVerdict::mismatch));
    other = some_request;
    other.pool += 1;
    EXPECT_EQ(test.tokens.find(key, other), only(TokenVerdict::mismatch));
    // It is another's token for another UID.
    EXPECT_EQ(test.tokens.find({6, 1, 9}, other), only(TokenVerdict::fresh));
}

TEST(Tokens, AnEpochThatIsNoneIsExpired) {
    TestTokens test;
    for (const std::uint64_t epoch : {std::uint64_t{0}, std::uint64_t{2}, number_max})
        EXPECT_EQ(test.find({1, epoch, 1}), only(TokenVerdict::expired));
}

// Whoever decides a request may drop its lock, and the same request can come in by another door.
TEST(Tokens, WhileARequestIsUnderWayItsTokenIsNotFresh) {
    TestTokens test;
    const TokenKey key{.uid = 5, .epoch = 1, .number = 9};
    {
        auto place = test.tokens.prepare(key, some_request, no_quota);
        ASSERT_TRUE(place.has_value());
        EXPECT_EQ(test.find(key), only(TokenVerdict::under_way));
        EXPECT_EQ(test.tokens.count(), 0U);
        EXPECT_EQ(test.tokens.count_of(5), 1U);
        EXPECT_SOUND(test.tokens);
    }
    EXPECT_EQ(test.find(key), only(TokenVerdict::fresh)) << "it was refused: nothing is kept";
    EXPECT_EQ(test.tokens.count_of(5), 0U);
    EXPECT_SOUND(test.tokens);
    EXPECT_TRUE(test.execute(key));
}

// A token that came in the last moment at which its epoch took new ones is kept for the promised
// time to the millisecond, and the next moment its epoch is gone.
TEST(Tokens, AreKeptAsLongAsPromisedAndNotRefusedBefore) {
    TestTokens test;
    Tokens& tokens = test.tokens;
    ASSERT_TRUE(test.execute({1, 1, 0}));
    EXPECT_FALSE(tokens.is_epoch_due(keep_ms)) << "a thousandth may be missing from it";
    ASSERT_TRUE(tokens.is_epoch_due(keep_ms + 1));
    tokens.begin_epoch(2, keep_ms + 1);
    EXPECT_EQ(tokens.current_epoch(), 2U);
    EXPECT_FALSE(tokens.is_epoch_due(2 * keep_ms + 1));
    ASSERT_TRUE(test.execute({1, 1, 1})) << "the previous epoch takes new ones";

    tokens.begin_epoch(3, 2 * keep_ms + 2);
    EXPECT_EQ(test.find({1, 1, 0}), known({1, 1, 0}));
    EXPECT_EQ(test.find({1, 1, 1}), known({1, 1, 1}));
    EXPECT_EQ(test.find({1, 1, 2}), only(TokenVerdict::expired));
    EXPECT_EQ(test.find({1, 2, 2}), only(TokenVerdict::fresh));
    EXPECT_FALSE(tokens.is_epoch_due(3 * keep_ms + 2));

    tokens.begin_epoch(4, 3 * keep_ms + 3);
    EXPECT_EQ(test.find({1, 1, 1}), only(TokenVerdict::expired)) << "before it is swept";
    EXPECT_TRUE(tokens.is_forgetting());
    EXPECT_EQ(tokens.count(), 0U);
    EXPECT_SOUND(tokens);
    test.forget_all();
    EXPECT_EQ(test.find({1, 1, 1}), only(TokenVerdict::expired));
    EXPECT_EQ(tokens.count_of(1), 0U);
    EXPECT_SOUND(tokens);
}

TEST(Tokens, AnEpochLastsWhileNothingIsKept) {
    TestTokens test;
    EXPECT_FALSE(test.tokens.is_epoch_due(100 * keep_ms));
    ASSERT_TRUE(test.execute({1, 1, 0}));
    EXPECT_TRUE(test.tokens.is_epoch_due(100 * keep_ms));
    auto place = test.tokens.prepare({1, 1, 1}, some_request, no_quota);
    ASSERT_TRUE(place.has_value());
    EXPECT_FALSE(test.tokens.is_epoch_due(100 * keep_ms)) << "its time has not begun";
}

// What was executed after the copy was taken is not in it, so nothing of then is fresh.
TEST(Tokens, AnAdoptedCopyTakesNoTokenOfBefore) {
    TestTokens test;
    ASSERT_TRUE(test.execute({1, 1, 0}));
    test.tokens.begin_epoch(2, 2 * keep_ms);
    ASSERT_TRUE(test.execute({1, 2, 0}));
    test.tokens.begin_epoch_alone(3, 2 * keep_ms + 1);
    for (const std::uint64_t epoch : {1U, 2U}) {
        EXPECT_EQ(test.find({1, epoch, 0}), known({1, epoch, 0}));
        EXPECT_EQ(test.find({1, epoch, 1}), only(TokenVerdict::expired));
    }
    EXPECT_EQ(test.find({1, 3, 0}), only(TokenVerdict::fresh));
    EXPECT_FALSE(test.tokens.is_epoch_due(3 * keep_ms + 1));
    test.tokens.begin_epoch(4, 3 * keep_ms + 2);
    EXPECT_EQ(test.find({1, 2, 0}), only(TokenVerdict::expired));
    EXPECT_EQ(test.find({1, 3, 0}), only(TokenVerdict::fresh));
    EXPECT_SOUND(test.tokens);

    for (std::uint64_t epoch = 5; epoch < 30; ++epoch) {
        test.tokens.begin_epoch_alone(epoch, 3 * keep_ms + 3);
        ASSERT_SOUND(test.tokens);
    }
    EXPECT_EQ(test.tokens.epochs().size(), Tokens::epoch_count_max);
    EXPECT_EQ(test.find({1, 5, 0}), only(TokenVerdict::expired));
}

TEST(Tokens, QuotasAreOfEachUidAndOfAll) {
    TestTokens test(10);
    for (std::uint64_t number = 0; number < 4; ++number)
        ASSERT_TRUE(test.execute({1, 1, number}, 4));
    const auto refusal = [&](std::uint32_t uid, std::uint32_t quota) {
        const TokenKey key{uid, test.tokens.current_epoch(), number_max};
        return test.tokens.prepare(key, some_request, quota).error();
    };
    EXPECT_EQ(refusal(1, 4), TokenRefusal::quota);
    EXPECT_EQ(refusal(1, 0), TokenRefusal::quota);
    EXPECT_EQ(refusal(2, 0), TokenRefusal::quota);
    EXPECT_TRUE(test.execute({1, 1, 4}, 5)) << "the quota was raised";
    for (std::uint64_t number = 0; number < 5; ++number)
        ASSERT_TRUE(test.execute({2, 1, number}));
    EXPECT_EQ(refusal(3, no_quota), TokenRefusal::quota) << "all together have 10";
    EXPECT_EQ(test.find({1, 1, 0}), known({1, 1, 0})) << "none is forgotten early";

    for (std::uint64_t epoch = 2; epoch < 5; ++epoch)
        test.tokens.begin_epoch(epoch, epoch * 2 * keep_ms);
    EXPECT_EQ(test.tokens.count(), 0U);
    EXPECT_EQ(refusal(3, no_quota), TokenRefusal::quota) << "their places are still taken";
    test.tokens.forget_some(10);
    EXPECT_TRUE(test.execute({1, 4, 0}, 1));
    EXPECT_EQ(refusal(1, 1), TokenRefusal::quota);
    EXPECT_TRUE(test.execute({3, 4, 0}, 1));
    EXPECT_SOUND(test.tokens);
}

// Keys that differ in one bit each, over several blocks and with chains of many lengths.
TEST(Tokens, EveryPartOfTheKeyTellsTokensApart) {
    TestTokens test;
    test.tokens.begin_epoch_alone(3, 1);  // 1, which is closed, in all but one bit
    std::set<std::tuple<std::uint32_t, std::uint64_t>> executed;
    for (std::uint32_t uid_bit = 0; uid_bit < 32; ++uid_bit) {
        for (std::uint32_t bit = 0; bit < 64; ++bit) {
            const TokenKey key{1U << uid_bit, 3, std::uint64_t{1} << bit};
            ASSERT_TRUE(test.execute(key));
            ASSERT_TRUE(executed.emplace(key.uid, key.number).second);
            ASSERT_EQ(test.find({key.uid, 1, key.number}), only(TokenVerdict::expired));
        }
    }
    for (const auto& [uid, number] : executed)
        ASSERT_EQ(test.find({uid, 3, number}), known({uid, 3, number}));
    EXPECT_EQ(test.tokens.count(), 32U * 64U);
    EXPECT_SOUND(test.tokens);
}

// The first two of the keys that `key_at` has for 1, 2 and so on which have one hash: what the
// table takes of request_digest() if its own key is 0.
std::pair<TokenKey, TokenKey> colliding_keys(TokenKey (*key_at)(std::uint64_t)) {
    boost::unordered_flat_map<std::uint32_t, std::uint64_t> by_hash;
    for (std::uint64_t i = 1;; ++i) {
        const TokenKey key = key_at(i);
        const std::array<std::uint64_t, 3> words{key.uid, key.epoch, key.number};
        const auto hash = static_cast<std::uint32_t>(request_digest(words));
        const auto [other, is_new] = by_hash.emplace(hash, i);
        if (!is_new) return {key_at(other->second), key};
    }
}

TEST(Tokens, OfOneHashAreToldApart) {
    using KeyAt = TokenKey (*)(std::uint64_t);
    const KeyAt parts[] = {
        [](std::uint64_t i) {
            return TokenKey{static_cast<std::uint32_t>(i), 1, 1};
        },
        [](std::uint64_t i) {
            return TokenKey{1, i, 1};
        },
        [](std::uint64_t i) {
            return TokenKey{1, 1, i};
        },
    };
    for (const KeyAt key_at : parts) {
        const auto [a, b] = colliding_keys(key_at);
        MemoryBudget budget(std::uint64_t{1} << 30U);
        Tokens tokens({.keep_ms = keep_ms}, budget);
        const std::array<TokenEpoch, 2> both{{{a.epoch, true}, {b.epoch, true}}};
        const std::size_t epochs = a.epoch == b.epoch ? 1 : 2;
        ASSERT_TRUE(tokens.restore_epochs(std::span(both).first(epochs), 0));
        ASSERT_TRUE(tokens.restore({.key = a, .request = some_request, .reply = reply_of(a)}));
        EXPECT_EQ(tokens.find(b, some_request), only(TokenVerdict::fresh));
        ASSERT_TRUE(tokens.restore({.key = b, .request = some_request, .reply = reply_of(b)}));
        EXPECT_EQ(tokens.find(a, some_request), known(a));
        EXPECT_EQ(tokens.find(b, some_request), known(b));
        EXPECT_SOUND(tokens);
    }
}

// A million tokens may go at once while others wait for the lock.
TEST(Tokens, AreForgottenInSlicesOfSoManySlots) {
    TestTokens test;
    constexpr std::uint32_t count = 5'000;
    for (std::uint32_t number = 0; number < count; ++number)
        ASSERT_TRUE(test.execute({number % 7, 1, number}));
    test.tokens.begin_epoch(2, 2 * keep_ms);
    ASSERT_TRUE(test.execute({1, 2, 0}));
    test.tokens.begin_epoch(3, 4 * keep_ms);
    test.tokens.begin_epoch(4, 6 * keep_ms);
    const auto used = [&] {
        std::uint32_t sum = 0;
        for (std::uint32_t uid = 0; uid < 7; ++uid)
            sum += test.tokens.count_of(uid);
        return sum;
    };
    std::uint32_t left = count;
    for (std::uint32_t visits = 1; test.tokens.is_forgetting(); visits += 10) {
        const std::uint32_t before = used();
        test.tokens.forget_some(visits);
        left -= std::min(left, visits);
        ASSERT_EQ(used(), left + 1) << before << " before " << visits << " visits";
        ASSERT_EQ(test.find({1, 2, 0}), known({1, 2, 0}));
    }
    EXPECT_EQ(used(), 1U);
    EXPECT_SOUND(test.tokens);

    // Slots that have nothing to forget count as well.
    for (std::uint32_t number = 0; number < count; ++number)
        ASSERT_TRUE(test.execute({3, 4, number}));
    test.tokens.begin_epoch(5, 8 * keep_ms);
    ASSERT_TRUE(test.tokens.is_forgetting()) << "the token of epoch 2";
    std::uint32_t calls = 0;
    for (; test.tokens.is_forgetting(); ++calls)
        test.tokens.forget_some(1);
    EXPECT_GE(calls, 1U);
    EXPECT_LE(calls, count + 1);
    EXPECT_EQ(test.tokens.count(), count);
    EXPECT_SOUND(test.tokens);
}

TEST(TokenMemory, IsSmallAndGoesBackWhenAllIsForgotten) {
    TestTokens test;
    ASSERT_TRUE(test.execute({1, 1, 0}));
    const std::uint64_t least = test.budget.used();
    constexpr std::uint32_t count = 20'000;
    for (std::uint32_t number = 1; number < count; ++number)
        ASSERT_TRUE(test.execute({1, 1, number}));
    EXPECT_LE(test.budget.used(), least + count * std::uint64_t{72});
    for (std::uint64_t epoch = 2; epoch < 5; ++epoch)
        test.tokens.begin_epoch(epoch, epoch * 2 * keep_ms);
    std::uint64_t used = test.budget.used();
    while (test.tokens.is_forgetting()) {
        test.tokens.forget_some(64);
        ASSERT_LE(used - test.budget.used(), least) << "more than one block in a slice";
        used = test.budget.used();
    }
    EXPECT_EQ(used, least);
    EXPECT_SOUND(test.tokens);
    EXPECT_TRUE(test.execute({1, 4, 0}));
    EXPECT_SOUND(test.tokens);
}

TEST(TokenMemory, StaysBoundedWhileTokensComeAndGo) {
    TestTokens test;
    std::uint64_t used_after_warm_up = 0;
    for (std::uint64_t epoch = 1; epoch < 100; ++epoch) {
        for (std::uint32_t number = 0; number < 700; ++number) {
            const auto uid = static_cast<std::uint32_t>(epoch) + number % 9;
            ASSERT_TRUE(test.execute({uid, epoch, number}));
        }
        test.tokens.begin_epoch(epoch + 1, epoch * 2 * keep_ms);
        test.forget_all();
        if (epoch == 5) used_after_warm_up = test.budget.used();
    }
    EXPECT_EQ(test.budget.used(), used_after_warm_up);
    EXPECT_SOUND(test.tokens);
}

// Refused by the budget or by the system, at a random moment: nothing has changed, and what has its
// place needs no more.
TEST(TokenMemory, RefusedLeavesAllAsItWas) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        const bool by_system = seed % 2 == 0;
        TestTokens test(1'000'000, by_system ? std::uint64_t{1} << 30U : random() % 400'000);
        std::uint64_t executed = 0;
        std::uint32_t refused = 0;
        const auto key_of = [](std::uint64_t number) {
            return TokenKey{static_cast<std::uint32_t>(number / 20), 1, number};
        };
        while (refused < 3 && executed < 6'000) {
            const TokenKey key = key_of(executed);
            std::optional<Tokens::Place> place;
            {
                std::optional<sim::RefusedMemory> none;
                if (by_system && random() % 2 == 0) none.emplace(random() % 3);
                auto taken = test.tokens.prepare(key, some_request, no_quota);
                if (taken) place.emplace(std::move(*taken));
                if (!taken) {
                    EXPECT_EQ(taken.error(), TokenRefusal::out_of_memory);
                }
            }
            if (!place) {
                ++refused;
                ASSERT_EQ(test.find(key), only(TokenVerdict::fresh));
                ASSERT_EQ(test.tokens.count(), executed);
                ASSERT_SOUND(test.tokens);
                continue;
            }
            const sim::UsedUpBudget nothing_left(test.budget);
            const sim::RefusedMemory nothing;
            test.tokens.add(std::move(*place), reply_of(key));
            ++executed;
        }
        EXPECT_TRUE(refused > 0 || by_system);
        for (std::uint64_t number = 0; number < executed; ++number)
            ASSERT_EQ(test.find(key_of(number)), known(key_of(number)));

        const sim::UsedUpBudget nothing_left(test.budget);
        const sim::RefusedMemory nothing;
        for (std::uint64_t epoch = 2; executed > 0 && epoch < 5; ++epoch)
            test.tokens.begin_epoch(epoch, epoch * 2 * keep_ms);
        test.forget_all();
    }
}

TEST(TokenMemory, GoesBackToTheBudgetWithTheTokens) {
    MemoryBudget budget(std::uint64_t{1} << 30U);
    {
        Tokens tokens({}, budget);
        tokens.begin_epoch(1, 0);
        for (std::uint32_t uid = 0; uid < 3'000; ++uid) {
            auto place = tokens.prepare({uid, 1, uid}, some_request, 1);
            ASSERT_TRUE(place.has_value());
            if (uid % 2 == 0) tokens.add(std::move(*place), Lease{});
        }
        EXPECT_GT(budget.used(), 0U);
    }
    EXPECT_EQ(budget.used(), 0U);
}

class RestoredTokens : public testing::Test {
public:
    Result<> restore(const TokenKey& key, const TokenRequest& request = some_request) {
        return tokens.restore({.key = key, .request = request, .reply = reply_of(key)});
    }

    MemoryBudget budget{std::uint64_t{1} << 30U};
    Tokens tokens{{.keep_ms = keep_ms, .count_max = 2}, budget};
};

TEST_F(RestoredTokens, OneThatComesTwiceIsOne) {
    ASSERT_TRUE(tokens.restore_epochs(std::array<TokenEpoch, 1>{{{7, true}}}, 0));
    for (int i = 0; i < 2; ++i)
        ASSERT_TRUE(restore({1, 7, 0}));
    EXPECT_EQ(tokens.count(), 1U);
    EXPECT_EQ(tokens.find({1, 7, 0}, some_request), known({1, 7, 0}));
    EXPECT_EQ(restore({1, 7, 0}, {.pool = 3, .digest = 78}).error().code, Errc::journal_damaged);
    const Token other_reply{.key = {1, 7, 0}, .request = some_request, .reply = Lease{}};
    EXPECT_EQ(tokens.restore(other_reply).error().code, Errc::journal_damaged);
    EXPECT_EQ(restore({1, 8, 0}).error().code, Errc::journal_damaged) << "no such epoch";
    EXPECT_SOUND(tokens);
}

TEST_F(RestoredTokens, AreAllKeptWhereLessAreAllowedNow) {
    ASSERT_TRUE(tokens.restore_epochs(std::array<TokenEpoch, 1>{{{7, true}}}, 0));
    for (std::uint64_t number = 0; number < 5; ++number)
        ASSERT_TRUE(restore({1, 7, number}));
    EXPECT_EQ(tokens.count(), 5U);
    EXPECT_EQ(tokens.prepare({1, 7, 5}, some_request, no_quota).error(), TokenRefusal::quota);
}

TEST_F(RestoredTokens, FailWithoutMemory) {
    ASSERT_TRUE(tokens.restore_epochs(std::array<TokenEpoch, 1>{{{7, true}}}, 0));
    const sim::UsedUpBudget nothing_left(budget);
    EXPECT_EQ(restore({1, 7, 0}).error().code, Errc::out_of_memory);
    EXPECT_EQ(tokens.find({1, 7, 0}, some_request), only(TokenVerdict::fresh));
    EXPECT_SOUND(tokens);
}

TEST_F(RestoredTokens, AreOfEpochsInOrder) {
    struct Case {
        const char* name;
        std::vector<TokenEpoch> epochs;
        bool want;
    };
    const std::vector<TokenEpoch> closed(Tokens::epoch_count_max, {9, false});
    std::vector<TokenEpoch> too_many(Tokens::epoch_count_max + 1);
    for (std::size_t i = 0; i < too_many.size(); ++i)
        too_many[i] = {.number = i + 1, .is_open = i == 0};
    // clang-format off
    const Case cases[] = {
        {"none yet",               {},                                             true},
        {"one",                    {{5, true}},                                    true},
        {"all three",              {{5, true}, {number_max, true}, {1, false}},    true},
        {"an old copy was adopted",{{5, true}, {4, false}, {3, false}, {2, false}},true},
        {"0 is none",              {{5, true}, {0, true}},                         false},
        {"the same twice",         {{5, true}, {5, false}},                        false},
        {"the newest is closed",   {{5, false}},                                   false},
        {"a closed one opened",    {{5, true}, {4, false}, {3, true}},             false},
        {"three open",             {{5, true}, {4, true}, {3, true}},              false},
        {"too many",               too_many,                                       false},
    };
    // clang-format on
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        Tokens fresh({}, budget);
        EXPECT_EQ(fresh.restore_epochs(c.epochs, 0).has_value(), c.want);
        EXPECT_SOUND(fresh);
        EXPECT_EQ(fresh.epochs().size(), c.want ? c.epochs.size() : 0U);
    }
    ASSERT_TRUE(tokens.restore_epochs(cases[1].epochs, 0));
    EXPECT_FALSE(tokens.restore_epochs(cases[1].epochs, 0)) << "they come once";
    EXPECT_EQ(tokens.replay_epoch(0, 0, false).error().code, Errc::journal_damaged);
    EXPECT_EQ(tokens.replay_epoch(5, 0, false).error().code, Errc::journal_damaged);
}

// Nobody knows how long the daemon was gone, unless the clock goes on.
TEST_F(RestoredTokens, AgesBeginAnewWithAnotherClock) {
    struct Case {
        const char* name;
        std::uint64_t began_ms;
        std::uint64_t now_ms;
        bool same_clock;
        std::uint64_t want;  // the first time at which an epoch is due
    };
    // clang-format off
    const Case cases[] = {
        {"the clock went on",           500,   800, true,  1'501},
        {"another clock",               500,   800, false, 1'801},
        {"another clock, and earlier",  500,   100, false, 1'101},
        {"not the same in truth",       500,   100, true,  1'101},
        {"long ago by the same clock",  500, 9'000, true,  9'000},
    };
    // clang-format on
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        Tokens fresh({.keep_ms = keep_ms}, budget);
        ASSERT_TRUE(fresh.restore_epochs(std::array<TokenEpoch, 1>{{{7, true}}}, c.began_ms));
        ASSERT_TRUE(fresh.restore({.key = {1, 7, 0}, .request = some_request, .reply = {}}));
        fresh.begin_run(c.now_ms, c.same_clock);
        EXPECT_TRUE(fresh.is_epoch_due(c.want));
        EXPECT_TRUE(c.want == c.now_ms || !fresh.is_epoch_due(c.want - 1));
    }
}

// A log can have far more tokens than ever were kept at once.
TEST_F(RestoredTokens, ForgottenOnesMakeRoomAtOnce) {
    std::uint64_t used_after_warm_up = 0;
    for (std::uint64_t epoch = 1; epoch < 50; ++epoch) {
        ASSERT_TRUE(tokens.replay_epoch(epoch, epoch, false));
        EXPECT_FALSE(tokens.is_forgetting());
        for (std::uint64_t number = 0; number < 500; ++number)
            ASSERT_TRUE(restore({1, epoch, number}));
        if (epoch == 5) used_after_warm_up = budget.used();
    }
    EXPECT_EQ(budget.used(), used_after_warm_up);
    EXPECT_EQ(tokens.count(), 3U * 500U);
    EXPECT_SOUND(tokens);
}

}  // namespace
}  // namespace inod
