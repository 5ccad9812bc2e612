#include "cli/command_line.h"

#include <algorithm>
#include <string_view>

namespace inod::cli {

CommandLine::CommandLine() {
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
    add_token();
    add_release();
    add_queries();
    add_wait();
    add_watch();
    add_renew();
    add_run();
    add_overviews();
    add_holders();
    add_administration();
    add_adopt();
    add_backup();
    add_check();
    add_dump();
    add_export();
    add_import();
}

int CommandLine::run(int argc, char** argv) {
    // Behind run's -- stands a command line of somebody else, of which nothing is ours to read.
    const auto is = [](std::string_view word) {
        return [word](const char* argument) { return argument == word; };
    };
    char** end = argv + argc;
    char** const mark = std::find_if(argv, end, is("--"));
    if (mark != end && std::any_of(argv, mark, is("run"))) {
        if (mark + 1 != end) options_.command = mark + 1;
        end = mark;
    }
    try {
        app_.parse(static_cast<int>(end - argv), argv);
    } catch (const CLI::ParseError& error) {
        return app_.exit(error) == 0 ? 0 : static_cast<int>(ExitStatus::usage);
    }
    if (command_ != nullptr) return static_cast<int>(cli::run(command_, options_));
    return static_cast<int>(offline_());
}

CLI::App* CommandLine::add(const char* verb, const char* what, Command command) {
    CLI::App* const verb_app = app_.add_subcommand(verb, what);
    verb_app->callback([this, command] { command_ = command; });
    return verb_app;
}

}  // namespace inod::cli
