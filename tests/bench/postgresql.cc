#include "tests/bench/postgresql.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <utility>

#include <nlohmann/json.hpp>
#include <pwd.h>
#include <unistd.h>

#include "tests/bench/programs.h"
#include "tests/bench/socket.h"

namespace inod::bench {
namespace {

namespace fs = std::filesystem;

constexpr const char* tables =
    "CREATE SEQUENCE numbers; CREATE TABLE held (id bigint PRIMARY KEY, holder integer NOT NULL)";
constexpr std::string_view increment = "SELECT nextval('numbers');\n";
constexpr std::string_view record =
    "INSERT INTO held (id, holder) VALUES (nextval('numbers'), :client_id);\n";

// Everything that it does by itself is put off, so that it disturbs no other row.
const std::vector<std::string> settings = {
    "-c", "listen_addresses=",     "-c", "shared_buffers=256MB",    "-c", "max_wal_size=8GB",
    "-c", "checkpoint_timeout=1h", "-c", "bgwriter_lru_maxpages=0", "-c", "autovacuum=off",
    "-c", "synchronous_commit=on"};

// Runs what follows as that user, who keeps ending with us.
const std::vector<std::string> as_postgres = {"/usr/bin/setpriv", "--reuid=postgres",
                                              "--regid=postgres", "--init-groups",
                                              "--pdeathsig=TERM", "--"};

Result<void, Failure> give_to_postgres(const std::string& folder) {
    const passwd* const user = ::getpwnam("postgres");
    if (user == nullptr) {
        return Failure{Errc::io_error, "it does not run as root, and there is no user postgres"};
    }
    if (::chown(folder.c_str(), user->pw_uid, user->pw_gid) != 0) return failed(folder);
    return {};
}

bool is_root() {
    return ::geteuid() == 0;
}

// It says so in its PID file once it takes connections.
bool is_ready(const std::string& pid_file) {
    std::ifstream in(pid_file);
    for (std::string line; std::getline(in, line);)
        if (line.starts_with("ready")) return true;
    return false;
}

}  // namespace

Result<PostgreSql, Failure> PostgreSql::start(const fs::path& programs, const fs::path& below,
                                              std::optional<int> core) {
    std::string folder = (below / "inod-bench-pg-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) return failed(folder);
    PostgreSql server(programs, folder);
    if (is_root()) {
        if (auto given = give_to_postgres(folder); !given) return given.error();
    }
    const auto made = server.run("initdb",
                                 {"-D", server.path("data"), "-U", "postgres", "-A", "trust",
                                  "--no-locale", "-E", "UTF8", "--no-sync"},
                                 true, core);
    if (!made) return made.error();
    if (auto served = server.serve(core); !served) return served.error();
    if (auto prepared = server.prepare(); !prepared) return prepared.error();
    return server;
}

PostgreSql::~PostgreSql() {
    if (folder_.empty()) return;
    server_.clear();
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
}

Result<void, Failure> PostgreSql::serve(std::optional<int> core) {
    std::vector<std::string> argv = is_root() ? as_postgres : std::vector<std::string>();
    argv.insert(argv.end(),
                {(programs_ / "postgres").string(), "-D", path("data"), "-k", folder_.string()});
    argv.insert(argv.end(), settings.begin(), settings.end());
    auto process = Process::start(argv, core, path("server.err"));
    if (!process) return process.error();
    server_.push_back(std::move(*process));
    const std::string pid_file = path("data/postmaster.pid");
    const auto ready = server_.front().await([&] { return is_ready(pid_file); });
    if (!ready) {
        return Failure{Errc::io_error, ready.error().message + ": " + said_in(path("server.err"))};
    }
    return {};
}

Result<void, Failure> PostgreSql::prepare() const {
    std::ofstream(path("increment.sql")) << increment;
    std::ofstream(path("record.sql")) << record;
    const auto made = run("psql",
                          {"-h", folder_.string(), "-U", "postgres", "-X", "-q", "-v",
                           "ON_ERROR_STOP=1", "-c", tables, "postgres"},
                          false, std::nullopt);
    if (!made) return made.error();
    return {};
}

Result<std::string, Failure> PostgreSql::run(const std::string& program,
                                             std::vector<std::string> arguments, bool as_itself,
                                             std::optional<int> core) const {
    std::vector<std::string> argv =
        as_itself && is_root() ? as_postgres : std::vector<std::string>();
    argv.push_back((programs_ / program).string());
    argv.insert(argv.end(), std::make_move_iterator(arguments.begin()),
                std::make_move_iterator(arguments.end()));
    const std::string errors = path(program + ".err");
    fs::remove(errors);
    auto process = Process::start(argv, core, errors);
    if (!process) return process.error();
    auto output = process->output();
    if (process->wait() != 0) return Failure{Errc::io_error, program + ": " + said_in(errors)};
    return output;
}

Result<std::string, Failure> PostgreSql::measure(const Series& series, double seconds,
                                                 std::optional<int> core) const {
    if (server_.front().has_ended()) {
        return Failure{Errc::io_error, "the server has ended: " + said_in(path("server.err"))};
    }
    const char* const script = series.work == Work::increment ? "increment.sql" : "record.sql";
    const auto whole_seconds = static_cast<unsigned>(std::max(1.0, std::round(seconds)));
    const auto output = run("pgbench",
                            {"-h", folder_.string(), "-U", "postgres", "-n", "-M", "prepared", "-f",
                             path(script), "-c", std::to_string(series.connections), "-j", "1",
                             "-T", std::to_string(whole_seconds), "postgres"},
                            false, core);
    if (!output) return output.error();
    const auto tps = tps_in(*output);
    if (!tps) return Failure{Errc::io_error, "pgbench prints no tps: " + *output};
    return nlohmann::json{{"requests_per_second", *tps}, {"allocations_per_second", *tps}}.dump();
}

std::optional<double> tps_in(const std::string& output) {
    constexpr std::string_view key = "tps = ";
    const auto at = output.find(key);
    if (at == output.npos) return std::nullopt;
    double tps = 0;
    const char* const end = output.data() + output.size();
    const auto [last, error] = std::from_chars(output.data() + at + key.size(), end, tps);
    if (error != std::errc() || !std::isfinite(tps) || tps <= 0) return std::nullopt;
    return tps;
}

}  // namespace inod::bench
