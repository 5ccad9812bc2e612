#include "config/changes.h"

#include <algorithm>
#include <concepts>
#include <optional>
#include <string_view>
#include <utility>

#include "config/json_value.h"

namespace inod {
namespace {

std::string text(std::integral auto value) {
    return std::to_string(value);
}
std::string text(bool value) {
    return value ? "true" : "false";
}
std::string text(const std::string& value) {
    return value.empty() ? "none" : "'" + printable(value) + "'";
}
std::string text(std::string_view word) {
    return std::string(word);
}
std::string text(const std::optional<Id>& value) {
    return value ? text(*value) : "none";
}
std::string text(const std::vector<Range>& bands) {
    std::string all;
    for (const Range band : bands)
        all += (all.empty() ? "" : ", ") + text(band.first) + "-" + text(band.last);
    return all.empty() ? "none" : all;
}
// Permissions.
std::string octal(std::uint32_t mode) {
    std::string digits = "0000";
    for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit, mode /= 8)
        *digit = static_cast<char>('0' + mode % 8);
    return digits;
}

std::string witness_dir_of(const Config& config) {
    return config.witness_dir.empty() ? default_witness_dir(config.state_dir) : config.witness_dir;
}

const PoolConfig* find(const std::vector<PoolConfig>& pools, const std::string& name) {
    const auto found = std::find_if(pools.begin(), pools.end(),
                                    [&](const PoolConfig& pool) { return pool.spec.name == name; });
    return found != pools.end() ? &*found : nullptr;
}

// Of two configurations, setting by setting.
class Comparison {
public:
    Comparison(const Config& running, const Config& wanted) : running_(running), wanted_(wanted) {}

    Result<ConfigChanges, Failure> compare() {
        compare_fixed();
        compare_free();
        compare_pools();
        if (takes_restart_.empty() && taken_over() != wanted_) {
            takes_restart_ = "a setting of which no more is known";
        }
        if (takes_restart_.empty()) return std::move(changes_);
        return Failure{
            Errc::config_invalid,
            "what cannot change while the daemon runs takes a restart: " + takes_restart_};
    }

private:
    void compare_fixed() {
        fixed("state_dir", text(running_.state_dir), text(wanted_.state_dir));
        fixed("witness_dir", text(witness_dir_of(running_)), text(witness_dir_of(wanted_)));
        fixed("socket", text(running_.socket), text(wanted_.socket));
        fixed("socket_mode", octal(running_.socket_mode), octal(wanted_.socket_mode));
        fixed("memory_max", text(running_.memory_max), text(wanted_.memory_max));
        fixed("poll_us", text(running_.poll_us), text(wanted_.poll_us));
        fixed("threads", text(running_.threads), text(wanted_.threads));
        fixed("journal.segment_size", text(running_.segment_size), text(wanted_.segment_size));
    }

    void compare_free() {
        free("connections_max", running_.connections_max, wanted_.connections_max);
        free("holders_max", running_.holders_max, wanted_.holders_max);
        if (running_.user_limits != wanted_.user_limits) changes_.said.emplace_back("user_limits");
        free("token_keep", running_.token_keep, wanted_.token_keep);
        free("token_count_max", running_.token_count_max, wanted_.token_count_max);
        free("restart_grace", running_.restart_grace, wanted_.restart_grace);
        free("journal.snapshot_age_max", running_.snapshot_age_max, wanted_.snapshot_age_max);
        free("log_level", name(running_.log_level), name(wanted_.log_level));
    }

    void compare_pools() {
        for (const PoolConfig& pool : running_.pools) {
            if (find(wanted_.pools, pool.spec.name) != nullptr) continue;
            takes_restart("pool '" + pool.spec.name + "' is gone");
        }
        for (const PoolConfig& pool : wanted_.pools) {
            if (const PoolConfig* const before = find(running_.pools, pool.spec.name)) {
                compare_pool(*before, pool);
            } else {
                changes_.new_pools.push_back(pool.spec);
                changes_.said.push_back("new pool '" + pool.spec.name + "'");
            }
        }
    }

    void compare_pool(const PoolConfig& running, const PoolConfig& wanted) {
        const std::string pool = "pool '" + running.spec.name + "'";
        compare_spec(pool + ": ", running.spec, wanted.spec);
        if (running.grants != wanted.grants) changes_.said.push_back("grants of " + pool);
        if (running.limits != wanted.limits) changes_.said.push_back("limits of " + pool);
    }

    void compare_spec(const std::string& pool, const PoolSpec& running, const PoolSpec& wanted) {
        fixed_for_good(pool + "policy", text(name(running.policy)), text(name(wanted.policy)));
        fixed_for_good(pool + "min", text(running.range.first), text(wanted.range.first));
        const bool is_widened = wanted.range.last > running.range.last;
        const std::string last = text(running.range.last);
        const std::string wanted_last = text(wanted.range.last);
        if (is_widened) {
            fixed(pool + "max", last, wanted_last);
        } else {
            fixed_for_good(pool + "max", last, wanted_last);
        }
        fixed_for_good(pool + "durability", text(name(running.durability)),
                       text(name(wanted.durability)));
        fixed(pool + "lease_count_max", text(running.lease_count_max),
              text(wanted.lease_count_max));
        fixed_for_good(pool + "tracking", text(running.tracking), text(wanted.tracking));
        fixed(pool + "align", text(running.align), text(wanted.align));
        fixed(pool + "wrap_to", text(running.wrap_to), text(wanted.wrap_to));
        fixed(pool + "quarantine", text(running.quarantine_ms / 1000),
              text(wanted.quarantine_ms / 1000));
        fixed(pool + "quarantine_yields", text(running.quarantine_yields),
              text(wanted.quarantine_yields));
        fixed(pool + "reserved", text(running.reserved), text(wanted.reserved));
        fixed_for_good(pool + "parent", text(running.parent), text(wanted.parent));
    }

    // The running one with all that may change as it is wanted: nothing else is another then, or it is a
    // setting that was forgotten above.
    [[nodiscard]] Config taken_over() const {
        Config taken = running_;
        taken.witness_dir = wanted_.witness_dir;
        taken.connections_max = wanted_.connections_max;
        taken.holders_max = wanted_.holders_max;
        taken.user_limits = wanted_.user_limits;
        taken.token_keep = wanted_.token_keep;
        taken.token_count_max = wanted_.token_count_max;
        taken.restart_grace = wanted_.restart_grace;
        taken.snapshot_age_max = wanted_.snapshot_age_max;
        taken.log_level = wanted_.log_level;
        taken.pools.clear();
        for (const PoolConfig& pool : wanted_.pools) {
            const PoolConfig* const before = find(running_.pools, pool.spec.name);
            taken.pools.push_back(before != nullptr ? *before : pool);
            taken.pools.back().grants = pool.grants;
            taken.pools.back().limits = pool.limits;
        }
        return taken;
    }

    void fixed(const std::string& key, const std::string& running, const std::string& wanted) {
        if (running != wanted) takes_restart(key + " from " + running + " to " + wanted);
    }
    // A start refuses it, too.
    void fixed_for_good(const std::string& key, const std::string& running,
                        const std::string& wanted) {
        if (running == wanted) return;
        takes_restart(
            key + " from " + running + " to " + wanted +
            " (a restart is refused as well: undo it, or give the new pool another name)");
    }
    template <class Value>
    void free(const std::string& key, const Value& running, const Value& wanted) {
        if (running != wanted)
            changes_.said.push_back(key + " " + text(running) + " -> " + text(wanted));
    }
    void takes_restart(const std::string& what) {
        takes_restart_ += (takes_restart_.empty() ? "" : "; ") + what;
    }

    const Config& running_;
    const Config& wanted_;
    ConfigChanges changes_;
    std::string takes_restart_;
};

}  // namespace

Result<ConfigChanges, Failure> changes_between(const Config& running, const Config& wanted) {
    return Comparison(running, wanted).compare();
}

}  // namespace inod
