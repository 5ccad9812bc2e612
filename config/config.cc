#include "config/config.h"

#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "config/decode.h"

namespace inod {
namespace {

using Done = Result<void, Failure>;

constexpr std::uint32_t account_id_max = 0xFFFF'FFFE;  // -1 means "no UID" to the kernel

// A pool as far as the files read so far describe it.
struct PoolDraft {
    std::optional<std::string> name;
    std::optional<Policy> policy;
    std::optional<Id> min;
    std::optional<Id> max;
    std::optional<Durability> durability;
    std::optional<std::uint32_t> lease_count_max;
    std::optional<std::vector<Grant>> grants;
    std::vector<Place> places;  // of its descriptions, the latest last
    std::size_t file = 0;       // number of the file with the latest
};

struct Draft {
    Config config;         // all but the pools
    std::size_t file = 0;  // number of the file being read
    std::vector<PoolDraft> pools;
    std::map<std::string, std::size_t> pool_index;  // into `pools`, by name
};

// Reads a word into `out`, by the names that name() gives to `values`.
template <class Enum, std::size_t count, class Out>
Done decode_word(const JsonValue& value, const Place& place, const Enum (&values)[count],
                 Out& out) {
    std::vector<std::string_view> words;
    for (const Enum candidate : values) {
        words.push_back(name(candidate));
        if (value.kind == JsonValue::Kind::string && value.text == words.back()) {
            out = candidate;
            return {};
        }
    }
    return not_one_of(value, place, words);
}

template <class Integer, class Out>
Done decode_integer(const JsonValue& value, const Place& place, Integer min, Integer max,
                    Out& out) {
    const auto number = integer(value, place, min, max);
    if (!number) return number.error();
    out = static_cast<Integer>(*number);
    return {};
}

// A relative path would mean another place for each way to start the daemon.
Done decode_path(const JsonValue& value, const Place& place, std::string& out) {
    auto path = string_of(value, place);
    if (!path) return path.error();
    if (path->empty() || path->front() != '/' || path->find('\0') != std::string::npos) {
        return place.refuse(quote(*path) + " is not an absolute path");
    }
    out = *std::move(path);
    return {};
}

Done decode_state_dir(const JsonValue& value, const Place& place, Draft& draft) {
    return decode_path(value, place, draft.config.state_dir);
}

Done decode_witness_dir(const JsonValue& value, const Place& place, Draft& draft) {
    return decode_path(value, place, draft.config.witness_dir);
}

Done decode_socket(const JsonValue& value, const Place& place, Draft& draft) {
    std::string& out = draft.config.socket;
    if (auto path = decode_path(value, place, out); !path) return path;
    if (out.size() <= socket_path_size_max) return {};
    return place.refuse(quote(out) + " has " + std::to_string(out.size()) +
                        " bytes, and the path of a socket at most " +
                        std::to_string(socket_path_size_max));
}

// JSON has no octal numbers, so permissions are a string.
Done decode_mode(const JsonValue& value, const Place& place, std::uint32_t& out) {
    const std::string& digits = value.text;
    const bool octal = value.kind == JsonValue::Kind::string && digits.size() == 4 &&
                       digits.front() == '0' &&
                       digits.find_first_not_of("01234567") == std::string::npos;
    if (!octal) {
        return place.refuse(brief(value) + R"( is not a string of octal digits, "0000" to "0777")");
    }
    out = static_cast<std::uint32_t>(std::stoul(digits, nullptr, 8));
    return {};
}

constexpr Key<Grant> grant_keys[] = {
    {"uid",
     [](const JsonValue& value, const Place& place, Grant& grant) {
         grant.to = Grant::To::uid;
         return decode_integer(value, place, 0U, account_id_max, grant.id);
     }},
    {"gid",
     [](const JsonValue& value, const Place& place, Grant& grant) {
         grant.to = Grant::To::gid;
         return decode_integer(value, place, 0U, account_id_max, grant.id);
     }},
    {"everyone",
     [](const JsonValue& value, const Place& place, Grant& grant) -> Done {
         if (!value.truth) return place.refuse(brief(value) + " is not true");
         grant.to = Grant::To::everyone;
         return {};
     }},
};

Done decode_grants(const JsonValue& value, const Place& place, PoolDraft& pool) {
    if (auto array = require_array(value, place); !array) return array;
    std::vector<Grant> grants;
    for (std::size_t i = 0; i < value.elements.size(); ++i) {
        const JsonValue& element = value.elements[i];
        Grant grant;
        if (auto done = decode_object(element, place.element(i), grant_keys, grant); !done) {
            return done;
        }
        if (element.members.size() != 1) {
            return place.element(i).refuse(brief(element) +
                                           R"( is not exactly one of "uid", "gid", "everyone")");
        }
        grants.push_back(grant);
    }
    pool.grants = std::move(grants);
    return {};
}

template <std::optional<Id> PoolDraft::*bound>
Done decode_bound(const JsonValue& value, const Place& place, PoolDraft& pool) {
    return decode_integer(value, place, Id{0}, id_max, pool.*bound);
}

constexpr Key<PoolDraft> pool_keys[] = {
    {"name",
     [](const JsonValue& value, const Place& place, PoolDraft& pool) -> Done {
         auto word = string_of(value, place);
         if (!word) return word.error();
         pool.name = *std::move(word);
         return {};
     }},
    {"policy",
     [](const JsonValue& value, const Place& place, PoolDraft& pool) {
         return decode_word(value, place, {Policy::unique, Policy::cyclic}, pool.policy);
     }},
    {"min", decode_bound<&PoolDraft::min>},
    {"max", decode_bound<&PoolDraft::max>},
    {"durability",
     [](const JsonValue& value, const Place& place, PoolDraft& pool) {
         return decode_word(value, place, {Durability::lease, Durability::block}, pool.durability);
     }},
    {"lease_count_max",
     [](const JsonValue& value, const Place& place, PoolDraft& pool) {
         return decode_integer(value, place, 1U, 0xFFFF'FFFFU, pool.lease_count_max);
     }},
    {"grants", decode_grants},
};

template <class T>
void overlay(std::optional<T>& field, std::optional<T>& later) {
    if (later) field = std::move(later);
}

// What a later file says of a pool replaces what the earlier ones said, key by key.
void merge(PoolDraft& pool, PoolDraft& later) {
    overlay(pool.policy, later.policy);
    overlay(pool.min, later.min);
    overlay(pool.max, later.max);
    overlay(pool.durability, later.durability);
    overlay(pool.lease_count_max, later.lease_count_max);
    overlay(pool.grants, later.grants);
}

Done decode_pool(const JsonValue& value, const Place& place, Draft& draft) {
    PoolDraft read;
    if (auto done = decode_object(value, place, pool_keys, read); !done) return done;
    if (!read.name) return place.member("name").refuse("is missing");

    const auto [known, is_new] = draft.pool_index.try_emplace(*read.name, draft.pools.size());
    if (is_new) {
        draft.pools.push_back(std::move(read));
    } else if (draft.pools[known->second].file == draft.file) {
        return place.member("name").refuse(quote(*read.name) +
                                           " names a pool of the same file already");
    } else {
        merge(draft.pools[known->second], read);
    }
    PoolDraft& pool = draft.pools[known->second];
    pool.places.push_back(place);
    pool.file = draft.file;
    return {};
}

Done decode_pools(const JsonValue& value, const Place& place, Draft& draft) {
    if (auto array = require_array(value, place); !array) return array;
    for (std::size_t i = 0; i < value.elements.size(); ++i) {
        if (auto done = decode_pool(value.elements[i], place.element(i), draft); !done) return done;
    }
    return {};
}

Done decode_segment_size(const JsonValue& value, const Place& place, Draft& draft) {
    std::uint64_t size = 0;
    auto done = decode_integer(value, place, configured_segment_size_min,
                               configured_segment_size_max, size);
    if (!done) return done;
    if (size % configured_segment_size_unit != 0) {
        return place.refuse(brief(value) + " is not a multiple of " +
                            std::to_string(configured_segment_size_unit));
    }
    draft.config.segment_size = size;
    return {};
}

Done decode_snapshot_age_max(const JsonValue& value, const Place& place, Draft& draft) {
    return decode_integer(value, place, 1U, snapshot_age_limit, draft.config.snapshot_age_max);
}

constexpr Key<Draft> journal_keys[] = {
    {"segment_size", decode_segment_size},
    {"snapshot_age_max", decode_snapshot_age_max},
};

Done decode_journal(const JsonValue& value, const Place& place, Draft& draft) {
    return decode_object(value, place, journal_keys, draft);
}

constexpr Key<Draft> config_table[] = {
    // Where an editor finds the schema; it says nothing to the daemon.
    {"$schema",
     [](const JsonValue& value, const Place& place, Draft& /*draft*/) -> Done {
         auto word = string_of(value, place);
         if (!word) return word.error();
         return {};
     }},
    {"pools", decode_pools},
    {"state_dir", decode_state_dir},
    {"witness_dir", decode_witness_dir},
    {"socket", decode_socket},
    {"socket_mode",
     [](const JsonValue& value, const Place& place, Draft& draft) {
         return decode_mode(value, place, draft.config.socket_mode);
     }},
    {"memory_max",
     [](const JsonValue& value, const Place& place, Draft& draft) {
         return decode_integer(value, place, std::uint64_t{0}, ~std::uint64_t{0},
                               draft.config.memory_max);
     }},
    {"connections_max",
     [](const JsonValue& value, const Place& place, Draft& draft) {
         return decode_integer(value, place, 1U, connections_limit, draft.config.connections_max);
     }},
    {"journal", decode_journal},
    {"log_level",
     [](const JsonValue& value, const Place& place, Draft& draft) {
         return decode_word(value, place,
                            {LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error},
                            draft.config.log_level);
     }},
};

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

Result<PoolConfig, Failure> finish_pool(PoolDraft& pool) {
    if (!pool.policy) return refuse_pool(pool, "policy: is missing");
    if (!pool.min) return refuse_pool(pool, "min: is missing");
    if (!pool.max) return refuse_pool(pool, "max: is missing");
    PoolConfig config;
    config.spec.name = *std::move(pool.name);
    config.spec.policy = *pool.policy;
    config.spec.range = {*pool.min, *pool.max};
    config.spec.durability = pool.durability.value_or(config.spec.durability);
    config.spec.lease_count_max = pool.lease_count_max.value_or(config.spec.lease_count_max);
    if (pool.grants) config.grants = *std::move(pool.grants);
    if (auto valid = validate(config.spec); !valid) {
        return refuse_pool(pool, valid.error().message);
    }
    return config;
}

Done decode_source(const Source& source, Draft& draft) {
    const auto root = parse_json(source.text);
    if (!root) return Place(source.name).refuse(root.error().message);
    return decode_object(*root, Place(source.name), config_table, draft);
}

template <class Target, std::size_t count>
void add_keys(const std::string& prefix, const Key<Target> (&keys)[count],
              std::vector<std::string>& paths) {
    for (const Key<Target>& key : keys)
        paths.push_back(prefix + std::string(key.name));
}

}  // namespace

Result<Config, Failure> parse_config(std::span<const Source> sources) {
    Draft draft;
    for (const Source& source : sources) {
        ++draft.file;
        if (auto done = decode_source(source, draft); !done) return done.error();
    }
    if (draft.pools.empty()) {
        const std::string file = sources.empty() ? "configuration" : sources.front().name;
        return Place(file).member("pools").refuse(
            "no pool is described, and a daemon without one has nothing to hand out");
    }
    for (PoolDraft& pool : draft.pools) {
        auto finished = finish_pool(pool);
        if (!finished) return finished.error();
        draft.config.pools.push_back(*std::move(finished));
    }
    return std::move(draft.config);
}

std::string default_witness_dir(const std::string& state_dir) {
    std::string path = state_dir;
    // "ids/" and "ids/." are "ids": behind the slash, the witness would lie in the state directory.
    while (path.size() > 1 && (path.ends_with('/') || path.ends_with("/.")))
        path.pop_back();
    return path + ".witness";
}

std::string_view name(LogLevel level) noexcept {
    switch (level) {
        case LogLevel::debug: return "debug";
        case LogLevel::info: return "info";
        case LogLevel::warn: return "warn";
        case LogLevel::error: return "error";
    }
    return "unknown";
}

std::vector<std::string> config_keys() {
    std::vector<std::string> paths;
    add_keys("", config_table, paths);
    add_keys("journal.", journal_keys, paths);
    add_keys("pools[].", pool_keys, paths);
    add_keys("pools[].grants[].", grant_keys, paths);
    return paths;
}

}  // namespace inod
