#include "config/pool_draft.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "config/grant_keys.h"
#include "config/limit_keys.h"

namespace inod {
namespace {

// One of "reserved", as far as it is read.
struct Band {
    std::optional<Id> first;
    std::optional<Id> last;
};

template <class Target, std::optional<Id> Target::*id>
Done decode_id(const JsonValue& value, const Place& place, Target& target) {
    return decode_integer(value, place, Id{0}, id_max, target.*id);
}

template <bool PoolSpec::*flag>
Done decode_flag(const JsonValue& value, const Place& place, PoolDraft& pool) {
    return decode_bool(value, place, pool.config.spec.*flag);
}

constexpr Key<Band> band_keys[] = {
    {"first", decode_id<Band, &Band::first>},
    {"last", decode_id<Band, &Band::last>},
};

// Sorts them, which validate() asks for and nobody who writes them by hand should have to.
Done decode_reserved(const JsonValue& value, const Place& place, PoolDraft& pool) {
    std::vector<Range> bands;
    auto done =
        decode_elements(value, place, [&](const JsonValue& element, const Place& at) -> Done {
            Band band;
            if (auto object = decode_object(element, at, band_keys, band); !object) return object;
            if (!band.first) return at.member("first").refuse("is missing");
            if (!band.last) return at.member("last").refuse("is missing");
            bands.push_back({*band.first, *band.last});
            return {};
        });
    if (!done) return done;
    std::sort(bands.begin(), bands.end(), [](Range a, Range b) {
        return std::tie(a.first, a.last) < std::tie(b.first, b.last);
    });
    pool.config.spec.reserved = std::move(bands);
    return {};
}

Done decode_quarantine(const JsonValue& value, const Place& place, PoolDraft& pool) {
    constexpr std::uint64_t ms_per_second = 1000;
    std::uint64_t seconds = 0;
    auto done = decode_integer(value, place, std::uint64_t{0}, quarantine_limit_ms / ms_per_second,
                               seconds);
    pool.config.spec.quarantine_ms = seconds * ms_per_second;
    return done;
}

constexpr Key<PoolDraft> pool_keys[] = {
    {"name",
     [](const JsonValue& value, const Place& place, PoolDraft& pool) -> Done {
         auto word = string_of(value, place);
         if (!word) return word.error();
         pool.config.spec.name = *std::move(word);
         return {};
     }},
    {"policy",
     [](const JsonValue& value, const Place& place, PoolDraft& pool) {
         return decode_word(value, place, {Policy::unique, Policy::cyclic, Policy::lowest},
                            pool.policy);
     }},
    {"min", decode_id<PoolDraft, &PoolDraft::min>},
    {"max", decode_id<PoolDraft, &PoolDraft::max>},
    {"durability",
     [](const JsonValue& value, const Place& place, PoolDraft& pool) {
         return decode_word(value, place, {Durability::lease, Durability::block},
                            pool.config.spec.durability);
     }},
    {"lease_count_max",
     [](const JsonValue& value, const Place& place, PoolDraft& pool) {
         return decode_integer(value, place, 1U, 0xFFFF'FFFFU, pool.config.spec.lease_count_max);
     }},
    {"tracking", decode_flag<&PoolSpec::tracking>},
    {"align",
     [](const JsonValue& value, const Place& place, PoolDraft& pool) {
         return decode_integer(value, place, std::uint64_t{1}, align_limit, pool.config.spec.align);
     }},
    {"wrap_to",
     [](const JsonValue& value, const Place& place, PoolDraft& pool) {
         return decode_integer(value, place, Id{0}, id_max, pool.config.spec.wrap_to);
     }},
    {"quarantine", decode_quarantine},
    {"quarantine_yields", decode_flag<&PoolSpec::quarantine_yields>},
    {"reserved", decode_reserved},
    {"parent",
     [](const JsonValue& value, const Place& place, PoolDraft& pool) -> Done {
         auto word = string_of(value, place);
         if (!word) return word.error();
         if (!is_pool_name(*word)) return place.refuse(quote(*word) + " is no name of a pool");
         pool.config.spec.parent = *std::move(word);
         return {};
     }},
    {"grants", [](const JsonValue& value, const Place& place,
                  PoolDraft& pool) { return decode_grants(value, place, pool.config.grants); }},
    {"limits", [](const JsonValue& value, const Place& place,
                  PoolDraft& pool) { return decode_limits(value, place, pool.config.limits); }},
};

}  // namespace

// The latest file to describe a pool is the one to look at first; the earlier ones stand behind.
Failure refuse_pool(const PoolDraft& pool, const std::string& key_and_why) {
    std::string message = pool.places.back().text() + "." + key_and_why;
    const char* join = " (merged with ";
    for (std::size_t i = 0; i + 1 < pool.places.size(); ++i) {
        message += join + pool.places[i].text();
        join = ", ";
    }
    if (pool.places.size() > 1) message += ")";
    return {Errc::config_invalid, printable(message)};
}

std::optional<std::string> pool_name(const JsonValue& value) {
    for (const JsonMember& member : value.members) {
        if (member.key == "name" && member.value.kind == JsonValue::Kind::string) {
            return member.value.text;
        }
    }
    return std::nullopt;
}

Done decode_pool(const JsonValue& value, const Place& place, PoolDraft& pool) {
    return decode_object(value, place, pool_keys, pool);
}

Result<PoolConfig, Failure> finish_pool(PoolDraft&& pool) {
    if (!pool.policy) return refuse_pool(pool, "policy: is missing");
    if (!pool.min) return refuse_pool(pool, "min: is missing");
    if (!pool.max) return refuse_pool(pool, "max: is missing");
    pool.config.spec.policy = *pool.policy;
    pool.config.spec.range = {*pool.min, *pool.max};
    if (auto valid = validate(pool.config.spec); !valid) {
        return refuse_pool(pool, valid.error().message);
    }
    return std::move(pool.config);
}

void add_pool_keys(const std::string& prefix, std::vector<std::string>& paths) {
    add_key_paths(prefix, pool_keys, paths);
    add_key_paths(prefix + "reserved[].", band_keys, paths);
    add_grant_keys(prefix + "grants[].", paths);
    add_pool_limits_keys(prefix + "limits[].", paths);
}

}  // namespace inod
