// inod: reads its command line and configuration, then serves.
#include <csignal>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>
#include <spdlog/spdlog.h>

#include "config/config.h"
#include "daemon/exit_status.h"
#include "daemon/log.h"
#include "daemon/server.h"
#include "daemon/signals.h"
#include "daemon/touch_stack.h"
#include "lib/base/standard_descriptors.h"

namespace {

using inod::daemon::ExitStatus;

struct Options {
    std::string config_file = "/etc/inod/inod.json";
    std::string state_dir;
    std::string witness_dir;
    std::string socket;
    bool check_config = false;
};

int status(ExitStatus exit_status) {
    return static_cast<int>(exit_status);
}

// What the command line says in place of the configuration.
inod::Result<inod::Config, inod::Failure> with_options(
    inod::Result<inod::Config, inod::Failure> config, const Options& options) {
    if (!config) return config;
    if (!options.state_dir.empty()) config->state_dir = options.state_dir;
    if (!options.witness_dir.empty()) config->witness_dir = options.witness_dir;
    if (!options.socket.empty()) config->socket = options.socket;
    return config;
}

int run(const Options& options) {
    const auto config = with_options(inod::load_config(options.config_file), options);
    if (!config) {
        std::fprintf(stderr, "inod: %s: %s\n", std::string(name(config.error().code)).c_str(),
                     config.error().message.c_str());
        return status(ExitStatus::refused);
    }
    if (options.check_config) {
        std::printf("%s: no errors, %zu %s\n", options.config_file.c_str(), config->pools.size(),
                    config->pools.size() == 1 ? "pool" : "pools");
        return status(ExitStatus::ok);
    }
    inod::daemon::set_up_log(config->log_level);
    inod::daemon::touch_stack();
    return status(inod::daemon::serve(*config, [&options] {
        return with_options(inod::reload_config(options.config_file), options);
    }));
}

// Reads the command line into `options`. A status if that is all there is to do.
std::optional<int> parse(int argc, char** argv, Options& options) {
    CLI::App app{"inod, the number daemon: hands out 64-bit numbers over a Unix socket"};
    app.add_option("--config", options.config_file,
                   "Configuration; drop-ins are in inod.d beside it")
        ->capture_default_str();
    // An empty one is a script's unset variable, and would pick the system's own journal.
    const CLI::Validator not_empty(
        [](std::string& text) { return text.empty() ? std::string("it is empty") : std::string(); },
        "");
    app.add_option("--state-dir", options.state_dir, "Where the journal is, in place of state_dir")
        ->check(not_empty);
    app.add_option(
           "--witness-dir", options.witness_dir,
           "Where the witness is, in place of witness_dir; by default the state directory's "
           "path with .witness behind it")
        ->check(not_empty);
    app.add_option("--socket", options.socket, "Where clients connect, in place of socket")
        ->check(not_empty);
    app.failure_message([](const CLI::App* /*app*/, const CLI::Error& error) {
        return "inod: " + std::string(error.what()) + "; inod --help says what there is\n";
    });
    app.add_flag("--check-config", options.check_config, "Check the configuration and end");
    app.set_version_flag("--version", "inod " INOD_VERSION);
    app.footer(
        "Reads the configuration again at SIGHUP.\n"
        "Ends with status 0 after SIGTERM or SIGINT, 1 if configuration, state or socket are\n"
        "refused, 2 for a wrong command line, 3 if the journal could not be\n"
        "written or memory ran out.");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? status(ExitStatus::ok) : status(ExitStatus::usage);
    }
    return std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
    inod::take_standard_descriptors();
    // Whoever reads the log may be gone: then a line is lost, not the daemon.
    std::signal(SIGPIPE, SIG_IGN);
    // A file that may not grow is a write that fails, and said so.
    std::signal(SIGXFSZ, SIG_IGN);
    inod::daemon::hold_reload_signal();
    try {
        Options options;
        if (const auto done = parse(argc, argv, options)) return *done;
        return run(options);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "inod: not started: %s\n", error.what());
        return status(ExitStatus::refused);
    }
}
