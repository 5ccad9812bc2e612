#include "cli/command_line.h"

#include <algorithm>
#include <string_view>

namespace inod::cli {
namespace {

Format format_of(std::string_view text) {
    if (text == "off") return Format::off;
    if (text == "pretty") return Format::pretty;
    if (text == "short") return Format::one_line;
    throw CLI::ValidationError("--json: '" + std::string(text) +
                               "' is none of off, pretty and short");
}

// What is wrong with a command line, and whose --help says how it goes.
std::string explain(const CLI::App* app, const CLI::Error& error) {
    const auto verbs = app->get_subcommands();
    const std::string verb = verbs.empty() ? "" : verbs.front()->get_name();
    std::string what = error.what();
    const bool is_of_a_value =
        error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ValidationError);
    if (const auto unknown = app->remaining(); !is_of_a_value && !unknown.empty()) {
        what = "unknown: '" + unknown.front() + "'";
        if (verb == "run" && !unknown.front().starts_with('-'))
            what += "; a command goes behind --";
    }
    return "inoctl: " + what + "; inoctl " + (verb.empty() ? "" : verb + " ") +
           "--help says what there is\n";
}

}  // namespace

CommandLine::CommandLine() {
    app_.set_version_flag("--version", "inoctl " INOD_VERSION);
    app_.require_subcommand(1);
    app_.fallthrough();
    app_.add_option("--socket", options_.socket, "The daemon's socket")
        ->envname("INOD_SOCKET")
        ->check(not_empty_)
        ->capture_default_str();
    app_.add_option_function<std::string>(
            "--json", [this](const std::string& text) { options_.format = format_of(text); },
            "Print JSON: pretty, short (one line) or off")
        ->option_text("off|pretty|short (off)");
    app_.failure_message(explain);
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
