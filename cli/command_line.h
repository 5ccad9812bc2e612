// inoctl's command line: its grammar, and where what it says is put. The verbs stand in a file for each
// subject: verbs_ids.cc, verbs_holders.cc, verbs_stores.cc.
//
// Thread safety: none.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/adopt.h"
#include "cli/arguments.h"
#include "cli/backup.h"
#include "cli/commands.h"
#include "cli/import.h"
#include "cli/offline.h"
#include "cli/output.h"

namespace inod::cli {

class CommandLine {
public:
    CommandLine();

    // Runs what the command line says, and returns the exit status.
    int run(int argc, char** argv);

private:
    // verbs_ids.cc
    void add_alloc();
    void add_token();
    void add_release();
    void add_queries();
    void add_overviews();
    void add_administration();
    void add_wait();
    void add_watch();

    // verbs_holders.cc
    void add_renew();
    void add_holders();
    void add_run();
    void add_binding(CLI::App* verb);
    CLI::Option* add_name(CLI::App* verb, const char* what);
    CLI::Option* add_key(CLI::App* verb, const char* what);
    void check_binding();

    // verbs_stores.cc: from here on verbs that need no daemon; but for backup, none may run
    void add_adopt();
    void add_backup();
    void add_check();
    void add_dump();
    void add_export();
    void add_import();
    void add_directory(CLI::App* verb, std::string& directory, const char* what);
    CLI::App* add_offline(const char* verb, const char* what,
                          ExitStatus (*command)(const OfflineOptions&));
    template <class OptionsOfVerb>
    void runs_offline(CLI::App* verb, OptionsOfVerb& options,
                      ExitStatus (*command)(const OptionsOfVerb&));

    CLI::App* add(const char* verb, const char* what, Command command);
    void add_pool(CLI::App* verb);
    void add_id(CLI::App* verb, bool with_generation);
    // IDs or ranges that options_.ids takes.
    CLI::Option* add_ids(CLI::App* verb, const char* option_name, const char* what,
                         bool with_generation);
    static IdsArgument ids_of(const std::string& text, bool one, bool with_generation);
    void add_lease_size(CLI::App* verb);

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
            [&target, option_name](const std::string& text) {
                const auto ids = parse_ids(text);
                if (!ids || ids->range.first != ids->range.last || ids->generation != 0 ||
                    ids->range.first > std::numeric_limits<Int>::max()) {
                    throw CLI::ValidationError(std::string(option_name) + ": '" + text +
                                               "' is not a number from 0 to " +
                                               std::to_string(std::numeric_limits<Int>::max()));
                }
                target = static_cast<Int>(ids->range.first);
            },
            what);
    }

    const CLI::Validator not_empty_{
        [](std::string& text) { return text.empty() ? std::string("it is empty") : std::string(); },
        ""};
    CLI::App app_{"inoctl: numbers from inod, the number daemon"};
    Options options_;
    AdoptOptions adopt_;
    BackupOptions backup_;
    OfflineOptions looked_at_;
    ImportOptions imported_;
    Command command_ = nullptr;  // null: offline_
    std::function<ExitStatus()> offline_;
};

}  // namespace inod::cli
