// An inod of its own for a test: started as a process on a temporary folder, ended with the test.
//
//     DaemonProcess daemon(R"({"pools": [...]})");
//     ASSERT_TRUE(daemon.start()) << daemon.log();
//     Client client = daemon.connect();
//     daemon.kill9();
//
// Whatever takes longer than `patience` counts as stuck.
//
// Thread safety: none. Start it while the test has one thread, since it forks.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "lib/base/owned_fd.h"
#include "lib/client/client.h"
#include "tests/e2e/service_manager.h"

namespace inod::e2e {

// Sanitizers and busy machines slow a daemon down; nothing here takes this long by itself.
inline constexpr std::chrono::seconds patience{60};

Deadline soon();

// A directory on a real disk ($TMPDIR, else /var/tmp), removed with all that is in it.
class TemporaryFolder {
public:
    TemporaryFolder();
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder();

    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
};

// How a process ended.
struct Exit {
    int status = -1;  // what it returned, -1 if it did not end by itself
    int signal = 0;   // what killed it, 0 if nothing did

    friend bool operator==(const Exit&, const Exit&) = default;
};
std::ostream& operator<<(std::ostream& out, const Exit& exit);

// How it is started, beyond the configuration.
struct Launch {
    std::vector<std::string> wrapper{};  // a command that execs inod: a tracer
    std::vector<std::pair<std::string, std::string>> environment{};
    std::vector<std::string> arguments{};  // behind those that it always gets
    std::optional<uid_t> uid{};            // another user; excludes a wrapper
    std::optional<int> passed_socket{};    // handed over as systemd does it (sd_listen_fds(3))
    bool reads_no_log = false;             // stderr is a pipe that nobody reads
    bool keeps_descriptors = false;        // as systemd does with FileDescriptorStoreMax=
};

class DaemonProcess {
public:
    // Writes `config` to a file. `state_dir` and `socket` are given on the command line. Where it does not say how
    // many `threads`, there are as many as the environment's INOD_TEST_THREADS says, or one.
    explicit DaemonProcess(const std::string& config, Launch launch = {});
    DaemonProcess(const DaemonProcess&) = delete;
    DaemonProcess& operator=(const DaemonProcess&) = delete;
    ~DaemonProcess();

    // True once it says READY=1, false if it ended before; then wait_for_end() tells how. Requires
    // that it does not run.
    bool start();

    // Until it has ended by itself.
    Exit wait_for_end();
    // Asks it to end, and waits for that.
    Exit terminate();
    void kill9();
    void signal(int number) const;
    // Has it ended? Does not wait.
    [[nodiscard]] bool has_ended();

    // A client that has said hello. Throws where that fails, which fails the test.
    [[nodiscard]] Client connect(std::vector<std::string> pools = {}) const;

    // What it wrote to stderr since the last start.
    [[nodiscard]] std::string log() const;

    // What it told systemd until start() returned, READY=1 included.
    [[nodiscard]] const std::string& start_notices() const { return start_notices_; }
    // What it has told systemd since start() returned, the oldest first; asked again, what came
    // meanwhile.
    [[nodiscard]] std::string notices() const;
    // The next of these, once there is one; empty if none comes.
    [[nodiscard]] std::string await_notice() const;
    // What hears it.
    [[nodiscard]] ServiceManager& manager() const { return manager_; }

    [[nodiscard]] std::string folder() const { return folder_.path(); }
    [[nodiscard]] std::string config_file() const { return folder() + "/inod.json"; }
    [[nodiscard]] const std::string& state_dir() const { return state_dir_; }
    [[nodiscard]] const std::string& socket() const { return socket_; }
    [[nodiscard]] pid_t pid() const { return pid_; }
    // So that two share one.
    void use_state_dir(std::string path) { state_dir_ = std::move(path); }
    void use_socket(std::string path) { socket_ = std::move(path); }
    Launch& launch() { return launch_; }

private:
    [[nodiscard]] std::vector<std::string> command() const;
    [[nodiscard]] std::string log_file() const { return folder() + "/log"; }
    void spawn();
    void hand_over() const;
    [[noreturn]] void exec(const std::vector<std::string>& command, int log) const;

    TemporaryFolder folder_;
    Launch launch_;
    std::string state_dir_;
    std::string socket_;
    mutable ServiceManager manager_;
    std::string start_notices_;
    OwnedFd process_;
    pid_t pid_ = 0;  // 0: none runs
    Exit exit_;
};

// Runs `inod` with just these arguments. What it wrote to stdout and stderr goes to `output`.
Exit run_inod(const std::vector<std::string>& arguments, std::string& output);

}  // namespace inod::e2e
