// The verbs about numbers and pools.
#include <vector>

#include "cli/administration.h"
#include "cli/command_line.h"
#include "cli/watching.h"

namespace inod::cli {

void CommandLine::add_pool(CLI::App* verb) {
    verb->add_option("POOL", options_.pool, "The pool's name")->required();
}

IdsArgument CommandLine::ids_of(const std::string& text, bool one, bool with_generation) {
    const auto ids = parse_ids(text);
    if (!ids || (one && ids->range.first != ids->range.last) ||
        (!with_generation && ids->generation != 0)) {
        throw CLI::ValidationError("'" + text + "' is not " + (one ? "an ID" : "an ID or range"));
    }
    return *ids;
}

CLI::Option* CommandLine::add_ids(CLI::App* verb, const char* option_name, const char* what,
                                  bool with_generation) {
    return verb->add_option_function<std::vector<std::string>>(
        option_name,
        [this, with_generation](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) {
                options_.ids.push_back(ids_of(text, false, with_generation));
            }
        },
        what);
}

void CommandLine::add_lease_size(CLI::App* verb) {
    add_number(verb, "--count", "How many in a row", options_.count);
    add_number(verb, "--align", "The first is a multiple of this", options_.align);
}

void CommandLine::add_alloc() {
    CLI::App* const verb = add("alloc", "Lease numbers; prints ID or FIRST-LAST", cli::alloc);
    add_pool(verb);
    add_lease_size(verb);
    verb->add_option_function<std::string>(
            "--at", [this](const std::string& text) { options_.at = ids_of(text, false, false); },
            "Lease just this ID or range")
        ->excludes("--count")
        ->excludes("--align");
    add_binding(verb);
    verb->add_option_function<std::string>(
            "--token",
            [this](const std::string& text) {
                options_.token = parse_token(text);
                if (!options_.token) {
                    throw CLI::ValidationError("'" + text +
                                               "' is not a token; inoctl token prints one");
                }
            },
            "Lease once, however often it is asked for with this token")
        ->option_text("TOKEN");
    verb->footer(
        "With ttl the holder's number and its key are printed behind the ID: inoctl renew takes\n"
        "either the key or the name. One that is found again keeps the time it was made with;\n"
        "inoctl holders shows what is left.");
}

void CommandLine::add_token() {
    add("token", "A fresh token for alloc, which is then safe to repeat", cli::token)
        ->footer(
            "    token=$(inoctl token)\n"
            "    until inoctl alloc inode --token $token || [ $? != 3 ]; do sleep 1; done\n"
            "\n"
            "leases once, as soon as a daemon is there: the first lease is the answer to each "
            "further\n"
            "attempt. A token is kept for token_keep at least, an hour by default.");
}

void CommandLine::add_release() {
    CLI::App* const verb =
        add("release", "Give numbers back; each by itself, whatever becomes of the others",
            cli::release);
    CLI::Option* const pool = verb->add_option("POOL", options_.pool, "The pool's name");
    add_ids(verb, "IDS", "IDs or ranges, with @GENERATION where the pool wraps", true);
    auto* const name = add_name(verb, "What your holder of this name has");
    auto* const key = add_key(verb, "What the holder with this key has, whose time is renewed");
    auto* const others = verb->add_flag("--others", options_.others, "Whoever has it")
                             ->excludes(name)
                             ->excludes(key);
    auto* const all = verb->add_flag("--all", options_.all,
                                     "All that a holder has, in all pools: yours, or the one\n"
                                     "named; prints how many IDs, and it is at its end")
                          ->excludes(pool)
                          ->excludes(key)
                          ->excludes(others);
    add_number_to<std::uint64_t>(verb, "--holder", "With --all: the holder of this number",
                                 options_.holder)
        ->needs(all)
        ->excludes(name);
    verb->callback([this] {
        if (!options_.all && options_.ids.empty()) {
            throw CLI::ValidationError("release needs POOL and IDS, or --all");
        }
        if (options_.holder == 0) throw CLI::ValidationError("no holder has the number 0");
        command_ = cli::release;
    });
}

void CommandLine::add_queries() {
    CLI::App* const lookup = add("lookup", "Who holds this number", cli::lookup);
    add_pool(lookup);
    add_id(lookup, true);
    lookup->add_flag("--levels", options_.levels,
                     "Which number it is in the pools above, and in those below through which it\n"
                     "was asked for: a line for each, the highest first");
    CLI::App* const next = add("next", "The first lease at or after an ID", cli::next);
    add_pool(next);
    add_id(next, false);
    CLI::App* const list = add("list", "All leases of a pool", cli::list);
    add_pool(list);
    add_number(list, "--from", "The first ID", options_.from);
    add_number(list, "--limit", "How many lines at most; 0 for all", options_.limit);
}

void CommandLine::add_wait() {
    CLI::App* const verb =
        add("wait", "Until a number is not live any more, whoever had it", cli::wait);
    add_pool(verb);
    add_id(verb, true);
    verb->add_option_function<std::string>(
            "--timeout",
            [this](const std::string& text) {
                options_.timeout = parse_duration(text);
                if (options_.timeout) return;
                throw CLI::ValidationError("'" + text + "' is no time from 1ms to 49d");
            },
            "How long at most: 500ms, 30s, 5m, 2h, 1d; then it is a refusal, timed_out")
        ->option_text("TIME");
}

void CommandLine::add_watch() {
    CLI::App* const verb = add("watch", "What happens in a pool, a line each, as it does", watch);
    add_pool(verb);
    verb->add_option_function<std::string>(
            "--from",
            [this](const std::string& text) {
                if (text == "now") return;
                const auto lsn = parse_ids(text);
                if (!lsn || lsn->range.first != lsn->range.last || lsn->generation != 0) {
                    throw CLI::ValidationError("--from: '" + text + "' is neither an LSN nor now");
                }
                options_.from_lsn = lsn->range.first;
            },
            "What comes behind this LSN, the number in front of each line")
        ->option_text("LSN|now (now)");
    add_number(verb, "--limit", "End after so many events; 0 for never", options_.limit);
    verb->footer(
        "Lines: LSN EVENT IDS uid=UID holder=NUMBER. Events are allocated, claimed, released,\n"
        "reserved, unreserved, and holder_ended, which freed all that the holder had. A line\n"
        "LSN missed says that events up to there are missing: the daemon keeps the last ones in\n"
        "memory. Ends with the daemon.");
}

void CommandLine::add_id(CLI::App* verb, bool with_generation) {
    verb->add_option_function<std::string>(
            "ID",
            [this, with_generation](const std::string& text) {
                options_.ids.push_back(ids_of(text, true, with_generation));
            },
            "A number")
        ->required();
}

void CommandLine::add_overviews() {
    add("pools", "The pools that you may use", cli::pools);
    CLI::App* const stats = add("stats", "Numbers about a pool, or about the daemon", cli::stats);
    stats->add_option("POOL", options_.pool, "The pool's name");
    add("ping", "Does the daemon answer?", cli::ping);
}

// From here on verbs that take the right to administer the pool.
void CommandLine::add_administration() {
    CLI::App* const reserve =
        add("reserve", "Keep numbers out of circulation; each by itself, as release", cli::reserve);
    CLI::App* const unreserve =
        add("unreserve", "Give them back to it; each by itself, as release", cli::unreserve);
    for (CLI::App* const verb : {reserve, unreserve}) {
        add_pool(verb);
        add_ids(verb, "RANGE", "IDs or ranges", false)->required();
    }
    CLI::App* const advance = add(
        "advance", "A pool goes on above a number, and passes over what is below", cli::advance);
    add_pool(advance);
    add_number_to<Id>(advance, "--above", "The last number that is passed over", options_.above)
        ->required();
}

}  // namespace inod::cli
