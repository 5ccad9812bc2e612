// What an administrator says about the daemon: JSON in one file and its drop-ins, read at the start and at each reload,
// checked whole, and refused with the place and the value where it says something that cannot be
// meant.
//
// The files: `inod.json`, then `inod.d/*.json` in the byte order of their names. A later file adds
// to the earlier ones: objects merge by key, `pools` by name, any other array is replaced. What
// each key means, and its limits, stands in config/inod.schema.json, which ships with the daemon.
//
// Stricter than JSON itself where leniency hides a mistake: unknown keys, a key given twice in one
// object, a number that is not a whole one or does not fit, all are refused.
//
// Thread safety: the functions share nothing; a Config is a plain value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/limits.h"
#include "config/rights.h"
#include "lib/base/result.h"
#include "lib/pool/pool_spec.h"

namespace inod {

// Somebody, besides root and the daemon's own UID, who may use a pool, and how. Who is meant by
// several grants has what they give together.
struct Grant {
    enum class To : std::uint8_t { uid, gid, everyone };

    To to = To::everyone;
    std::uint32_t id = 0;            // The UID or GID, 0 to 2^32 - 2; 0 where `to` is everyone.
    Rights rights = rights_default;  // not empty

    friend bool operator==(const Grant&, const Grant&) = default;
};

struct PoolConfig {
    PoolSpec spec;                                  // passes validate()
    std::vector<Grant> grants;                      // empty: only root and the daemon's own UID
    std::vector<LimitsEntry<PoolLimits>> limits{};  // of users; see limits_of()

    friend bool operator==(const PoolConfig&, const PoolConfig&) = default;
};

enum class LogLevel : std::uint8_t { debug, info, warn, error };

// The limits of the settings below. The schema says the same, and a test compares the two.
inline constexpr std::uint32_t connections_limit = 1'048'576;  // Linux's fs.nr_open by default.
inline constexpr std::uint32_t holders_limit = 0xFFFF'FFFF;
inline constexpr std::uint32_t token_keep_limit = 31'536'000;  // a year
inline constexpr std::uint32_t token_count_limit = 0x7FFF'FFFF;
inline constexpr std::uint32_t restart_grace_limit = 86'400;  // a day
inline constexpr std::uint32_t poll_us_limit = 1'000;
inline constexpr std::uint32_t threads_limit = 64;
inline constexpr std::uint64_t configured_segment_size_unit = 4096;
inline constexpr std::uint64_t configured_segment_size_min = std::uint64_t{64} << 10U;
inline constexpr std::uint64_t configured_segment_size_max = std::uint64_t{256} << 20U;
inline constexpr std::uint32_t snapshot_age_limit = 31'536'000;  // a year
inline constexpr std::size_t socket_path_size_max = 107;  // sun_path of unix(7), less its NUL.

struct Config {
    std::vector<PoolConfig> pools;  // at least one, in the order of their first appearance
    std::string state_dir = "/var/lib/inod";     // absolute
    std::string witness_dir;                     // absolute; empty: default_witness_dir()
    std::string socket = "/run/inod/inod.sock";  // absolute, at most socket_path_size_max bytes
    std::uint32_t socket_mode = 0666;            // permissions, 0 to 0777; grants decide the rest
    std::uint64_t memory_max = 0;                // bytes; 0: the daemon decides when it starts
    std::uint32_t connections_max = 16'384;      // 1 to connections_limit
    std::uint32_t holders_max = 1'000'000;       // over all users, 1 to holders_limit
    std::vector<LimitsEntry<UserLimits>> user_limits{};  // see limits_of()
    std::uint32_t token_keep = 3600;            // seconds that a token is kept at least; not 0
    std::uint32_t token_count_max = 1'000'000;  // over all users, 0 to token_count_limit; 0: none
    // Seconds that a holder bound to a connection waits for its client after a restart of the
    // daemon, 0 to restart_grace_limit.
    std::uint32_t restart_grace = 10;
    std::uint64_t segment_size = std::uint64_t{4} << 20U;  // bytes, "journal": {"segment_size"}
    std::uint32_t snapshot_age_max = 3600;  // seconds, likewise "snapshot_age_max"; not 0
    std::uint32_t poll_us =
        0;  // microseconds of looking before the daemon sleeps, to poll_us_limit
    std::uint32_t threads = 1;  // that serve connections, 1 to threads_limit
    LogLevel log_level = LogLevel::info;

    friend bool operator==(const Config&, const Config&) = default;
};

// A file of the configuration: what messages call it, and all of its text.
struct Source {
    std::string name;
    std::string text;
};

// Reads `file` and the drop-ins beside it, in <file without .json>.d, where a missing directory is
// an empty one and names that begin with a dot are passed over. The caller may be any thread; it
// waits for the disk.
//
// Errors: config_invalid, for a file that cannot be read as well as for what parse_config()
// refuses.
//   The message names the file and what is wrong; an administrator mends it.
Result<Config, Failure> load_config(const std::string& file);

// The same for a daemon that serves, and waits for no pipe: what is not there yet is refused.
Result<Config, Failure> reload_config(const std::string& file);

// The same of texts in memory, the first the main file, the others its drop-ins in order.
//
// Errors: config_invalid. Messages look like
//   inod.d/10-x.json: pools[1].min: -3 is not an integer from 0 to 18446744073709551615
//   inod.json: line 3, column 14: unexpected '}'; expected string literal
Result<Config, Failure> parse_config(std::span<const Source> sources);

// Where the witness of the state in `state_dir` is when nobody says otherwise: beside it, with
// ".witness" behind its name.
std::string default_witness_dir(const std::string& state_dir);

// "debug", "info", "warn", "error".
std::string_view name(LogLevel level) noexcept;

// Every key that a configuration may have, by its path: "pools", "pools[].min". For the test that
// holds the schema against the parser.
std::vector<std::string> config_keys();

}  // namespace inod
