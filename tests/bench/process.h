// Programs that the benchmark starts, and ends by itself.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "lib/base/owned_fd.h"
#include "lib/base/result.h"

namespace inod::bench {

class Process {
public:
    // Runs the program argv[0], on that core alone if one is given. It ends with us, however we
    // end. What it prints can be read with output(); its errors go to the file `errors`, or where
    // ours go if that is empty. Errors: io_error, for lack of processes or descriptors.
    static Result<Process, Failure> start(const std::vector<std::string>& argv,
                                          std::optional<int> core, const std::string& errors = {});

    Process(Process&& other) noexcept
        : pid_(std::exchange(other.pid_, -1)), output_(std::move(other.output_)) {}
    Process& operator=(Process&& other) = delete;
    ~Process() { terminate(); }  // waits until it has ended

    // All that it prints until it ends.
    Result<std::string, Failure> output();

    // Waits until somebody listens at `socket`. The daemon listens before it has its state back; a load's
    // hello waits for the rest. Errors: io_error if it has ended, timed_out after 30 s.
    [[nodiscard]] Result<void, Failure> await_listener(const std::string& socket) const;

    // Waits until `is_ready` says so, which is asked every few milliseconds. Errors: likewise.
    [[nodiscard]] Result<void, Failure> await(const std::function<bool()>& is_ready) const;

    // How it ended: its exit status, or 128 and the signal. wait() blocks; has_ended() does not.
    int wait();
    [[nodiscard]] bool has_ended() const;

    // Ends it by SIGTERM, and says how it ended.
    int terminate();

private:
    Process(pid_t pid, OwnedFd output) : pid_(pid), output_(std::move(output)) {}

    pid_t pid_;  // -1 once it has ended and was waited for
    int status_ = 0;
    OwnedFd output_;
};

}  // namespace inod::bench
