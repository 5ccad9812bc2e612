#include "tests/e2e/daemon_process.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace inod::e2e {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

// Milliseconds for poll(2), at least one while the deadline has not passed.
int left_until(Deadline deadline) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    return static_cast<int>(std::max<std::int64_t>(0, left.count()));
}

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::vector<char*> c_strings(std::vector<std::string>& words) {
    std::vector<char*> pointers;
    for (std::string& word : words)
        pointers.push_back(word.data());
    pointers.push_back(nullptr);
    return pointers;
}

}  // namespace

Deadline soon() {
    return std::chrono::steady_clock::now() + patience;
}

TemporaryFolder::TemporaryFolder() {
    const char* const base = std::getenv("TMPDIR");
    path_ = std::string(base != nullptr && *base != '\0' ? base : "/var/tmp") + "/inod-XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) fail("mkdtemp " + path_);
    // Other users may pass through: some tests run the daemon or a client as one.
    fs::permissions(path_, fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec);
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

std::ostream& operator<<(std::ostream& out, const Exit& exit) {
    if (exit.signal != 0) return out << "killed by signal " << exit.signal;
    return out << "exit status " << exit.status;
}

DaemonProcess::DaemonProcess(const std::string& config, Launch launch)
    : launch_(std::move(launch)),
      state_dir_(folder() + "/state"),
      socket_(folder() + "/socket"),
      manager_(folder() + "/notify") {
    std::ofstream(config_file()) << config;
    const char* const threads = std::getenv("INOD_TEST_THREADS");
    if (threads != nullptr && config.find("\"threads\"") == std::string::npos) {
        fs::create_directory(config_file() + ".d");
        std::ofstream(config_file() + ".d/threads.json") << "{\"threads\": " << threads << "}";
    }
}

DaemonProcess::~DaemonProcess() {
    if (pid_ != 0) kill9();
}

std::vector<std::string> DaemonProcess::command() const {
    std::vector<std::string> words = launch_.wrapper;
    for (const std::string& word :
         {std::string(INOD_PROGRAM), std::string("--config"), config_file(),
          std::string("--state-dir"), state_dir_, std::string("--socket"), socket_}) {
        words.push_back(word);
    }
    words.insert(words.end(), launch_.arguments.begin(), launch_.arguments.end());
    return words;
}

// In the child: as systemd does it.
void DaemonProcess::hand_over() const {
    std::vector<int> passed;
    std::string names;
    const auto pass = [&](int fd, const std::string& name) {
        // Out of the way of where they go.
        passed.push_back(fcntl(fd, F_DUPFD_CLOEXEC, 1'000));
        names += (names.empty() ? "" : ":") + name;
    };
    if (launch_.passed_socket) pass(*launch_.passed_socket, "inod");
    if (launch_.keeps_descriptors) {
        setenv("FDSTORE", "16385", 0);
        for (const auto& kept : manager_.kept())
            pass(kept.descriptor.get(), kept.name);
    }
    constexpr int first_passed = 3;
    for (std::size_t i = 0; i < passed.size(); ++i) {
        const int to = first_passed + static_cast<int>(i);
        if (dup2(passed[i], to) != to) _exit(126);
    }
    if (passed.empty()) return;
    setenv("LISTEN_FDS", std::to_string(passed.size()).c_str(), 1);
    setenv("LISTEN_FDNAMES", names.c_str(), 1);
    setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
}

// In the child: becomes the daemon.
void DaemonProcess::exec(const std::vector<std::string>& command, int log) const {
    setenv("NOTIFY_SOCKET", manager_.path().c_str(), 1);
    for (const auto& [name, value] : launch_.environment)
        setenv(name.c_str(), value.c_str(), 1);
    dup2(log, STDERR_FILENO);
    hand_over();
    // Opened before we become somebody else, who may not be able to reach a checkout under /root.
    const OwnedFd program(launch_.uid ? open(INOD_PROGRAM, O_PATH | O_CLOEXEC) : -1);
    if (launch_.uid) {
        const uid_t uid = *launch_.uid;
        if (setgroups(0, nullptr) != 0 || setresgid(uid, uid, uid) != 0 ||
            setresuid(uid, uid, uid) != 0) {
            _exit(126);
        }
    }
    // A test that dies takes its daemon along.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    auto words = command;
    const auto pointers = c_strings(words);
    if (program) {
        fexecve(program.get(), pointers.data(), environ);
    } else {
        execvp(pointers.front(), pointers.data());
    }
    dprintf(STDERR_FILENO, "exec %s: %s\n", pointers.front(), std::strerror(errno));
    _exit(127);
}

void DaemonProcess::spawn() {
    if (pid_ != 0) throw std::logic_error("it runs already");
    OwnedFd log;
    if (launch_.reads_no_log) {
        std::array<int, 2> ends{};
        if (pipe2(ends.data(), O_CLOEXEC) != 0) fail("pipe");
        const OwnedFd read_end(ends[0]);
        log = OwnedFd(ends[1]);
    } else {
        log = OwnedFd(
            open(log_file().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644));
    }
    if (!log) fail("open " + log_file());
    manager_.hear_all();
    const auto words = command();
    exit_ = {};
    start_notices_.clear();
    pid_ = fork();
    if (pid_ < 0) fail("fork");
    if (pid_ == 0) exec(words, log.get());
    process_ = OwnedFd(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
    if (!process_) fail("pidfd_open");
}

bool DaemonProcess::start() {
    spawn();
    const Deadline deadline = soon();
    for (;;) {
        std::array<pollfd, 2> events{{{.fd = manager_.fd(), .events = POLLIN, .revents = 0},
                                      {.fd = process_.get(), .events = POLLIN, .revents = 0}}};
        const int count = poll(events.data(), events.size(), left_until(deadline));
        if (count < 0 && errno != EINTR) fail("poll");
        if (count == 0) throw std::runtime_error("inod neither got ready nor ended: " + log());
        const auto said = manager_.hear();
        if (said) start_notices_.append(*said).append("\n");
        if (said && said->find("READY=1") != std::string::npos) return true;
        if (!said && has_ended()) return false;
    }
}

bool DaemonProcess::has_ended() {
    if (pid_ == 0) return true;
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) != pid_) return false;
    pid_ = 0;
    exit_ = WIFSIGNALED(status) ? Exit{.status = -1, .signal = WTERMSIG(status)}
                                : Exit{.status = WEXITSTATUS(status), .signal = 0};
    return true;
}

Exit DaemonProcess::wait_for_end() {
    const Deadline deadline = soon();
    while (!has_ended()) {
        // Where descriptors are kept it waits until it was heard.
        std::array<pollfd, 2> events{{{.fd = process_.get(), .events = POLLIN, .revents = 0},
                                      {.fd = launch_.keeps_descriptors ? manager_.fd() : -1,
                                       .events = POLLIN,
                                       .revents = 0}}};
        if (poll(events.data(), events.size(), left_until(deadline)) == 0) {
            throw std::runtime_error("inod does not end: " + log());
        }
        if (launch_.keeps_descriptors) manager_.hear_all();
    }
    return exit_;
}

void DaemonProcess::signal(int number) const {
    if (pid_ != 0) kill(pid_, number);
}

Exit DaemonProcess::terminate() {
    signal(SIGTERM);
    return wait_for_end();
}

void DaemonProcess::kill9() {
    signal(SIGKILL);
    wait_for_end();
}

Client DaemonProcess::connect(std::vector<std::string> pools) const {
    return Client::connect({.socket_path = socket_, .pools = std::move(pools), .timeout = patience})
        .value();
}

std::string DaemonProcess::log() const {
    return read_file(log_file());
}

std::string DaemonProcess::notices() const {
    std::string all;
    while (const auto said = manager_.hear())
        all.append(*said).append("\n");
    return all;
}

std::string DaemonProcess::await_notice() const {
    pollfd asked{.fd = manager_.fd(), .events = POLLIN, .revents = 0};
    poll(&asked, 1, static_cast<int>(std::chrono::milliseconds(patience).count()));
    return manager_.hear().value_or("");
}

Exit run_inod(const std::vector<std::string>& arguments, std::string& output) {
    const TemporaryFolder folder;
    const std::string file = folder.path() + "/output";
    std::vector<std::string> words{INOD_PROGRAM};
    words.insert(words.end(), arguments.begin(), arguments.end());
    const auto pointers = c_strings(words);
    const pid_t pid = fork();
    if (pid < 0) fail("fork");
    if (pid == 0) {
        const int to = open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
        dup2(to, STDOUT_FILENO);
        dup2(to, STDERR_FILENO);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(pointers.front(), pointers.data());
        _exit(127);
    }
    int status = 0;
    if (waitpid(pid, &status, 0) != pid) fail("waitpid");
    output = read_file(file);
    if (WIFSIGNALED(status)) return {.status = -1, .signal = WTERMSIG(status)};
    return {.status = WEXITSTATUS(status), .signal = 0};
}

}  // namespace inod::e2e
