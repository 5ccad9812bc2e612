// The servers of a run: the daemon, its floors and its peers, on the first core, in a temporary folder.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/base/result.h"
#include "tests/bench/postgresql.h"
#include "tests/bench/process.h"
#include "tests/bench/programs.h"
#include "tests/bench/rows.h"

namespace inod::bench {

class Servers {
public:
    // Starts those, in a new folder below `below`; they end, and the folder goes, with this object.
    // `core` is theirs; without one they run anywhere. A server that does not start is not an error
    // here: its measurements will be.
    static Result<Servers, Failure> start(const Programs& programs,
                                          const std::filesystem::path& below,
                                          std::optional<int> core, const std::set<Peer>& peers);
    Servers(Servers&&) = default;
    Servers& operator=(Servers&&) = delete;
    ~Servers();

    // Runs the load's program once, or PostgreSQL's, and returns the JSON that it printed.
    // Errors: io_error with why the server does not run, or what the load or the server said.
    Result<std::string, Failure> measure(const Series& series, double seconds,
                                         std::optional<int> core);

private:
    struct Server {
        std::string socket{};
        std::string errors{};                        // the file with what it said
        std::string trouble = "it was not started";  // why there is no process
        std::vector<Process> process{};              // one, or none
    };

    Servers(Programs programs, std::filesystem::path folder)
        : programs_(std::move(programs)), folder_(std::move(folder)) {}
    Result<void, Failure> make_folders() const;
    [[nodiscard]] Result<std::vector<std::string>, Failure> command_of(Peer peer) const;
    [[nodiscard]] Result<std::vector<std::string>, Failure> redis_command(bool is_always) const;
    Server start_one(Peer peer, std::optional<int> core) const;
    void start_postgresql(const std::filesystem::path& below, std::optional<int> core);
    [[nodiscard]] std::string path(const std::string& name) const {
        return (folder_ / name).string();
    }

    Programs programs_;
    std::filesystem::path folder_;              // empty: moved from
    std::array<Server, peer_count> servers_{};  // by Peer
    std::vector<PostgreSql> postgresql_;        // one, or none
};

}  // namespace inod::bench
