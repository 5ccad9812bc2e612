// PostgreSQL in a folder of its own, and pgbench as its load.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/result.h"
#include "tests/bench/process.h"
#include "tests/bench/rows.h"

namespace inod::bench {

class PostgreSql {
public:
    // Makes a cluster in a new folder below `below` and starts it on a Unix socket there, on that core
    // alone if one is given. It ends, and the folder goes, with this object. It refuses to run as root:
    // there it runs as the user postgres, who must be able to come to `below`. `programs` is the folder
    // of its programs. Errors: io_error with what it said.
    static Result<PostgreSql, Failure> start(const std::filesystem::path& programs,
                                             const std::filesystem::path& below,
                                             std::optional<int> core);
    PostgreSql(PostgreSql&&) = default;
    PostgreSql& operator=(PostgreSql&&) = delete;
    ~PostgreSql();

    // Runs pgbench once, on that core: for Work::increment with nextval, for Work::record with inserts
    // that are durable. Seconds are whole ones, and at least 1. Returns {"requests_per_second",
    // "allocations_per_second"} as JSON. Errors: io_error with what pgbench said.
    Result<std::string, Failure> measure(const Series& series, double seconds,
                                         std::optional<int> core) const;

private:
    PostgreSql(std::filesystem::path programs, std::filesystem::path folder)
        : programs_(std::move(programs)), folder_(std::move(folder)) {}

    // Runs one of its programs to its end, as its user if `as_itself`, and returns what that prints.
    Result<std::string, Failure> run(const std::string& program, std::vector<std::string> arguments,
                                     bool as_itself, std::optional<int> core) const;
    Result<void, Failure> prepare() const;
    Result<void, Failure> serve(std::optional<int> core);
    [[nodiscard]] std::string path(const std::string& name) const {
        return (folder_ / name).string();
    }

    std::filesystem::path programs_;
    std::filesystem::path folder_;  // empty: moved from
    std::vector<Process> server_;   // one
};

// The figure that pgbench prints; none if there is none.
std::optional<double> tps_in(const std::string& output);

}  // namespace inod::bench
