#include "cli/commands.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "cli/holders.h"
#include "cli/report.h"
#include "lib/base/hex.h"

namespace inod::cli {
namespace {

ExitStatus show(const Result<proto::LeaseRecord>& lease, const Client& client,
                const Options& options) {
    if (!lease) return fail(client, lease.error());
    if (options.format == Format::off) {
        print_line(text_of(*lease));
    } else {
        print(json_of(options.pool, *lease), options.format);
    }
    return ExitStatus::ok;
}

// A pool that the client may not use is told by its index.
std::string name_of(const std::vector<PoolInfo>& pools, std::uint16_t index) {
    for (const PoolInfo& pool : pools) {
        if (pool.index == index) return pool.name;
    }
    return "#" + std::to_string(index);
}

// A line for each level, the highest first.
ExitStatus show_levels(Client& client, const Options& options) {
    const IdsArgument& asked = options.ids.front();
    const auto levels = client.lookup_levels(options.pool, asked.range.first, asked.generation);
    if (!levels) return fail(client, levels.error());
    const auto pools = client.pools();
    if (!pools) return fail(client, pools.error());
    Json all = Json::array();
    for (const proto::LevelRecord& level : *levels) {
        const std::string pool = name_of(*pools, level.pool);
        if (options.format == Format::off) {
            print_line(pool + " " + text_of({level.id, level.id}, level.generation));
        } else {
            all.push_back({{"pool", pool}, {"id", level.id}, {"generation", level.generation}});
        }
    }
    if (options.format != Format::off) print(all, options.format);
    return ExitStatus::ok;
}

bool has_ttl(const Options& options) {
    return options.bind && options.bind->binding == proto::Binding::ttl;
}

// " key=00..ff" of a holder with a time limit, which cannot be renewed without.
std::string text_of_key(const Options& options, const proto::BindReply& bound) {
    return has_ttl(options) ? " key=" + hex(bound.key) : std::string();
}

// " holder=7 key=00..ff" of one with a time limit.
std::string text_of_holder(const Options& options, const proto::BindReply& bound) {
    if (!has_ttl(options)) return {};
    return " holder=" + std::to_string(bound.holder) + text_of_key(options, bound);
}

bool outlives_inoctl(const Options& options) {
    return has_ttl(options) || options.bind->binding == proto::Binding::persistent || options.pid;
}

void add_holder(Json& json, const proto::BindReply& bound) {
    json["holder"] = bound.holder;
    if (bound.key != proto::HolderKey{}) json["key"] = hex(bound.key);
}

Result<proto::LeaseReply> lease_as_wished(Client& client, const Options& options) {
    if (options.at && options.token) {
        return client.allocate_at_once(options.pool, *options.token, options.at->range);
    }
    if (options.at) return client.allocate_at(options.pool, options.at->range);
    if (options.token) {
        return client.allocate_once(options.pool, *options.token, options.count, options.align);
    }
    return client.allocate(options.pool, options.count, options.align);
}

}  // namespace

ExitStatus run(Command command, const Options& options) {
    ClientOptions client_options;
    client_options.socket_path = options.socket;
    if (!options.pool.empty()) client_options.pools = {options.pool};
    client_options.passes_descriptors = options.pid.has_value();
    auto client = Client::connect(std::move(client_options));
    if (!client) {
        const ExitStatus status = status_of(client.error().code);
        const std::string subject = options.pool.empty() ? "" : " (pool '" + options.pool + "')";
        complain(status == ExitStatus::refused
                     ? describe(client.error().code, {}) + subject
                     : std::string(name(client.error().code)) + ": " + client.error().message);
        return status;
    }
    const ExitStatus status = command(*client, options);
    if (is_all_printed()) return status;
    complain("cannot write to standard output; what was asked for is done all the same");
    return ExitStatus::unheard;
}

ExitStatus alloc(Client& client, const Options& options) {
    std::optional<proto::BindReply> bound;
    if (options.bind) {
        const auto answer = bind_as_wished(client, options);
        if (!answer) return fail(answer.error());
        bound = *answer;
    }
    const auto lease = lease_as_wished(client, options);
    if (!lease) {
        const ExitStatus status = fail(client, lease.error());
        if (bound && outlives_inoctl(options)) {
            complain("the holder stays: holder=" + std::to_string(bound->holder) +
                     text_of_key(options, *bound));
        }
        return status;
    }
    std::string leased = text_of(lease->range, lease->generation);
    if (bound) leased += text_of_holder(options, *bound);
    if (options.format == Format::off) {
        print_line(leased);
    } else {
        Json json = json_of(options.pool, *lease);
        if (bound) add_holder(json, *bound);
        print(json, options.format);
    }
    // Whoever cannot be told what was leased can still release it.
    if (std::fflush(stdout) != 0) complain("leased in pool '" + options.pool + "': " + leased);
    return ExitStatus::ok;
}

ExitStatus token(Client& client, const Options& options) {
    const auto made = client.new_token();
    if (!made) return fail(client, made.error());
    if (options.format == Format::off) {
        print_line(text_of(*made));
    } else {
        print(Json{{"token", text_of(*made)}}, options.format);
    }
    return ExitStatus::ok;
}

ExitStatus for_each_ids(Client& client, const Options& options, const std::string& done,
                        const std::function<Result<>(const IdsArgument&)>& attempt) {
    ExitStatus status = ExitStatus::ok;
    Json all = Json::array();
    std::string names;
    for (const IdsArgument& ids : options.ids) {
        if (const auto outcome = attempt(ids); !outcome) {
            Failure failure = failure_of(client, outcome.error());
            if (options.ids.size() > 1) {
                failure.message += ", of " + text_of(ids.range, ids.generation);
            }
            status = fail(failure);
            if (status == ExitStatus::no_daemon) break;
            continue;
        }
        names += " " + text_of(ids.range, ids.generation);
        all.push_back(json_of(options.pool,
                              proto::LeaseReply{.range = ids.range, .generation = ids.generation}));
    }
    if (status != ExitStatus::ok && !names.empty()) complain(done + " all the same:" + names);
    if (options.format != Format::off) print(all, options.format);
    return status;
}

ExitStatus release(Client& client, const Options& options) {
    if (options.all) return release_all(client, options);
    if (const auto acting = act_as_named(client, options); !acting) {
        return fail(acting.error());
    }
    return for_each_ids(client, options, "released", [&](const IdsArgument& ids) {
        return options.others ? client.release_of_others(options.pool, ids.range, ids.generation)
                              : client.release(options.pool, ids.range, ids.generation);
    });
}

ExitStatus lookup(Client& client, const Options& options) {
    const IdsArgument& asked = options.ids.front();
    if (options.levels) return show_levels(client, options);
    return show(client.lookup_lease(options.pool, asked.range.first, asked.generation), client,
                options);
}

ExitStatus next(Client& client, const Options& options) {
    return show(client.next(options.pool, options.ids.front().range.first), client, options);
}

ExitStatus list(Client& client, const Options& options) {
    Json all = Json::array();
    std::uint32_t left = options.limit;
    Id from = options.from;
    for (bool more = true; more;) {
        const auto page = client.list(options.pool, from, left);
        if (!page) return fail(client, page.error());
        for (const proto::LeaseRecord& lease : page->leases) {
            if (options.format == Format::off) {
                print_line(text_of(lease));
            } else {
                all.push_back(json_of(options.pool, lease));
            }
        }
        more = page->more && !page->leases.empty();
        if (options.limit != 0) {
            left -= std::min(left, static_cast<std::uint32_t>(page->leases.size()));
            more = more && left > 0;
        }
        if (more) from = page->leases.back().range.last + 1;
    }
    if (options.format != Format::off) print(all, options.format);
    return ExitStatus::ok;
}

ExitStatus pools(Client& client, const Options& options) {
    const auto& table = client.pool_table();
    if (options.format == Format::off) {
        std::printf("%s", text_of(table).c_str());
        return ExitStatus::ok;
    }
    Json all = Json::array();
    for (const PoolInfo& pool : table)
        all.push_back(json_of(pool));
    print(all, options.format);
    return ExitStatus::ok;
}

ExitStatus stats(Client& client, const Options& options) {
    const auto numbers = options.pool.empty() ? client.daemon_stats() : client.stats(options.pool);
    if (!numbers) return fail(client, numbers.error());
    if (options.format == Format::off) {
        std::printf("%s", text_of(*numbers).c_str());
    } else {
        print(json_of(*numbers), options.format);
    }
    return ExitStatus::ok;
}

ExitStatus ping(Client& client, const Options& options) {
    const auto answered = client.ping();
    if (!answered) return fail(client, answered.error());
    if (options.format == Format::off) {
        print_line("ok");
    } else {
        print(Json{{"ok", true}}, options.format);
    }
    return ExitStatus::ok;
}

}  // namespace inod::cli
