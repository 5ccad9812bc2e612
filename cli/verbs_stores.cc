// The verbs about a store: a state directory, or a copy of one.
#include "cli/command_line.h"
#include "config/config.h"

namespace inod::cli {

template <class OptionsOfVerb>
void CommandLine::runs_offline(CLI::App* verb, OptionsOfVerb& options,
                               ExitStatus (*command)(const OptionsOfVerb&)) {
    verb->callback([this, &options, command] {
        offline_ = [this, &options, command] {
            options.format = options_.format;
            return command(options);
        };
    });
}

void CommandLine::add_adopt() {
    CLI::App* const verb = app_.add_subcommand(
        "adopt",
        "Go on with a backup, or with an old copy of a state directory that inod refuses to "
        "start on");
    add_directory(verb, adopt_.state_dir, "The state directory; its daemon must be stopped");
    runs_offline(verb, adopt_, adopt);
    verb->add_option_function<std::string>(
            "--skip-ahead",
            [this](const std::string& text) {
                const auto skip = parse_skip_ahead(text);
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
    verb->add_option("--witness-dir", adopt_.witness_dir, "Where the witness is, if not beside DIR")
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

void CommandLine::add_directory(CLI::App* verb, std::string& directory, const char* what) {
    verb->add_option("DIR", directory, what)->required()->check(not_empty_);
}

CLI::App* CommandLine::add_offline(const char* verb, const char* what,
                                   ExitStatus (*command)(const OfflineOptions&)) {
    CLI::App* const verb_app = app_.add_subcommand(verb, what);
    add_directory(verb_app, looked_at_.path,
                  "The state directory, whose daemon must be stopped; or a backup of one");
    runs_offline(verb_app, looked_at_, command);
    return verb_app;
}

void CommandLine::add_dump() {
    add_offline("dump", "What the journal in a state directory says, record by record", dump)
        ->footer(
            "A line for each segment, frame, record and item, with file, offset and LSN; with\n"
            "--json=short an object each. Goes as far as it can, and says on stderr why not\n"
            "further. Changes nothing. Statuses as of check.");
}

void CommandLine::add_export() {
    add_offline("export", "The state in a state directory, as lines of JSON for import",
                export_state)
        ->footer(
            "A line for each holder, pool, claim and live run, with all that a new store "
            "needs\n"
            "to go on where this one stopped. Numbers are exact 64-bit integers. Changes\n"
            "nothing. Statuses as of check.");
}

void CommandLine::add_import() {
    CLI::App* const verb = app_.add_subcommand(
        "import", "Make a new store of what export printed, read from standard input");
    add_directory(verb, imported_.state_dir, "Where: not there yet, or empty");
    add_number_to<std::uint64_t>(
        verb, "--skip-ahead",
        "How many numbers and generations each pool passes over: as many at least as\n"
        "the other store may have handed out since the export",
        imported_.skip_ahead)
        ->default_str("none");
    runs_offline(verb, imported_, import_state);
    verb->footer(
        "The store that was exported must not hand out any more, or each number comes twice.\n"
        "Whoever runs it as root acts as the owner of DIR, if that is there. After an error\n"
        "there is no store. Ends with status 0, 1 if it was refused, 2 for a wrong command\n"
        "line, 4 if what was made could not be printed.");
}

void CommandLine::add_check() {
    add_offline("check", "Is the store in a state directory sound? Changes nothing", check)
        ->footer(
            "Reads every frame and record, checks what they come to, and that no number was\n"
            "handed out twice. A torn tail, as a crash leaves it, is reported and is no "
            "damage.\n"
            "Ends with status 0, 1 if it was refused, 2 for a wrong command line, 4 if it "
            "could\n"
            "not be printed, 5 for damage: each is a line on stderr.");
}

// The daemon may run beside it, or not.
void CommandLine::add_backup() {
    CLI::App* const verb =
        app_.add_subcommand("backup", "Copy the state into one file, while the daemon runs or not");
    verb->add_option("FILE", backup_.file, "The backup; it must not be there yet")
        ->required()
        ->check(not_empty_);
    backup_.state_dir = Config().state_dir;
    verb->add_option("--state-dir", backup_.state_dir, "The state directory")
        ->option_text("DIR (" + backup_.state_dir + ")")
        ->check(not_empty_);
    verb->add_flag("--force", backup_.replaces, "Replace FILE if it is there");
    runs_offline(verb, backup_, backup);
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

}  // namespace inod::cli
