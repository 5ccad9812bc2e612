// inoctl: numbers from the command line.
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <limits>
#include <map>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/adopt.h"
#include "cli/backup.h"
#include "cli/commands.h"
#include "cli/import.h"
#include "cli/offline.h"
#include "config/config.h"
#include "lib/base/standard_descriptors.h"

namespace {

using inod::cli::Command;
using inod::cli::ExitStatus;
using inod::cli::Format;
using inod::cli::IdsArgument;
using inod::cli::Options;

// The command line: its grammar, and where what it says is put.
class CommandLine {
public:
    CommandLine() {
        app_.set_version_flag("--version", "inoctl " INOD_VERSION);
        app_.require_subcommand(1);
        app_.fallthrough();
        app_.add_option("--socket", options_.socket, "The daemon's socket")
            ->envname("INOD_SOCKET")
            ->check(not_empty_)
            ->capture_default_str();
        app_.add_option("--json", options_.format, "Print JSON: pretty, short (one line) or off")
            ->transform(CLI::CheckedTransformer(formats_))
            ->option_text("off|pretty|short (off)");
        app_.failure_message([](const CLI::App* app, const CLI::Error& error) {
            const auto unknown = app->remaining();
            const std::string what =
                unknown.empty() ? error.what() : "unknown: '" + unknown.front() + "'";
            return "inoctl: " + what + "; inoctl --help says what there is\n";
        });
        app_.footer(
            "An ID is a number from 0 to 18446744073709551615; a range is FIRST-LAST; @GENERATION\n"
            "behind either tells one turn of a wrapping pool from another.\n"
            "Ends with status 0, 1 if the daemon refuses, 2 for a wrong command line, 3 if no\n"
            "daemon answers, 4 if the answer could not be printed, 5 if a store is damaged.\n"
            "Errors are text on stderr, the error's name first, with --json as well.");
        add_alloc();
        add_release();
        add_queries();
        add_overviews();
        add_adopt();
        add_backup();
        add_check();
        add_dump();
        add_export();
        add_import();
    }

    // Runs what the command line says, and returns the exit status.
    int run(int argc, char** argv) {
        try {
            app_.parse(argc, argv);
        } catch (const CLI::ParseError& error) {
            return app_.exit(error) == 0 ? 0 : static_cast<int>(ExitStatus::usage);
        }
        if (command_ != nullptr) return static_cast<int>(inod::cli::run(command_, options_));
        return static_cast<int>(offline_());
    }

private:
    CLI::App* add(const char* verb, const char* what, Command command) {
        CLI::App* const verb_app = app_.add_subcommand(verb, what);
        verb_app->callback([this, command] { command_ = command; });
        return verb_app;
    }

    void add_pool(CLI::App* verb) {
        verb->add_option("POOL", options_.pool, "The pool's name")->required();
    }

    static IdsArgument ids_of(const std::string& text, bool one, bool with_generation) {
        const auto ids = inod::cli::parse_ids(text);
        if (!ids || (one && ids->range.first != ids->range.last) ||
            (!with_generation && ids->generation != 0)) {
            throw CLI::ValidationError("'" + text + "' is not " +
                                       (one ? "an ID" : "an ID or range"));
        }
        return *ids;
    }

    template <class Int>
    static CLI::Option* add_number(CLI::App* verb, const char* option_name, const char* what,
                                   Int& number) {
        return add_number_to<Int>(verb, option_name, what, number)
            ->default_str(std::to_string(number));
    }

    // CLI11 takes -1 for the largest number there is; we do not.
    template <class Int, class Target>
    static CLI::Option* add_number_to(CLI::App* verb, const char* option_name, const char* what,
                                      Target& target) {
        return verb->add_option_function<std::string>(
            option_name,
            [&target](const std::string& text) {
                const auto ids = inod::cli::parse_ids(text);
                if (!ids || ids->range.first != ids->range.last || ids->generation != 0 ||
                    ids->range.first > std::numeric_limits<Int>::max()) {
                    throw CLI::ValidationError("'" + text + "' is not a number from 0 to " +
                                               std::to_string(std::numeric_limits<Int>::max()));
                }
                target = static_cast<Int>(ids->range.first);
            },
            what);
    }

    void add_alloc() {
        CLI::App* const verb =
            add("alloc", "Lease numbers; prints ID or FIRST-LAST", inod::cli::alloc);
        add_pool(verb);
        auto* const count = add_number(verb, "--count", "How many in a row", options_.count);
        verb->add_option_function<std::string>(
                "--at",
                [this](const std::string& text) { options_.at = ids_of(text, false, false); },
                "Lease just this ID or range")
            ->excludes(count);
    }

    void add_release() {
        CLI::App* const verb =
            add("release", "Give numbers back; each by itself, whatever becomes of the others",
                inod::cli::release);
        add_pool(verb);
        verb->add_option_function<std::vector<std::string>>(
                "IDS",
                [this](const std::vector<std::string>& texts) {
                    for (const std::string& text : texts) {
                        options_.ids.push_back(ids_of(text, false, true));
                    }
                },
                "IDs or ranges, with @GENERATION where the pool wraps")
            ->required();
    }

    void add_queries() {
        CLI::App* const lookup = add("lookup", "Who holds this number", inod::cli::lookup);
        add_pool(lookup);
        add_id(lookup, true);
        CLI::App* const next = add("next", "The first lease at or after an ID", inod::cli::next);
        add_pool(next);
        add_id(next, false);
        CLI::App* const list = add("list", "All leases of a pool", inod::cli::list);
        add_pool(list);
        add_number(list, "--from", "The first ID", options_.from);
        add_number(list, "--limit", "How many lines at most; 0 for all", options_.limit);
    }

    void add_id(CLI::App* verb, bool with_generation) {
        verb->add_option_function<std::string>(
                "ID",
                [this, with_generation](const std::string& text) {
                    options_.ids.push_back(ids_of(text, true, with_generation));
                },
                "A number")
            ->required();
    }

    void add_overviews() {
        add("pools", "The pools that you may use", inod::cli::pools);
        CLI::App* const stats =
            add("stats", "Numbers about a pool, or about the daemon", inod::cli::stats);
        stats->add_option("POOL", options_.pool, "The pool's name");
        add("ping", "Does the daemon answer?", inod::cli::ping);
    }

    // From here on verbs that need no daemon; but for backup, none may run.
    void add_adopt() {
        CLI::App* const verb = app_.add_subcommand(
            "adopt",
            "Go on with a backup, or with an old copy of a state directory that inod refuses to "
            "start on");
        add_directory(verb, adopt_.state_dir, "The state directory; its daemon must be stopped");
        runs_offline(verb, adopt_, inod::cli::adopt);
        verb->add_option_function<std::string>(
                "--skip-ahead",
                [this](const std::string& text) {
                    const auto skip = inod::cli::parse_skip_ahead(text);
                    if (!skip) {
                        throw CLI::ValidationError("'" + text +
                                                   "' is neither auto nor a number from 0 to " +
                                                   std::to_string(UINT64_MAX));
                    }
                    adopt_.skip_ahead = *skip;
                },
                "How many numbers and generations each pool passes over: as many at least as may\n"
                "have been handed out since the copy was made; auto: by what the witness knows")
            ->required()
            ->option_text("N|auto REQUIRED");
        verb->add_option("--from", adopt_.from,
                         "A backup, which is put into DIR first; DIR is empty or not there")
            ->option_text("FILE")
            ->check(not_empty_);
        verb->add_flag("--below-witness", adopt_.may_stay_below_witness,
                       "N may be too few to come up to what the witness knows, where that is a\n"
                       "claim far up which the pool never reaches");
        verb->add_option("--witness-dir", adopt_.witness_dir,
                         "Where the witness is, if not beside DIR")
            ->check(not_empty_);
        verb->footer(
            "Leases stay as they are in the copy. What was handed out since reads as released, "
            "what\n"
            "was released since is live again, and the numbers passed over are never handed out.\n"
            "Whoever runs it as root acts as the owner of DIR, so make it for the daemon's user\n"
            "before a backup is put into it. Prints each pool, from where and to where it "
            "skipped.\n"
            "Put back a copy of the newest state instead, if there is one.\n"
            "Ends with status 0, 1 if it was refused, 2 for a wrong command line, 4 if what was\n"
            "skipped could not be printed.");
    }

    void add_directory(CLI::App* verb, std::string& directory, const char* what) {
        verb->add_option("DIR", directory, what)->required()->check(not_empty_);
    }

    template <class OptionsOfVerb>
    void runs_offline(CLI::App* verb, OptionsOfVerb& options,
                      ExitStatus (*command)(const OptionsOfVerb&)) {
        verb->callback([this, &options, command] {
            offline_ = [this, &options, command] {
                options.format = options_.format;
                return command(options);
            };
        });
    }

    CLI::App* add_offline(const char* verb, const char* what,
                          ExitStatus (*command)(const inod::cli::OfflineOptions&)) {
        CLI::App* const verb_app = app_.add_subcommand(verb, what);
        add_directory(verb_app, looked_at_.path,
                      "The state directory, whose daemon must be stopped; or a backup of one");
        runs_offline(verb_app, looked_at_, command);
        return verb_app;
    }

    void add_dump() {
        add_offline("dump", "What the journal in a state directory says, record by record",
                    inod::cli::dump)
            ->footer(
                "A line for each segment, frame, record and item, with file, offset and LSN; with\n"
                "--json=short an object each. Goes as far as it can, and says on stderr why not\n"
                "further. Changes nothing. Statuses as of check.");
    }

    void add_export() {
        add_offline("export", "The state in a state directory, as lines of JSON for import",
                    inod::cli::export_state)
            ->footer(
                "A line for each holder, pool, claim and live run, with all that a new store "
                "needs\n"
                "to go on where this one stopped. Numbers are exact 64-bit integers. Changes\n"
                "nothing. Statuses as of check.");
    }

    void add_import() {
        CLI::App* const verb = app_.add_subcommand(
            "import", "Make a new store of what export printed, read from standard input");
        add_directory(verb, imported_.state_dir, "Where: not there yet, or empty");
        add_number_to<std::uint64_t>(
            verb, "--skip-ahead",
            "How many numbers and generations each pool passes over: as many at least as\n"
            "the other store may have handed out since the export",
            imported_.skip_ahead)
            ->default_str("none");
        runs_offline(verb, imported_, inod::cli::import_state);
        verb->footer(
            "The store that was exported must not hand out any more, or each number comes twice.\n"
            "Whoever runs it as root acts as the owner of DIR, if that is there. After an error\n"
            "there is no store. Ends with status 0, 1 if it was refused, 2 for a wrong command\n"
            "line, 4 if what was made could not be printed.");
    }

    void add_check() {
        add_offline("check", "Is the store in a state directory sound? Changes nothing",
                    inod::cli::check)
            ->footer(
                "Reads every frame and record, checks what they come to, and that no number was\n"
                "handed out twice. A torn tail, as a crash leaves it, is reported and is no "
                "damage.\n"
                "Ends with status 0, 1 if it was refused, 2 for a wrong command line, 4 if it "
                "could\n"
                "not be printed, 5 for damage: each is a line on stderr.");
    }

    // The daemon may run beside it, or not.
    void add_backup() {
        CLI::App* const verb = app_.add_subcommand(
            "backup", "Copy the state into one file, while the daemon runs or not");
        verb->add_option("FILE", backup_.file, "The backup; it must not be there yet")
            ->required()
            ->check(not_empty_);
        backup_.state_dir = inod::Config().state_dir;
        verb->add_option("--state-dir", backup_.state_dir, "The state directory")
            ->option_text("DIR (" + backup_.state_dir + ")")
            ->check(not_empty_);
        verb->add_flag("--force", backup_.replaces, "Replace FILE if it is there");
        runs_offline(verb, backup_, inod::cli::backup);
        verb->footer(
            "What was acknowledged before it began is in it, and it was read back when this "
            "ends.\n"
            "Reads the state directory's files, so run it as the daemon's user or as root. "
            "The\n"
            "witness is no part of it: it is how inod notices that a backup was put back. To "
            "go "
            "on\n"
            "with one: inoctl adopt DIR --from FILE.\n"
            "Ends with status 0, 1 if it was refused, 2 for a wrong command line, 4 if it is "
            "made\n"
            "and that could not be printed, 5 if the store is damaged. If it is killed,\n"
            "FILE.new-PID may be left behind.");
    }

    const CLI::Validator not_empty_{
        [](std::string& text) { return text.empty() ? std::string("it is empty") : std::string(); },
        ""};
    const std::map<std::string, Format> formats_{
        {"pretty", Format::pretty}, {"short", Format::one_line}, {"off", Format::off}};
    CLI::App app_{"inoctl: numbers from inod, the number daemon"};
    Options options_;
    inod::cli::AdoptOptions adopt_;
    inod::cli::BackupOptions backup_;
    inod::cli::OfflineOptions looked_at_;
    inod::cli::ImportOptions imported_;
    Command command_ = nullptr;  // null: offline_
    std::function<ExitStatus()> offline_;
};

}  // namespace

int main(int argc, char** argv) {
    inod::take_standard_descriptors();
    // Whoever reads the answer may be gone: that is an error to report, not an end.
    std::signal(SIGPIPE, SIG_IGN);
    // A file that may not grow is a write that fails, and said so.
    std::signal(SIGXFSZ, SIG_IGN);
    try {
        return CommandLine().run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "inoctl: %s\n", error.what());
        return static_cast<int>(ExitStatus::refused);
    }
}
