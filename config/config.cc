#include "config/config.h"

#include <map>
#include <optional>
#include <utility>

#include "config/decode.h"
#include "config/limit_keys.h"
#include "config/pool_draft.h"

namespace inod {
namespace {

struct Draft {
    Config config;         // all but the pools
    std::size_t file = 0;  // number of the file being read
    std::vector<PoolDraft> pools;
    std::map<std::string, std::size_t> pool_index;  // into `pools`, by name
};

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

Done describe_pool(const JsonValue& value, const Place& place, Draft& draft) {
    const std::optional<std::string> name = pool_name(value);
    PoolDraft nameless;
    PoolDraft* pool = &nameless;
    if (name) {
        const auto [known, is_new] = draft.pool_index.try_emplace(*name, draft.pools.size());
        if (is_new) draft.pools.emplace_back();
        pool = &draft.pools[known->second];
    }
    if (auto done = decode_pool(value, place, *pool); !done) return done;
    if (!name) return place.member("name").refuse("is missing");
    if (pool->file == draft.file) {
        return place.member("name").refuse(quote(*name) + " names a pool of the same file already");
    }
    pool->places.push_back(place);
    pool->file = draft.file;
    return {};
}

Done decode_pools(const JsonValue& value, const Place& place, Draft& draft) {
    return decode_elements(value, place, [&](const JsonValue& element, const Place& at) {
        return describe_pool(element, at, draft);
    });
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
    {"holders_max",
     [](const JsonValue& value, const Place& place, Draft& draft) {
         return decode_integer(value, place, 1U, holders_limit, draft.config.holders_max);
     }},
    {"user_limits",
     [](const JsonValue& value, const Place& place, Draft& draft) {
         return decode_limits(value, place, draft.config.user_limits);
     }},
    {"token_keep",
     [](const JsonValue& value, const Place& place, Draft& draft) {
         return decode_integer(value, place, 1U, token_keep_limit, draft.config.token_keep);
     }},
    {"token_count_max",
     [](const JsonValue& value, const Place& place, Draft& draft) {
         return decode_integer(value, place, 0U, token_count_limit, draft.config.token_count_max);
     }},
    {"restart_grace",
     [](const JsonValue& value, const Place& place, Draft& draft) {
         return decode_integer(value, place, 0U, restart_grace_limit, draft.config.restart_grace);
     }},
    {"poll_us",
     [](const JsonValue& value, const Place& place, Draft& draft) {
         return decode_integer(value, place, 0U, poll_us_limit, draft.config.poll_us);
     }},
    {"threads",
     [](const JsonValue& value, const Place& place, Draft& draft) {
         return decode_integer(value, place, 1U, threads_limit, draft.config.threads);
     }},
    {"journal", decode_journal},
    {"log_level",
     [](const JsonValue& value, const Place& place, Draft& draft) {
         return decode_word(value, place,
                            {LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error},
                            draft.config.log_level);
     }},
};

Done decode_source(const Source& source, Draft& draft) {
    const auto root = parse_json(source.text);
    if (!root) return Place(source.name).refuse(root.error().message);
    return decode_object(*root, Place(source.name), config_table, draft);
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
    std::vector<PoolSpec> specs;
    for (PoolDraft& pool : draft.pools) {
        auto finished = finish_pool(std::move(pool));
        if (!finished) return finished.error();
        specs.push_back(finished->spec);
        draft.config.pools.push_back(*std::move(finished));
    }
    if (const auto misplaced = check_parents(specs)) {
        return refuse_pool(draft.pools[misplaced->pool], misplaced->message);
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
    add_key_paths("", config_table, paths);
    add_key_paths("journal.", journal_keys, paths);
    add_user_limits_keys("user_limits[].", paths);
    add_pool_keys("pools[].", paths);
    return paths;
}

}  // namespace inod
