#include "tests/bench/servers.h"

#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>
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

// What a server or a load has said, on one line.
std::string said_in(const std::string& file) {
    std::ifstream in(file);
    std::string all;
    for (std::string line; std::getline(in, line);)
        all += (all.empty() ? "" : "; ") + line;
    return all;
}

}  // namespace

Programs Programs::in(const fs::path& folder) {
    return {.echo_server = folder / "echo_server",
            .load = folder / "load",
            .inod = folder.parent_path().parent_path() / "daemon" / "inod",
            .inod_without_disk = folder / "inod_without_disk"};
}

Result<Servers, Failure> Servers::start(const Programs& programs, const fs::path& below,
                                        std::optional<int> core) {
    std::string folder = (below / "inod-bench-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) return failed(folder);
    Servers servers(programs, folder);
    if (auto written = servers.write_config(); !written) return written.error();
    const std::string echo = programs.echo_server.string();
    const std::string config_file = servers.path("inod.json");
    // By Peer.
    const std::array<std::pair<std::string, std::vector<std::string>>, peer_count> commands = {{
        {"echo", {echo}},
        {"loop", {echo, "--commit", servers.path("loop.log")}},
        {"thread", {echo, "--thread", "--commit", servers.path("thread.log")}},
        {"inod",
         {programs.inod.string(), "--config", config_file, "--state-dir", servers.path("state")}},
        {"nodisk",
         {programs.inod_without_disk.string(), "--config", config_file, "--state-dir",
          servers.path("nodisk")}},
    }};
    for (const auto& [name, argv] : commands) {
        auto server = servers.start_one(name, argv, core);
        if (!server) return server.error();
        servers.servers_.push_back(std::move(*server));
    }
    return servers;
}

Servers::~Servers() {
    if (folder_.empty()) return;  // moved from
    servers_.clear();
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
}

Result<void, Failure> Servers::write_config() const {
    std::error_code error;
    fs::create_directory(folder_ / "state", error);
    if (!error) fs::create_directory(folder_ / "nodisk", error);
    std::ofstream out(folder_ / "inod.json");
    out << config;
    out.close();
    if (error || !out) return Failure{Errc::io_error, "cannot write below " + folder_.string()};
    return {};
}

Result<Servers::Server, Failure> Servers::start_one(const std::string& name,
                                                    std::vector<std::string> argv,
                                                    std::optional<int> core) const {
    Server server{.socket = path(name + ".sock"), .errors = path(name + ".err"), .process = {}};
    argv.insert(argv.end(), {"--socket", server.socket});
    auto process = Process::start(argv, core, server.errors);
    if (!process) return process.error();
    if (process->await_listener(server.socket)) server.process.push_back(std::move(*process));
    return server;
}

Result<std::string, Failure> Servers::measure(const Row& row, Peer peer, double seconds,
                                              std::optional<int> core) {
    const Server& server = servers_[static_cast<std::size_t>(peer)];
    const bool is_daemon = peer == Peer::inod || peer == Peer::inod_without_disk;
    if (server.process.empty() || server.process.front().has_ended()) {
        return Failure{Errc::io_error, "the server does not run: " + said_in(server.errors)};
    }
    const std::string errors = path("load.err");
    fs::remove(errors);
    auto load = Process::start(
        {programs_.load.string(), "--mode", is_daemon ? "inod" : "echo", "--socket", server.socket,
         "--pool", std::string(row.pool), "--connections", std::to_string(row.connections),
         "--depth", std::to_string(row.depth), "--seconds", std::to_string(seconds)},
        core, errors);
    if (!load) return load.error();
    auto output = load->output();
    if (load->wait() != 0) {
        return Failure{Errc::io_error, said_in(errors) + " " + said_in(server.errors)};
    }
    return output;
}

}  // namespace inod::bench
