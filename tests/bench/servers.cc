#include "tests/bench/servers.h"

#include <cstdlib>
#include <fstream>
#include <utility>

#include "tests/bench/socket.h"

namespace inod::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view config = R"({
  "pools": [
    {"name": "bench_block", "policy": "unique", "min": 1, "max": 18446744073709551615,
     "durability": "block"},
    {"name": "bench_lease", "policy": "unique", "min": 1, "max": 18446744073709551615,
     "durability": "lease"}
  ],
  "log_level": "warn"
}
)";

// Of its socket and of the file with what it says.
std::string file_name_of(Peer peer) {
    return "peer" + std::to_string(static_cast<unsigned>(peer));
}

}  // namespace

Result<Servers, Failure> Servers::start(const Programs& programs, const fs::path& below,
                                        std::optional<int> core, const std::set<Peer>& peers) {
    std::string folder = (below / "inod-bench-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) return failed(folder);
    Servers servers(programs, folder);
    if (auto made = servers.make_folders(); !made) return made.error();
    for (const Peer peer : peers) {
        if (peer == Peer::postgresql) {
            servers.start_postgresql(below, core);
        } else {
            servers.servers_[static_cast<std::size_t>(peer)] = servers.start_one(peer, core);
        }
    }
    return servers;
}

Servers::~Servers() {
    if (folder_.empty()) return;
    for (Server& server : servers_)
        server.process.clear();
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
}

Result<void, Failure> Servers::make_folders() const {
    std::error_code error;
    for (const char* const name : {"state", "polling", "nodisk", "redis", "redis_always"})
        if (!error) fs::create_directory(folder_ / name, error);
    std::ofstream out(folder_ / "inod.json");
    out << config;
    out.close();
    // What a configuration has below NAME.json.d comes behind it.
    if (!error) fs::create_directory(folder_ / "polling.json.d", error);
    if (!error) fs::create_symlink("inod.json", folder_ / "polling.json", error);
    std::ofstream polls(folder_ / "polling.json.d" / "poll.json");
    polls << "{\"poll_us\": " << polling_spin_us << "}";
    polls.close();
    if (error || !out || !polls)
        return Failure{Errc::io_error, "cannot write below " + folder_.string()};
    return {};
}

Result<std::vector<std::string>, Failure> Servers::command_of(Peer peer) const {
    using Command = std::vector<std::string>;
    const std::string socket = path(file_name_of(peer) + ".sock");
    const std::string echo = programs_.echo_server.string();
    const auto daemon = [&](const fs::path& program, const char* state,
                            const char* configuration = "inod.json") {
        return Command{
            program.string(), "--config", path(configuration), "--state-dir", path(state),
            "--socket",       socket};
    };
    switch (peer) {
        case Peer::echo: return Command{echo, "--socket", socket};
        case Peer::commit_in_loop:
            return Command{echo, "--socket", socket, "--commit", path("loop.log")};
        case Peer::commit_in_thread:
            return Command{echo, "--socket", socket, "--thread", "--commit", path("thread.log")};
        case Peer::inod: return daemon(programs_.inod, "state");
        case Peer::inod_without_disk: return daemon(programs_.inod_without_disk, "nodisk");
        case Peer::redis: return redis_command(false);
        case Peer::redis_always: return redis_command(true);
        case Peer::inod_polling: return daemon(programs_.inod, "polling", "polling.json");
        case Peer::postgresql: break;
    }
    return Failure{Errc::not_offered, "it has no command"};  // it is started otherwise
}

// It rewrites its file never, which would disturb it in the midst of a measurement.
Result<std::vector<std::string>, Failure> Servers::redis_command(bool is_always) const {
    if (programs_.redis_server.empty()) {
        return Failure{Errc::io_error, "it is not installed; tools/setup --bench installs it"};
    }
    const std::string name = file_name_of(is_always ? Peer::redis_always : Peer::redis);
    std::vector<std::string> command = {programs_.redis_server.string(),
                                        "--port",
                                        "0",
                                        "--unixsocket",
                                        path(name + ".sock"),
                                        "--dir",
                                        path(is_always ? "redis_always" : "redis"),
                                        "--logfile",
                                        path(name + ".err"),
                                        "--loglevel",
                                        "warning",
                                        "--save",
                                        "",
                                        "--appendonly",
                                        is_always ? "yes" : "no"};
    if (is_always) {
        command.insert(command.end(),
                       {"--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"});
    }
    return command;
}

Servers::Server Servers::start_one(Peer peer, std::optional<int> core) const {
    Server server{.socket = path(file_name_of(peer) + ".sock"),
                  .errors = path(file_name_of(peer) + ".err"),
                  .trouble = {}};
    const auto argv = command_of(peer);
    if (!argv) {
        server.trouble = argv.error().message;
        return server;
    }
    auto process = Process::start(*argv, core, server.errors);
    if (!process) {
        server.trouble = process.error().message;
    } else if (const auto listening = process->await_listener(server.socket); !listening) {
        server.trouble =
            "the server does not run: " + listening.error().message + ": " + said_in(server.errors);
    } else {
        server.process.push_back(std::move(*process));
    }
    return server;
}

void Servers::start_postgresql(const fs::path& below, std::optional<int> core) {
    Server& server = servers_[static_cast<std::size_t>(Peer::postgresql)];
    if (programs_.postgresql.empty()) {
        server.trouble = "it is not installed; tools/setup --bench installs it";
        return;
    }
    auto started = PostgreSql::start(programs_.postgresql, below, core);
    if (started) {
        postgresql_.push_back(std::move(*started));
        server.trouble.clear();
    } else {
        server.trouble = started.error().message;
    }
}

Result<std::string, Failure> Servers::measure(const Series& series, double seconds,
                                              std::optional<int> core) {
    const Server& server = servers_[static_cast<std::size_t>(series.peer)];
    if (!server.trouble.empty()) return Failure{Errc::io_error, server.trouble};
    if (series.peer == Peer::postgresql) {
        return postgresql_.front().measure(series, seconds, core);
    }
    if (server.process.front().has_ended()) {
        return Failure{Errc::io_error, "the server has ended: " + said_in(server.errors)};
    }
    const std::string errors = path("load.err");
    fs::remove(errors);
    const char* const mode = is_daemon(series.peer)  ? "inod"
                             : is_redis(series.peer) ? "redis"
                                                     : "echo";
    auto load = Process::start({programs_.load.string(),
                                "--mode",
                                mode,
                                "--socket",
                                server.socket,
                                "--pool",
                                std::string(series.pool),
                                "--work",
                                std::string(name_of(series.work)),
                                "--count",
                                std::to_string(series.count),
                                "--connections",
                                std::to_string(series.connections),
                                "--depth",
                                std::to_string(series.depth),
                                "--spin-us",
                                std::to_string(series.spin_us),
                                "--hold",
                                std::to_string(series.hold),
                                "--seconds",
                                std::to_string(seconds)},
                               core, errors);
    if (!load) return load.error();
    auto output = load->output();
    if (load->wait() != 0) {
        return Failure{Errc::io_error, said_in(errors) + " " + said_in(server.errors)};
    }
    return output;
}

}  // namespace inod::bench
