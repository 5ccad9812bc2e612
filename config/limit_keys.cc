#include "config/limit_keys.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace inod {
namespace {

using PoolEntry = LimitsEntry<PoolLimits>;
using UserEntry = LimitsEntry<UserLimits>;

template <class Entry>
Done decode_uid(const JsonValue& value, const Place& place, Entry& entry) {
    return decode_integer(value, place, 0U, account_id_max, entry.uid);
}

template <class Entry>
Done decode_everyone(const JsonValue& value, const Place& place, Entry& /*entry*/) {
    return require_true(value, place);
}

template <class Limits, class Integer, Integer Limits::*figure>
Done decode_figure(const JsonValue& value, const Place& place, LimitsEntry<Limits>& entry) {
    return decode_integer(value, place, Integer{0}, std::numeric_limits<Integer>::max(),
                          entry.limits.*figure);
}

constexpr Key<PoolEntry> pool_limits_keys[] = {
    {"uid", decode_uid<PoolEntry>},
    {"everyone", decode_everyone<PoolEntry>},
    {"ids", decode_figure<PoolLimits, std::uint64_t, &PoolLimits::ids>},
    {"leases", decode_figure<PoolLimits, std::uint64_t, &PoolLimits::leases>},
};

constexpr Key<UserEntry> user_limits_keys[] = {
    {"uid", decode_uid<UserEntry>},
    {"everyone", decode_everyone<UserEntry>},
    {"connections", decode_figure<UserLimits, std::uint32_t, &UserLimits::connections>},
    {"holders", decode_figure<UserLimits, std::uint32_t, &UserLimits::holders>},
    {"tokens", decode_figure<UserLimits, std::uint64_t, &UserLimits::tokens>},
};

template <class Limits, std::size_t count>
Done decode_entry(const JsonValue& value, const Place& place,
                  const Key<LimitsEntry<Limits>> (&keys)[count],
                  std::vector<LimitsEntry<Limits>>& entries) {
    LimitsEntry<Limits> entry;
    if (auto done = decode_object(value, place, keys, entry); !done) return done;
    if (auto done = require_one_key_of(value, place, {"uid", "everyone"}); !done) return done;
    const auto same = [&](const LimitsEntry<Limits>& other) { return other.uid == entry.uid; };
    if (std::any_of(entries.begin(), entries.end(), same)) {
        const std::string who = entry.uid ? std::to_string(*entry.uid) : "true";
        return place.member(entry.uid ? "uid" : "everyone").refuse(who + " has an entry already");
    }
    entries.push_back(entry);
    return {};
}

template <class Limits, std::size_t count>
Done decode_entries(const JsonValue& value, const Place& place,
                    const Key<LimitsEntry<Limits>> (&keys)[count],
                    std::vector<LimitsEntry<Limits>>& entries) {
    std::vector<LimitsEntry<Limits>> read;
    auto done = decode_elements(value, place, [&](const JsonValue& element, const Place& at) {
        return decode_entry(element, at, keys, read);
    });
    if (done) entries = std::move(read);
    return done;
}

}  // namespace

Done decode_limits(const JsonValue& value, const Place& place, std::vector<PoolEntry>& entries) {
    return decode_entries(value, place, pool_limits_keys, entries);
}

Done decode_limits(const JsonValue& value, const Place& place, std::vector<UserEntry>& entries) {
    return decode_entries(value, place, user_limits_keys, entries);
}

void add_pool_limits_keys(const std::string& prefix, std::vector<std::string>& paths) {
    add_key_paths(prefix, pool_limits_keys, paths);
}

void add_user_limits_keys(const std::string& prefix, std::vector<std::string>& paths) {
    add_key_paths(prefix, user_limits_keys, paths);
}

}  // namespace inod
