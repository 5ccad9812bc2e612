#include "lib/pool/pool_spec.h"

#include <span>
#include <utility>

#include <gtest/gtest.h>

#include "lib/tree/range_tree.h"

namespace inod {
namespace {

static_assert(align_limit == GapRequest::align_max, "what is configured can be searched for");

PoolSpec pool(Policy policy, Range range) {
    return {.name = "a", .policy = policy, .range = range};
}

// `spec` with one field changed.
template <class Field, class Value>
PoolSpec with(PoolSpec spec, Field PoolSpec::*field, Value value) {
    spec.*field = value;
    return spec;
}

// The message of validate(), or "" of what is valid.
std::string refusal(const PoolSpec& spec) {
    const auto valid = validate(spec);
    if (valid) return "";
    EXPECT_EQ(valid.error().code, Errc::config_invalid);
    return valid.error().message;
}

struct Refusal {
    const char* name;
    PoolSpec spec;
    const char* want;  // the message; empty: valid
};

void expect_refusals(std::span<const Refusal> cases) {
    for (const Refusal& c : cases) {
        SCOPED_TRACE(c.name);
        EXPECT_EQ(refusal(c.spec), c.want);
    }
}

TEST(PoolSpec, OnlyWhatCanRunIsValid) {
    const std::string longest(pool_name_size_max, 'a');
    constexpr auto unique = Policy::unique;
    constexpr auto cyclic = Policy::cyclic;
    constexpr auto lowest = Policy::lowest;
    constexpr auto lease = Durability::lease;
    constexpr auto block = Durability::block;
    struct Case {
        const char* name;
        PoolSpec spec;
        std::string key;  // with which the message begins; empty: valid
    };
    const Case cases[] = {
        {"whole space", {"inode", unique, whole_space, lease, 1}, ""},
        {"one ID, the last", {"inode", unique, {id_max, id_max}, lease, 1}, ""},
        {"one ID, the first", {"inode", cyclic, {0, 0}, lease, 1}, ""},
        {"unique in blocks", {"inode", unique, {1, 9}, block, 1}, ""},
        {"cyclic in blocks", {"pid", cyclic, {1, 9}, block, 1}, "durability: "},
        {"lowest in blocks", {"slot", lowest, {1, 9}, block, 1}, "durability: "},
        {"lowest, as it is", {"slot", lowest, {1, 9}, lease, 1}, ""},
        {"min above max", {"pid", cyclic, {9, 8}, lease, 1}, "min: 9 "},
        {"no lease possible", {"pid", cyclic, {1, 9}, lease, 0}, "lease_count_max: "},
        {"largest leases", {"pid", cyclic, {1, 9}, lease, 4'294'967'295U}, ""},
        {"no name", {"", unique, {1, 9}, lease, 1}, "name: "},
        {"longest name", {longest, unique, {1, 9}, lease, 1}, ""},
        {"name too long", {longest + "a", unique, {1, 9}, lease, 1}, "name: "},
        {"all kinds of characters", {"a.B_c-9", unique, {1, 9}, lease, 1}, ""},
        {"begins with a digit", {"9p", unique, {1, 9}, lease, 1}, ""},
        {"begins with a dot", {".p", unique, {1, 9}, lease, 1}, "name: "},
        {"a space", {"a b", unique, {1, 9}, lease, 1}, "name: "},
        {"a slash", {"a/b", unique, {1, 9}, lease, 1}, "name: "},
        {"a zero byte", {std::string("a\0b", 3), unique, {1, 9}, lease, 1}, "name: "},
        {"not ASCII", {"n\xc3\xa4me", unique, {1, 9}, lease, 1}, "name: "},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        const std::string message = refusal(c.spec);
        EXPECT_EQ(message.empty(), c.key.empty());
        EXPECT_EQ(message.substr(0, c.key.size()), c.key);
    }
}

TEST(PoolSpec, AnAlignedSearchNeedsAPlaceToLandOn) {
    const PoolSpec small = pool(Policy::lowest, {10, 15});
    const PoolSpec top = pool(Policy::unique, {id_max - 1, id_max});
    const Refusal cases[] = {
        {"none", with(small, &PoolSpec::align, 0U), "align: 0 is not from 1 to 4294967296"},
        {"the least", with(small, &PoolSpec::align, 1U), ""},
        {"one multiple, the first ID", with(small, &PoolSpec::align, 10U), ""},
        {"one multiple, the last ID", with(small, &PoolSpec::align, 15U), ""},
        {"no multiple", with(small, &PoolSpec::align, 16U),
         "align: no multiple of 16 lies in 10 to 15"},
        {"one multiple, 0", with(pool(Policy::lowest, {0, 5}), &PoolSpec::align, align_limit), ""},
        {"the largest", with(pool(Policy::cyclic, whole_space), &PoolSpec::align, align_limit), ""},
        {"above", with(pool(Policy::cyclic, whole_space), &PoolSpec::align, align_limit + 1),
         "align: 4294967297 is not from 1 to 4294967296"},
        {"up to the last ID", with(top, &PoolSpec::align, 5U), ""},
        {"none up to the last ID", with(top, &PoolSpec::align, 8U),
         "align: no multiple of 8 lies in 18446744073709551614 to 18446744073709551615"},
    };
    expect_refusals(cases);
}

TEST(PoolSpec, OnlyACyclicPoolBeginsAgain) {
    const PoolSpec cyclic = pool(Policy::cyclic, {10, 20});
    const PoolSpec by_eight = with(cyclic, &PoolSpec::align, 8U);
    const Refusal cases[] = {
        {"at its first", with(cyclic, &PoolSpec::wrap_to, Id{10}), ""},
        {"at its last", with(cyclic, &PoolSpec::wrap_to, Id{20}), ""},
        {"below", with(cyclic, &PoolSpec::wrap_to, Id{9}), "wrap_to: 9 is not within 10 to 20"},
        {"above", with(cyclic, &PoolSpec::wrap_to, Id{21}), "wrap_to: 21 is not within 10 to 20"},
        {"unique", with(pool(Policy::unique, {1, 9}), &PoolSpec::wrap_to, Id{1}),
         "wrap_to: only a cyclic pool begins again, and this one is unique"},
        {"lowest", with(pool(Policy::lowest, {1, 9}), &PoolSpec::wrap_to, Id{1}),
         "wrap_to: only a cyclic pool begins again, and this one is lowest"},
        {"on the last multiple", with(by_eight, &PoolSpec::wrap_to, Id{16}), ""},
        {"behind the last multiple", with(by_eight, &PoolSpec::wrap_to, Id{17}),
         "wrap_to: no multiple of align, 8, lies in 17 to 20"},
    };
    expect_refusals(cases);
}

TEST(PoolSpec, QuarantineIsForWhatReturns) {
    const PoolSpec cyclic = pool(Policy::cyclic, {1, 9});
    const PoolSpec resting = with(cyclic, &PoolSpec::quarantine_ms, 1U);
    const Refusal cases[] = {
        {"cyclic", resting, ""},
        {"lowest", with(pool(Policy::lowest, {1, 9}), &PoolSpec::quarantine_ms, 1U), ""},
        {"unique", with(pool(Policy::unique, {1, 9}), &PoolSpec::quarantine_ms, 1U),
         "quarantine: no number of a unique pool is handed out a second time"},
        {"nothing released", with(resting, &PoolSpec::tracking, false),
         "quarantine: without tracking nothing is released"},
        {"a year", with(cyclic, &PoolSpec::quarantine_ms, quarantine_limit_ms), ""},
        {"more", with(cyclic, &PoolSpec::quarantine_ms, quarantine_limit_ms + 1),
         "quarantine: 31536000001 ms is above a year, 31536000000 ms"},
        {"yields", with(resting, &PoolSpec::quarantine_yields, true), ""},
        {"none that yields", with(cyclic, &PoolSpec::quarantine_yields, true),
         "quarantine_yields: there is no quarantine that could yield"},
    };
    expect_refusals(cases);
}

TEST(PoolSpec, TheLowestFreeNumbersMustBeKnown) {
    const Refusal cases[] = {
        {"unique", with(pool(Policy::unique, {1, 9}), &PoolSpec::tracking, false), ""},
        {"cyclic", with(pool(Policy::cyclic, {1, 9}), &PoolSpec::tracking, false), ""},
        {"lowest", with(pool(Policy::lowest, {1, 9}), &PoolSpec::tracking, false),
         "tracking: a pool that hands out the lowest free numbers must know which are free"},
    };
    expect_refusals(cases);
}

TEST(PoolSpec, ReservedBandsAscendAndLieApart) {
    using Bands = std::vector<Range>;
    const auto reserving = [](Bands bands) {
        return with(pool(Policy::unique, {10, 300}), &PoolSpec::reserved, std::move(bands));
    };
    Bands many;
    while (many.size() < reserved_bands_max)
        many.push_back({10 + 2 * many.size(), 10 + 2 * many.size()});
    Bands too_many = many;
    too_many.push_back({299, 300});
    const Refusal cases[] = {
        {"at both edges", reserving({{10, 10}, {300, 300}}), ""},
        {"all of it", reserving({{10, 300}}), ""},
        {"neighbours", reserving({{10, 20}, {21, 30}}), ""},
        {"as many as may be", reserving(many), ""},
        {"one more", reserving(too_many), "reserved: 65 bands, and at most 64 can be"},
        {"begins below", reserving({{9, 10}}), "reserved: 9 to 10 is not within 10 to 300"},
        {"ends above", reserving({{300, 301}}), "reserved: 300 to 301 is not within 10 to 300"},
        {"reversed", reserving({{12, 11}}), "reserved: first, 12, is above last, 11"},
        {"sharing an ID", reserving({{10, 20}, {20, 30}}),
         "reserved: 20 to 30 begins before 10 to 20 ends"},
        {"descending", reserving({{20, 30}, {10, 11}}),
         "reserved: 10 to 11 begins before 20 to 30 ends"},
        {"nothing tracked", with(reserving({{10, 10}}), &PoolSpec::tracking, false),
         "reserved: a pool without tracking keeps nothing but where it stands"},
    };
    expect_refusals(cases);
}

TEST(PoolSpec, WordsGoBothWays) {
    for (const Policy policy : {Policy::unique, Policy::cyclic, Policy::lowest})
        EXPECT_EQ(policy_of(name(policy)), policy);
    for (const Durability durability : {Durability::lease, Durability::block})
        EXPECT_EQ(durability_of(name(durability)), durability);
    EXPECT_EQ(policy_of("Unique"), std::nullopt);
    EXPECT_EQ(policy_of(""), std::nullopt);
    EXPECT_EQ(durability_of("blocks"), std::nullopt);
    EXPECT_EQ(name(static_cast<Policy>(77)), "unknown");
    EXPECT_EQ(name(static_cast<Durability>(77)), "unknown");
}

}  // namespace
}  // namespace inod
