#include "daemon/process_identity.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <string_view>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/base/assert.h"
#include "lib/base/hex.h"
#include "lib/base/system_failure.h"

namespace inod::daemon {
namespace {

using Why = NoProcess::Why;

// The file system of pidfds: PID_FS_MAGIC of linux/magic.h, Linux 6.9.
constexpr long pidfs = 0x50494446;

// Of a pidfd that stands for a thread: PIDFD_THREAD of linux/pidfd.h, Linux 6.9.
constexpr int pidfd_thread = O_EXCL;

#ifdef SO_PEERPIDFD
constexpr int peerpidfd = SO_PEERPIDFD;
#else
// asm-generic/socket.h of Linux 6.5; SPARC and PA-RISC have another number.
constexpr int peerpidfd = 77;
#endif

// The beginning of a small file.
struct Text {
    std::array<char, 4096> bytes;
    std::size_t size = 0;

    [[nodiscard]] std::string_view view() const { return {bytes.data(), size}; }
};

// The path of a file below /proc: folder, a number, name.
struct ProcPath {
    ProcPath(const char* folder, std::uint32_t number, const char* name) {
        std::snprintf(text.data(), text.size(), "/proc/%s%u%s", folder, number, name);
    }
    std::array<char, 48> text{};
};

// False with the reason in errno.
bool read_text(const char* path, Text& text) {
    const OwnedFd file(::open(path, O_RDONLY | O_CLOEXEC));
    if (!file) return false;
    text.size = 0;
    while (text.size < text.bytes.size()) {
        const auto count =
            ::read(file.get(), text.bytes.data() + text.size, text.bytes.size() - text.size);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return false;
        if (count == 0) break;
        text.size += static_cast<std::size_t>(count);
    }
    return true;
}

// Takes a word and the blanks before it off the front of the text.
std::string_view take_word(std::string_view& text) {
    constexpr std::string_view blanks = " \t\n";
    text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
    const std::string_view word = text.substr(0, text.find_first_of(blanks));
    text.remove_prefix(word.size());
    return word;
}

// The same of a word that is a decimal number.
template <class Int>
std::optional<Int> take_number(std::string_view& text) {
    const std::string_view word = take_word(text);
    const char* const end = word.data() + word.size();
    Int number = 0;
    const auto result = std::from_chars(word.data(), end, number);
    if (result.ec != std::errc{} || result.ptr != end) return std::nullopt;
    return number;
}

// What stands behind `name` in the line that begins with it.
std::optional<std::string_view> field(std::string_view text, std::string_view name) {
    for (; !text.empty(); text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1)) {
        if (text.starts_with(name)) return text.substr(name.size());
    }
    return std::nullopt;
}

NoProcess failed(const char* call, const std::string& path) {
    return {Why::failed, system_failure(call, path).message};
}

NoProcess unreadable(const ProcPath& path) {
    return {Why::failed,
            std::string(path.text.data()) + ": not as proc(5) says; is /proc a procfs?"};
}

// For all PIDs, as the kernel takes them for signed: what is no process's is ended.
Result<OwnedFd, NoProcess> open_pidfd(std::uint32_t pid) {
    OwnedFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0)));
    if (pidfd) return pidfd;
    // Nobody has the number, or only a thread has (ENOENT since Linux 6.15, EINVAL before).
    if (errno == ESRCH || errno == ENOENT || errno == EINVAL) return NoProcess{Why::ended, {}};
    return failed("pidfd_open", std::to_string(pid));
}

// What /proc/PID/`name` says of the process of `pidfd`, which has or had that PID.
Result<Text, NoProcess> text_of(int pidfd, std::uint32_t pid, const char* name) {
    const ProcPath path("", pid, name);
    Text text;
    const bool was_read = read_text(path.text.data(), text);
    const int reason = errno;
    // Looked at afterwards: as long as it lives nobody else can have its PID.
    if (has_ended(pidfd)) return NoProcess{Why::ended, {}};
    if (was_read) return text;
    errno = reason;
    NoProcess error = failed("open", path.text.data());
    if (reason != ENOENT && reason != EACCES && reason != EPERM) return error;
    return NoProcess{Why::not_visible, error.message +
                                           ": the process is alive, and hidden by hidepid "
                                           "of /proc or ProtectProc of the service"};
}

Result<std::uint64_t, NoProcess> start_time_of(int pidfd, std::uint32_t pid) {
    const auto text = text_of(pidfd, pid, "/stat");
    if (!text) return text.error();
    // Field 22; the second, the name in parentheses, may have any character in it (proc(5)).
    std::string_view rest = text->view();
    rest.remove_prefix(std::min(rest.rfind(')'), rest.size() - 1) + 1);
    for (int number = 3; number < 22; ++number)
        take_word(rest);
    const auto start_time = take_number<std::uint64_t>(rest);
    if (!start_time) return unreadable(ProcPath("", pid, "/stat"));
    return *start_time;
}

// Whether the real, effective or saved UID of the process is `uid`.
Result<bool, NoProcess> has_uid(int pidfd, std::uint32_t pid, std::uint32_t uid) {
    const auto text = text_of(pidfd, pid, "/status");
    if (!text) return text.error();
    auto uids = field(text->view(), "Uid:");
    for (int i = 0; uids && i < 3; ++i) {
        const auto found = take_number<std::uint32_t>(*uids);
        if (!found) return unreadable(ProcPath("", pid, "/status"));
        if (*found == uid) return true;
    }
    return false;
}

// The PID of a descriptor that may be anything. Of a pidfd alone the line is read: of an epoll
// instance, say, the kernel would list all that it watches.
Result<std::uint32_t, NoProcess> pid_of(int descriptor) {
    const auto may_be = is_pidfd(descriptor);
    if (!may_be) return may_be.error();
    if (!*may_be) return NoProcess{Why::not_a_pidfd, {}};
    const ProcPath path("self/fdinfo/", static_cast<std::uint32_t>(descriptor), "");
    Text text;
    if (!read_text(path.text.data(), text)) return failed("open", path.text.data());
    auto number = field(text.view(), "Pid:");
    if (!number) return NoProcess{Why::not_a_pidfd, {}};
    const auto pid = take_number<std::int32_t>(*number);
    if (!pid) return unreadable(path);
    if (*pid < 0 || has_ended(descriptor)) return NoProcess{Why::ended, {}};
    if (*pid == 0) return NoProcess{Why::not_visible, "the process is in another PID namespace"};
    return static_cast<std::uint32_t>(*pid);
}

// The inode number of a pidfd, 0 where the kernel has none.
Result<std::uint64_t, NoProcess> inode_of(int pidfd) {
    // Anonymous inodes share one number, and one of 32 bits comes back.
    if (sizeof(ino_t) < sizeof(std::uint64_t)) return std::uint64_t{0};
    struct statfs file_system {};
    if (::fstatfs(pidfd, &file_system) != 0) return failed("fstatfs", "a pidfd");
    if (file_system.f_type != pidfs) return std::uint64_t{0};
    struct stat status {};
    if (::fstat(pidfd, &status) != 0) return failed("fstat", "a pidfd");
    return std::uint64_t{status.st_ino};
}

}  // namespace

Result<std::optional<Id128>, Failure> boot_id(const char* path) {
    Text text;
    if (!read_text(path, text)) {
        if (errno == ENOENT) return std::optional<Id128>{};
        return system_failure("open", path);
    }
    std::string_view line = text.view();
    if (line.ends_with('\n')) line.remove_suffix(1);
    const auto id = parse_uuid(line);
    if (!id) return Failure{Errc::io_error, std::string(path) + ": no boot ID; is /proc a procfs?"};
    return id;
}

Result<std::uint64_t, Failure> pid_namespace() {
    std::array<char, 16> self{};
    const auto size = ::readlink("/proc/self", self.data(), self.size());
    if (size < 0) return system_failure("readlink", "/proc/self");
    std::string_view own(self.data(), static_cast<std::size_t>(size));
    if (take_number<pid_t>(own) != ::getpid()) {
        return Failure{
            Errc::io_error,
            "/proc shows another PID namespace than ours: mount a procfs of our own there"};
    }
    struct stat status {};
    constexpr const char* name = "/proc/self/ns/pid";
    if (::stat(name, &status) != 0) return system_failure("stat", name);
    return status.st_ino;
}

std::uint64_t ticks_since_boot() noexcept {
    static const auto ticks_per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * ticks_per_second +
           static_cast<std::uint64_t>(now.tv_nsec) * ticks_per_second / 1'000'000'000;
}

// What is on a file system has a path there, and of anything else the kernel says the kind: pidfs
// "pidfd:" and a number, or for all of them the same, as before Linux 6.9.
Result<bool, NoProcess> is_pidfd(int descriptor) {
    const ProcPath path("self/fd/", static_cast<std::uint32_t>(descriptor), "");
    std::array<char, 32> target{};
    const auto size = ::readlink(path.text.data(), target.data(), target.size());
    if (size < 0) return failed("readlink", path.text.data());
    const std::string_view kind(target.data(), static_cast<std::size_t>(size));
    return kind == "anon_inode:[pidfd]" || kind.starts_with("pidfd:");
}

bool has_ended(int pidfd) {
    pollfd end{.fd = pidfd, .events = POLLIN, .revents = 0};
    int count = -1;
    do {
        count = ::poll(&end, 1, 0);  // a signal may interrupt it, though it does not wait
    } while (count < 0 && errno == EINTR);
    INOD_ASSERT(count >= 0 && (end.revents & POLLNVAL) == 0);
    return count > 0;
}

Result<ProcessIdentity, NoProcess> identity_of(int descriptor) {
    const auto pid = pid_of(descriptor);
    if (!pid) return pid.error();
    const auto inode = inode_of(descriptor);
    if (!inode) return inode.error();
    const int flags = ::fcntl(descriptor, F_GETFL);
    if (flags < 0) return failed("fcntl", "a pidfd");
    if ((flags & pidfd_thread) != 0) return NoProcess{Why::thread, {}};
    const auto start_time = start_time_of(descriptor, *pid);
    if (!start_time) return start_time.error();
    return ProcessIdentity{.pid = *pid, .inode = *inode, .start_time = *start_time};
}

Result<OwnedFd, NoProcess> peer_pidfd(int socket, std::uint64_t accepted_at) {
    int descriptor = -1;
    socklen_t size = sizeof(descriptor);
    if (::getsockopt(socket, SOL_SOCKET, peerpidfd, &descriptor, &size) != 0) {
        if (errno == ENOPROTOOPT) return peer_pidfd_by_credentials(socket, accepted_at);
        // Whoever was waited for has no pidfd before Linux 6.16.
        if (errno == ESRCH || errno == EINVAL) return NoProcess{Why::ended, {}};
        return failed("getsockopt", "SO_PEERPIDFD");
    }
    OwnedFd pidfd(descriptor);
    if (has_ended(pidfd.get())) return NoProcess{Why::ended, {}};
    return pidfd;
}

Result<OwnedFd, NoProcess> peer_pidfd_by_credentials(int socket, std::uint64_t accepted_at) {
    ucred peer{};
    socklen_t size = sizeof(peer);
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return failed("getsockopt", "SO_PEERCRED");
    }
    if (peer.pid == 0) {
        return NoProcess{Why::not_visible, "the peer is in another PID namespace"};
    }
    const auto pid = static_cast<std::uint32_t>(peer.pid);
    auto pidfd = open_pidfd(pid);
    if (!pidfd) return pidfd;
    const auto start_time = start_time_of(pidfd->get(), pid);
    if (!start_time) return start_time.error();
    // The PID is another's now, so its former owner, who connected, has ended.
    if (*start_time > accepted_at) return NoProcess{Why::ended, {}};
    const auto fits = has_uid(pidfd->get(), pid, peer.uid);
    if (!fits) return fits.error();
    if (!*fits) return NoProcess{Why::unproven, {}};
    return pidfd;
}

Result<std::optional<OwnedFd>, Failure> reopen(const ProcessIdentity& recorded) {
    const auto outcome = [&]() -> Result<OwnedFd, NoProcess> {
        auto pidfd = open_pidfd(recorded.pid);
        if (!pidfd) return pidfd;
        const auto found = recorded.inode != 0 ? inode_of(pidfd->get())
                                               : start_time_of(pidfd->get(), recorded.pid);
        if (!found) return found.error();
        const std::uint64_t wanted = recorded.inode != 0 ? recorded.inode : recorded.start_time;
        if (*found != wanted || has_ended(pidfd->get())) return NoProcess{Why::ended, {}};
        return pidfd;
    };
    auto pidfd = outcome();
    if (pidfd) return std::optional(std::move(*pidfd));
    if (pidfd.error().why == Why::ended) return std::optional<OwnedFd>{};
    return Failure{Errc::io_error, pidfd.error().message};
}

}  // namespace inod::daemon
