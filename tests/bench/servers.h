// The servers of a run: the daemon and its floors, on the first core, in a temporary folder.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/result.h"
#include "tests/bench/process.h"
#include "tests/bench/rows.h"

namespace inod::bench {

// Where the programs are.
struct Programs {
    std::filesystem::path echo_server;
    std::filesystem::path load;
    std::filesystem::path inod;
    std::filesystem::path inod_without_disk;

    // As the build puts them, seen from the folder of tests/bench in it.
    static Programs in(const std::filesystem::path& folder);
};

class Servers {
public:
    // Starts all of them, in a new folder below `below`; they end, and the folder goes, with this
    // object. `core` is theirs; without one they run anywhere. A server that does not start is not
    // an error here: its rows will be.
    static Result<Servers, Failure> start(const Programs& programs,
                                          const std::filesystem::path& below,
                                          std::optional<int> core);
    Servers(Servers&&) = default;
    Servers& operator=(Servers&&) = delete;
    ~Servers();

    // Runs the load's program once, with the row's load, and returns the JSON that it printed.
    // Errors: io_error with what the load or the server said.
    Result<std::string, Failure> measure(const Row& row, Peer peer, double seconds,
                                         std::optional<int> core);

private:
    struct Server {
        std::string socket;
        std::string errors;            // the file with what it said
        std::vector<Process> process;  // one, or none if it could not be started
    };

    Servers(Programs programs, std::filesystem::path folder)
        : programs_(std::move(programs)), folder_(std::move(folder)) {}
    Result<void, Failure> write_config() const;
    Result<Server, Failure> start_one(const std::string& name, std::vector<std::string> argv,
                                      std::optional<int> core) const;
    [[nodiscard]] std::string path(const std::string& name) const {
        return (folder_ / name).string();
    }

    Programs programs_;
    std::filesystem::path folder_;
    std::vector<Server> servers_;  // by Peer
};

}  // namespace inod::bench
