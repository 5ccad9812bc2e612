// The verbs about holders, and the options that say who holds what is leased.
#include <limits>

#include "cli/command_line.h"
#include "cli/holders.h"
#include "cli/run_command.h"
#include "lib/base/hex.h"

namespace inod::cli {

CLI::Option* CommandLine::add_name(CLI::App* verb, const char* what) {
    return verb->add_option("--name", options_.name, what)->check(not_empty_);
}

CLI::Option* CommandLine::add_key(CLI::App* verb, const char* what) {
    return verb
        ->add_option_function<std::string>(
            "--key",
            [this](const std::string& text) {
                const auto key = parse_hex(text);
                if (!key || *key == proto::HolderKey{}) {
                    throw CLI::ValidationError("'" + text +
                                               "' is no key: 32 hexadecimal digits, not all 0");
                }
                options_.key = *key;
            },
            what)
        ->option_text("HEX");
}

// Who holds it, and until when.
void CommandLine::add_binding(CLI::App* verb) {
    verb->add_option_function<std::string>(
            "--bind",
            [this](const std::string& text) {
                options_.bind = parse_binding(text);
                if (options_.bind) return;
                throw CLI::ValidationError(
                    "'" + text +
                    "' is none of persistent, connection, process and ttl=TIME, TIME from 1ms to "
                    "49d");
            },
            "How long: persistent, until it is released; connection or process, until inoctl\n"
            "has ended, or --pid; ttl=TIME, until so long after the last renew: 500ms, 30s, 5m,\n"
            "2h, 1d")
        ->option_text("persistent|connection|process|ttl=TIME (persistent)");
    CLI::Option* const name =
        add_name(verb, "A holder of its own for what has this name, made or found again");
    add_key(verb, "Take over the holder with a time limit that has this key")->excludes(name);
    add_number_to<int>(verb, "--pid", "With --bind process: that process", options_.pid)
        ->option_text("PID");
    verb->callback([this] {
        check_binding();
        command_ = alloc;
    });
}

// What does not go together. Whoever gives a name or a key need not say what goes without saying.
void CommandLine::check_binding() {
    const bool has_key = options_.key != proto::HolderKey{};
    const auto is = [this](proto::Binding binding) {
        return options_.bind && options_.bind->binding == binding;
    };
    if (options_.pid && (!is(proto::Binding::process) || *options_.pid == 0)) {
        throw CLI::ValidationError("--pid goes with --bind process, and is 1 or more");
    }
    if (has_key && (is(proto::Binding::process) || is(proto::Binding::persistent))) {
        throw CLI::ValidationError("no holder of that binding has a key");
    }
    if (!options_.name.empty() && (is(proto::Binding::process) || is(proto::Binding::connection))) {
        throw CLI::ValidationError("no holder of that binding has a name");
    }
    const bool is_new_each_time = is(proto::Binding::connection) ||
                                  (is(proto::Binding::process) && !options_.pid) ||
                                  (is(proto::Binding::ttl) && options_.name.empty() && !has_key);
    if (options_.token && is_new_each_time) {
        throw CLI::ValidationError(
            "--token is for a holder that the next attempt has too: by --name, --key or --pid");
    }
    if (options_.bind) return;
    // Of a holder that is found the time stays what it is.
    constexpr BindingArgument any_ttl{.binding = proto::Binding::ttl,
                                      .ttl = std::chrono::milliseconds(1)};
    if (has_key) options_.bind = any_ttl;
    if (!options_.name.empty()) options_.bind = {.binding = proto::Binding::persistent};
}

void CommandLine::add_renew() {
    CLI::App* const verb = add("renew", "A holder with a time limit lasts its time again", renew);
    CLI::Option* const name = add_name(verb, "Your holder of this name");
    add_key(verb, "The holder with this key, as alloc printed it")->excludes(name);
    verb->callback([this] {
        if (options_.name.empty() && options_.key == proto::HolderKey{}) {
            throw CLI::ValidationError("renew needs --key or --name");
        }
        command_ = renew;
    });
}

void CommandLine::add_holders() {
    add("holders", "Who holds numbers, and until when: yours; to root, everybody's", holders);
}

void CommandLine::add_run() {
    CLI::App* const verb = add("run", "Lease numbers for as long as a command runs", run_command);
    verb->add_option("--pool", options_.pool, "The pool's name")
        ->option_text("POOL REQUIRED")
        ->required()
        ->check(not_empty_);
    add_lease_size(verb);
    verb->footer(
        "inoctl run --pool POOL [OPTIONS] -- COMMAND...\n"
        "The command finds them in its environment: INOD_ID, INOD_LAST_ID, INOD_COUNT,\n"
        "INOD_GENERATION and INOD_POOL. It takes inoctl's place, so they are released when it\n"
        "ends, however it dies, and whatever it leaves running in the background.\n"
        "Ends with the command's status; 127 if there is no such command, 126 if it cannot be\n"
        "run; or as all verbs, before the command is begun.");
    verb->callback([this] {
        if (options_.command == nullptr) {
            throw CLI::ValidationError("run needs a command behind --");
        }
        command_ = run_command;
    });
}

}  // namespace inod::cli
