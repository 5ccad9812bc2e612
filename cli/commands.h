// What each of inoctl's verbs does, once the command line is read.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "cli/arguments.h"
#include "cli/output.h"
#include "lib/client/client.h"

namespace inod::cli {

// With which status inoctl ends, for scripts.
enum class ExitStatus {
    ok = 0,
    refused = 1,    // The daemon said no; stderr has the error's name first.
    usage = 2,      // The command line makes no sense.
    no_daemon = 3,  // Nobody answers at the socket, or not any more.
    unheard = 4,    // It was done, but what came of it could not be printed.
    damaged = 5,    // A store that was looked at is damaged; stderr says where.
    // Of run, as of env(1).
    command_not_run = 126,
    command_not_found = 127,
};

// The command line. What a verb does not take is left as it is.
struct Options {
    std::string socket = default_socket_path;
    Format format = Format::off;
    std::string pool;
    std::uint64_t count = 1;
    std::uint64_t align = 1;
    std::optional<IdsArgument> at;
    std::optional<proto::Token> token;
    std::vector<IdsArgument> ids;
    Id from = 0;
    std::uint32_t limit = 0;  // 0: all
    Id above = 0;
    std::optional<std::chrono::milliseconds> timeout;  // none: for ever
    std::uint64_t from_lsn = proto::from_now;

    // As whom it is done; none of them: as the user's own holder.
    std::optional<BindingArgument> bind;
    std::string name;
    proto::HolderKey key{};  // all zero: none
    std::optional<pid_t> pid;
    std::optional<std::uint64_t> holder;

    bool all = false;          // all that a holder has
    bool others = false;       // whoever holds it
    bool levels = false;       // the numbers at all levels
    char** command = nullptr;  // to run, its arguments behind it and a null at the end
};

using Command = ExitStatus (*)(Client& client, const Options& options);

ExitStatus alloc(Client& client, const Options& options);
ExitStatus token(Client& client, const Options& options);
ExitStatus release(Client& client, const Options& options);
ExitStatus lookup(Client& client, const Options& options);
ExitStatus next(Client& client, const Options& options);
ExitStatus list(Client& client, const Options& options);
ExitStatus pools(Client& client, const Options& options);
ExitStatus stats(Client& client, const Options& options);
ExitStatus ping(Client& client, const Options& options);

// Tries it with every one of options.ids, so that one that fails does not keep the others. Says on
// stderr which failed, and what was `done` all the same.
ExitStatus for_each_ids(Client& client, const Options& options, const std::string& done,
                        const std::function<Result<>(const IdsArgument&)>& attempt);

// Connects and runs the command. Says on stderr why it could not connect.
ExitStatus run(Command command, const Options& options);

}  // namespace inod::cli
