// Tries what a service must not be able to do, in the place of the daemon: started by its unit, with all of its
// confinement. Prints a line for each attempt: its name, and how it ended: "ok", or the name of the error.
//
//   probe DIRECTORY    one that it may write to
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>

#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

namespace {

void attempt(const char* name, const std::function<bool()>& succeeds) {
    errno = 0;
    const char* const outcome = succeeds() ? "ok" : strerrorname_np(errno);
    std::printf("%s %s\n", name, outcome == nullptr ? "?" : outcome);
}

bool opens(const std::string& path, int flags) {
    const int file = open(path.c_str(), flags | O_CLOEXEC, 0600);
    if (file >= 0) close(file);
    return file >= 0;
}

bool writes(const std::string& path) {
    return opens(path, O_WRONLY);
}

bool makes_socket(int family, int type) {
    const int made = socket(family, type, 0);
    if (made >= 0) close(made);
    return made >= 0;
}

bool maps_code() {
    return mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) != MAP_FAILED;
}

bool becomes_real_time() {
    const sched_param priority{.sched_priority = 1};
    return sched_setscheduler(0, SCHED_FIFO, &priority) == 0;
}

bool makes_set_uid_file(const std::string& directory) {
    const std::string path = directory + "/set-uid";
    const bool made = opens(path, O_CREAT | O_WRONLY) && chmod(path.c_str(), 04755) == 0;
    const int error = errno;
    unlink(path.c_str());
    errno = error;
    return made;
}

bool sets_the_clock() {
    timeval now{};
    return gettimeofday(&now, nullptr) == 0 && settimeofday(&now, nullptr) == 0;
}

std::string status_line(const char* key) {
    std::ifstream file("/proc/self/status");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(std::string(key) + ":")) return line.substr(line.rfind('\t') + 1);
    }
    return "none";
}

void say(const char* name, const std::string& value) {
    std::printf("%s %s\n", name, value.c_str());
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const std::string directory = argv[1];
    const auto system_call = [](long number) {
        return [number] { return syscall(number, 0, 0, 0, 0, 0) == 0; };
    };

    attempt("write-state", [&] { return opens(directory + "/probe", O_CREAT | O_WRONLY); });
    unlink((directory + "/probe").c_str());
    attempt("write-etc", [] { return opens("/etc/probe", O_CREAT | O_WRONLY); });
    attempt("write-usr", [] { return opens("/usr/probe", O_CREAT | O_WRONLY); });
    attempt("write-var", [] { return opens("/var/lib/probe", O_CREAT | O_WRONLY); });
    attempt("read-root-home", [] { return opens("/root/secret", O_RDONLY); });
    attempt("read-home", [] { return opens("/home/secret", O_RDONLY); });
    attempt("read-shared-tmp", [] { return opens("/tmp/secret", O_RDONLY); });
    attempt("read-shadow", [] { return opens("/etc/shadow", O_RDONLY); });
    attempt("read-init", [] { return opens("/proc/1/status", O_RDONLY); });
    attempt("read-cpuinfo", [] { return opens("/proc/cpuinfo", O_RDONLY); });
    attempt("read-kernel-log", [] { return opens("/dev/kmsg", O_RDONLY); });
    attempt("open-console", [] { return opens("/dev/console", O_RDONLY); });
    attempt("write-tunable", [] { return writes("/proc/sys/kernel/domainname"); });
    attempt("write-cgroup", [] { return writes("/sys/fs/cgroup/cgroup.procs"); });
    attempt("set-uid-file", [&] { return makes_set_uid_file(directory); });
    attempt("mount", [] { return mount("none", "/tmp", "tmpfs", 0, nullptr) == 0; });
    attempt("user-namespace", [] { return unshare(CLONE_NEWUSER) == 0; });
    attempt("load-module", system_call(SYS_finit_module));
    attempt("bpf", system_call(SYS_bpf));
    attempt("kernel-log", system_call(SYS_syslog));
    attempt("reboot", system_call(SYS_reboot));
    attempt("set-clock", sets_the_clock);
    attempt("set-host-name", [] { return sethostname("probe", 5) == 0; });
    attempt("real-time", becomes_real_time);
    attempt("personality", [] { return syscall(SYS_personality, 0x0008000) >= 0; });
    attempt("executable-memory", maps_code);
    attempt("unix-socket", [] { return makes_socket(AF_UNIX, SOCK_STREAM); });
    attempt("internet-socket", [] { return makes_socket(AF_INET, SOCK_STREAM); });
    attempt("netlink-socket", [] { return makes_socket(AF_NETLINK, SOCK_RAW); });
    attempt("packet-socket", [] { return makes_socket(AF_PACKET, SOCK_RAW); });
    say("capabilities", status_line("CapBnd"));
    say("no-new-privileges", status_line("NoNewPrivs"));
    say("seccomp", status_line("Seccomp"));
    const mode_t mask = umask(0);
    std::printf("umask %03o\n", mask);
    rlimit files{};
    rlimit locked{};
    getrlimit(RLIMIT_NOFILE, &files);
    getrlimit(RLIMIT_MEMLOCK, &locked);
    std::printf("files %lu\n", files.rlim_max);
    std::printf("locked-memory %lu\n", locked.rlim_max);
    std::ifstream score("/proc/self/oom_score_adj");
    std::string adjustment;
    score >> adjustment;
    say("oom-score", adjustment);
    char link[64] = {};
    for (const char* const space : {"mnt", "net"}) {
        const std::string path = std::string("/proc/self/ns/") + space;
        link[readlink(path.c_str(), link, sizeof link - 1)] = 0;
        std::printf("namespace-%s %s\n", space, link);
    }
    std::printf("users %u %u\n", getuid(), getgid());
    return 0;
}
