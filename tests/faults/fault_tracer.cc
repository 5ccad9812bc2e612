// fault_tracer: runs a program and lets a fault happen to one of its system calls.
//
//   fault_tracer FOLDER SHARED CALLS FAULT WHEN COMMAND...
//
//   FOLDER   calls count that touch this folder or something in it; others just pass
//   SHARED   a file of sizeof(TracedCalls) bytes, mapped: what was seen
//   CALLS    names with commas between them, or "all" for every one of `traceable`
//   FAULT    a name of `fault_names`; error=ERRNO with a number
//   WHEN     the call that is chosen, counted from 1 over all threads; "3+" for all from the third
//
// The program keeps our process ID. The tracer is a grandchild of its own; when it dies, the program
// does. Unlike strace(1) it counts over all threads, and it can undo what was not synced.
//
// Method: a seccomp filter stops the program at the calls in question alone (ptrace(2), seccomp(2)),
// so everything else runs at full speed. x86-64 only.

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/owned_fd.h"
#include "tests/faults/traced_calls.h"

namespace inod::faults {
namespace {

enum class Kind { write, sync, descriptor, path, path_at, rename_at };

struct Call {
    std::string_view name;
    int number;
    Kind kind;  // what its arguments are
};

// clang-format off
constexpr std::array traceable = {
    Call{"write",           SYS_write,           Kind::write},
    Call{"pwrite64",        SYS_pwrite64,        Kind::write},
    Call{"writev",          SYS_writev,          Kind::descriptor},
    Call{"pwritev",         SYS_pwritev,         Kind::descriptor},
    Call{"pwritev2",        SYS_pwritev2,        Kind::descriptor},
    Call{"fdatasync",       SYS_fdatasync,       Kind::sync},
    Call{"fsync",           SYS_fsync,           Kind::sync},
    Call{"sync_file_range", SYS_sync_file_range, Kind::descriptor},
    Call{"ftruncate",       SYS_ftruncate,       Kind::descriptor},
    Call{"fallocate",       SYS_fallocate,       Kind::descriptor},
    Call{"open",            SYS_open,            Kind::path},
    Call{"openat",          SYS_openat,          Kind::path_at},
    Call{"mkdir",           SYS_mkdir,           Kind::path},
    Call{"mkdirat",         SYS_mkdirat,         Kind::path_at},
    Call{"rename",          SYS_rename,          Kind::path},
    Call{"renameat",        SYS_renameat,        Kind::rename_at},
    Call{"renameat2",       SYS_renameat2,       Kind::rename_at},
    Call{"unlink",          SYS_unlink,          Kind::path},
    Call{"unlinkat",        SYS_unlinkat,        Kind::path_at},
};

constexpr std::array<std::string_view, 6> fault_names = {
    "none", "kill", "power_cut", "error", "shorten", "skip",
};
// clang-format on

[[noreturn]] void fail(const char* what) {
    std::perror(what);
    std::_Exit(125);
}

struct Options {
    std::string folder;
    TracedCalls* seen = nullptr;
    std::vector<Call> calls;
    Fault fault = Fault::none;
    int error = 0;
    std::uint64_t when = 0;
    bool and_later = false;
};

Options parse(char** words) {
    Options options;
    options.folder = words[1];
    const OwnedFd shared(open(words[2], O_RDWR | O_CLOEXEC));
    if (!shared) fail(words[2]);
    void* const memory =
        mmap(nullptr, sizeof(TracedCalls), PROT_READ | PROT_WRITE, MAP_SHARED, shared.get(), 0);
    if (memory == MAP_FAILED) fail("mmap");
    options.seen = static_cast<TracedCalls*>(memory);
    const std::string names = "," + std::string(words[3]) + ",";
    for (const Call& call : traceable) {
        const std::string name = "," + std::string(call.name) + ",";
        if (names == ",all," || names.find(name) != std::string::npos)
            options.calls.push_back(call);
    }
    const std::string_view fault = words[4];
    const auto name_end = std::min(fault.find('='), fault.size());
    const auto* const found =
        std::find(fault_names.begin(), fault_names.end(), fault.substr(0, name_end));
    options.fault = static_cast<Fault>(found - fault_names.begin());
    if (name_end < fault.size()) {
        options.error = static_cast<int>(std::strtol(words[4] + name_end + 1, nullptr, 10));
    }
    char* end = nullptr;
    options.when = std::strtoull(words[5], &end, 10);
    options.and_later = *end == '+';
    return options;
}

// --- what was written and not synced -----------------------------------------------------------

// Keeps what a write is about to replace, until a sync has made the write durable.
class UndoLog {
public:
    // `file` is open for reading and writing.
    void before_write(OwnedFd file, off_t offset, std::size_t size) {
        Replaced replaced{.file = std::move(file), .status = {}, .offset = offset, .bytes = {}};
        if (fstat(replaced.file.get(), &replaced.status) != 0) return;
        replaced.bytes.resize(size);
        const auto got = pread(replaced.file.get(), replaced.bytes.data(), size, offset);
        replaced.bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        log_.push_back(std::move(replaced));
    }

    void synced(const struct stat& file) {
        std::erase_if(log_, [&](const Replaced& replaced) { return is_same(replaced, file); });
    }

    // The newest first, so that the oldest content is what stays.
    void undo(const struct stat* only = nullptr) {
        for (std::size_t i = log_.size(); i-- > 0;) {
            const Replaced& replaced = log_[i];
            if (only != nullptr && !is_same(replaced, *only)) continue;
            const auto& bytes = replaced.bytes;
            if (pwrite(replaced.file.get(), bytes.data(), bytes.size(), replaced.offset) !=
                    static_cast<ssize_t>(bytes.size()) ||
                ftruncate(replaced.file.get(), replaced.status.st_size) != 0) {
                fail("fault_tracer: undo");
            }
        }
        if (only == nullptr) {
            log_.clear();
        } else {
            synced(*only);
        }
    }

private:
    struct Replaced {
        OwnedFd file;
        struct stat status;  // before the write
        off_t offset;
        std::vector<char> bytes;
    };

    static bool is_same(const Replaced& replaced, const struct stat& file) {
        return replaced.status.st_ino == file.st_ino && replaced.status.st_dev == file.st_dev;
    }

    std::vector<Replaced> log_;
};

// --- the tracer --------------------------------------------------------------------------------

class Tracer {
public:
    Tracer(Options options, pid_t leader) : options_(std::move(options)), leader_(leader) {}

    // Until the program has ended.
    void run();

private:
    void on_call(pid_t thread);
    bool touches_folder(pid_t thread, const Call& call, const std::uint64_t* arguments) const;
    void remember(const Call& call, const std::uint64_t* arguments);
    void happen(pid_t thread, const Call& call, const std::uint64_t* arguments);
    static void answer(pid_t thread, long value);
    [[nodiscard]] std::string descriptor_path(int descriptor) const;

    Options options_;
    pid_t leader_;
    UndoLog undo_;
};

void Tracer::run() {
    for (;;) {
        int status = 0;
        const pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0) return;
        if (!WIFSTOPPED(status)) continue;
        const int signal = WSTOPSIG(status);
        const int event = status >> 16;
        if (event == PTRACE_EVENT_SECCOMP) on_call(thread);
        const bool delivered = event == 0;
        ptrace(PTRACE_CONT, thread, nullptr, delivered ? signal : 0);
    }
}

void Tracer::on_call(pid_t thread) {
    __ptrace_syscall_info info{};
    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0) {
        return;  // it was killed meanwhile
    }
    const auto number = static_cast<int>(info.seccomp.nr);
    const auto call = std::find_if(options_.calls.begin(), options_.calls.end(),
                                   [number](const Call& one) { return one.number == number; });
    const auto* const arguments = reinterpret_cast<const std::uint64_t*>(&info.seccomp.args);
    if (call == options_.calls.end() || !touches_folder(thread, *call, arguments)) return;
    TracedCalls& seen = *options_.seen;
    const std::uint64_t position = ++seen.count;
    const bool chosen =
        position == options_.when || (options_.and_later && position > options_.when);
    if (!chosen || options_.fault == Fault::none) {
        remember(*call, arguments);
        return;
    }
    if (seen.chosen == 0) {
        seen.number = static_cast<std::uint32_t>(number);
        seen.position = position;
    }
    ++seen.chosen;
    happen(thread, *call, arguments);
}

std::string Tracer::descriptor_path(int descriptor) const {
    const std::string prefix = "/proc/" + std::to_string(leader_);
    const std::string link =
        descriptor == AT_FDCWD ? prefix + "/cwd" : prefix + "/fd/" + std::to_string(descriptor);
    std::array<char, PATH_MAX> path{};
    const auto size = readlink(link.c_str(), path.data(), path.size());
    return {path.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
}

bool Tracer::touches_folder(pid_t thread, const Call& call, const std::uint64_t* arguments) const {
    const bool has_path = call.kind == Kind::path || call.kind == Kind::path_at;
    std::string path;
    if (has_path) {
        std::array<char, PATH_MAX> text{};
        const std::uint64_t address = arguments[call.kind == Kind::path ? 0 : 1];
        // Up to the end of the page: what lies behind it may not be mapped.
        const iovec local{.iov_base = text.data(),
                          .iov_len = std::min<std::size_t>(text.size() - 1, 4096 - address % 4096)};
        // NOLINTNEXTLINE(performance-no-int-to-ptr): an address in another process
        const iovec remote{.iov_base = reinterpret_cast<void*>(address), .iov_len = local.iov_len};
        if (process_vm_readv(thread, &local, 1, &remote, 1, 0) < 0) return false;
        path = text.data();
    }
    if (!path.starts_with('/') && call.kind != Kind::path) {
        path = descriptor_path(static_cast<int>(arguments[0]));
    }
    return path == options_.folder || path.starts_with(options_.folder + "/");
}

// A call that is going to be made.
void Tracer::remember(const Call& call, const std::uint64_t* arguments) {
    if (call.kind != Kind::write && call.kind != Kind::sync) return;
    const std::string link = "/proc/" + std::to_string(leader_) + "/fd/" +
                             std::to_string(static_cast<int>(arguments[0]));
    struct stat status {};
    if (stat(link.c_str(), &status) != 0) return;
    if (call.kind == Kind::sync) {
        undo_.synced(status);
    } else if (call.number == SYS_pwrite64 && S_ISREG(status.st_mode)) {
        undo_.before_write(OwnedFd(open(link.c_str(), O_RDWR | O_CLOEXEC)),
                           static_cast<off_t>(arguments[3]), arguments[2]);
    }
}

void Tracer::happen(pid_t thread, const Call& call, const std::uint64_t* arguments) {
    switch (options_.fault) {
        case Fault::none: break;
        case Fault::power_cut: undo_.undo(); [[fallthrough]];
        case Fault::kill: kill(leader_, SIGKILL); break;
        case Fault::skip: answer(thread, 0); break;
        case Fault::error:
            if (call.kind == Kind::sync && options_.error != EINTR) {
                struct stat status {};
                const std::string link = "/proc/" + std::to_string(leader_) + "/fd/" +
                                         std::to_string(static_cast<int>(arguments[0]));
                if (stat(link.c_str(), &status) == 0) undo_.undo(&status);
            }
            answer(thread, -options_.error);
            break;
        case Fault::shorten: {
            user_regs_struct registers{};
            ptrace(PTRACE_GETREGS, thread, nullptr, &registers);
            registers.rdx = (registers.rdx + 1) / 2;
            ptrace(PTRACE_SETREGS, thread, nullptr, &registers);
            remember(call, arguments);
            break;
        }
    }
}

// The call is not made and returns this: the number -1 makes the kernel pass over it (seccomp(2)).
void Tracer::answer(pid_t thread, long value) {
    user_regs_struct registers{};
    ptrace(PTRACE_GETREGS, thread, nullptr, &registers);
    registers.orig_rax = ~0ULL;
    registers.rax = static_cast<unsigned long long>(value);
    ptrace(PTRACE_SETREGS, thread, nullptr, &registers);
}

// --- the program -------------------------------------------------------------------------------

// In what becomes the program: calls of these numbers stop for the tracer.
void install_filter(const std::vector<Call>& calls) {
    std::vector<sock_filter> filter;
    constexpr auto load = static_cast<std::uint16_t>(BPF_LD | BPF_W | BPF_ABS);
    constexpr auto is_equal = static_cast<std::uint16_t>(BPF_JMP | BPF_JEQ | BPF_K);
    constexpr auto result = static_cast<std::uint16_t>(BPF_RET | BPF_K);
    filter.push_back(BPF_STMT(load, offsetof(seccomp_data, arch)));
    filter.push_back(BPF_JUMP(is_equal, AUDIT_ARCH_X86_64, 1, 0));
    filter.push_back(BPF_STMT(result, SECCOMP_RET_ALLOW));
    filter.push_back(BPF_STMT(load, offsetof(seccomp_data, nr)));
    for (const Call& call : calls) {
        filter.push_back(BPF_JUMP(is_equal, static_cast<std::uint32_t>(call.number), 0, 1));
        filter.push_back(BPF_STMT(result, SECCOMP_RET_TRACE));
    }
    filter.push_back(BPF_STMT(result, SECCOMP_RET_ALLOW));
    const sock_fprog program{.len = static_cast<unsigned short>(filter.size()),
                             .filter = filter.data()};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("PR_SET_NO_NEW_PRIVS");
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) fail("PR_SET_SECCOMP");
}

[[noreturn]] void trace(const Options& options, pid_t leader, int ready) {
    constexpr int traced = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SEIZE, leader, nullptr, traced) != 0) fail("PTRACE_SEIZE");
    // A test that waits for the end of our output must not wait for us.
    if (write(ready, "", 1) != 1) fail("write");
    close(ready);
    Tracer(options, leader).run();
    std::_Exit(0);
}

int run(char** words) {
    const Options options = parse(words);
    std::array<int, 2> ready{};
    if (pipe2(ready.data(), O_CLOEXEC) != 0) fail("pipe");
    const pid_t leader = getpid();
    const pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
        // The grandchild is nobody's child in the program: it would have to be waited for.
        if (fork() == 0) trace(options, leader, ready[1]);
        std::_Exit(0);
    }
    waitpid(child, nullptr, 0);
    close(ready[1]);
    char byte = 0;
    if (read(ready[0], &byte, 1) != 1) {
        std::fputs("fault_tracer: may not trace\n", stderr);
        return 125;
    }
    install_filter(options.calls);
    execvp(words[6], words + 6);
    fail(words[6]);
}

}  // namespace
}  // namespace inod::faults

int main(int argc, char** argv) {
    if (argc < 7) {
        std::fputs("usage: fault_tracer FOLDER SHARED CALLS FAULT WHEN COMMAND...\n", stderr);
        return 125;
    }
    return inod::faults::run(argv);
}
