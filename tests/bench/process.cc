#include "tests/bench/process.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <thread>

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/socket.h"

namespace inod::bench {
namespace {

// Where exec(3) has failed, shells say so with this exit status.
constexpr int not_executable = 127;

// How long a server has until it listens.
constexpr std::chrono::seconds start_patience{30};

[[noreturn]] void become(const std::vector<std::string>& argv, std::optional<int> core, int output,
                         const std::string& errors) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (core) {
        cpu_set_t cores;
        CPU_ZERO(&cores);
        CPU_SET(static_cast<std::size_t>(*core), &cores);
        if (::sched_setaffinity(0, sizeof(cores), &cores) != 0) ::_exit(not_executable);
    }
    if (::dup2(output, STDOUT_FILENO) < 0) ::_exit(not_executable);
    if (!errors.empty()) {
        const int file = ::open(errors.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (file < 0 || ::dup2(file, STDERR_FILENO) < 0) ::_exit(not_executable);
    }
    std::vector<char*> arguments;
    arguments.reserve(argv.size() + 1);
    for (const std::string& argument : argv)
        arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    ::execv(arguments.front(), arguments.data());
    ::_exit(not_executable);
}

}  // namespace

Result<Process, Failure> Process::start(const std::vector<std::string>& argv,
                                        std::optional<int> core, const std::string& errors) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return failed("pipe");
    OwnedFd output(ends[0]);
    const OwnedFd input(ends[1]);
    const pid_t pid = ::fork();
    if (pid < 0) return failed("fork");
    if (pid == 0) become(argv, core, input.get(), errors);
    return Process(pid, std::move(output));
}

Result<void, Failure> Process::await_listener(const std::string& socket) const {
    return await([&] { return connect_to(socket).has_value(); });
}

Result<void, Failure> Process::await(const std::function<bool()>& is_ready) const {
    const auto end = std::chrono::steady_clock::now() + start_patience;
    while (std::chrono::steady_clock::now() < end) {
        if (is_ready()) return {};
        if (has_ended()) return Failure{Errc::io_error, "it has ended"};
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return Failure{Errc::timed_out, "it is not ready"};
}

Result<std::string, Failure> Process::output() {
    std::string all;
    std::array<char, 4096> part;
    for (;;) {
        const ssize_t size = ::read(output_.get(), part.data(), part.size());
        if (size == 0) return all;
        if (size > 0) all.append(part.data(), static_cast<std::size_t>(size));
        if (size < 0 && errno != EINTR) return failed("read");
    }
}

int Process::wait() {
    if (pid_ < 0) return status_;
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return status_;
}

bool Process::has_ended() const {
    if (pid_ < 0) return true;
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid != 0;
}

int Process::terminate() {
    if (pid_ >= 0) ::kill(pid_, SIGTERM);
    return wait();
}

}  // namespace inod::bench
