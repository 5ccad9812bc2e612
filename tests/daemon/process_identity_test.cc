// Promise: a process is known again, and no other is taken for it, whatever PID that one has; and
// none is taken for ended because it cannot be seen.
#include "daemon/process_identity.h"

#include <array>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>

#include "lib/base/hex.h"
#include "tests/daemon/child.h"
#include "tests/daemon/pid_namespace.h"
#include "tests/sim/refused_memory.h"

namespace inod::daemon {
namespace {

using Why = NoProcess::Why;

template <class T>
std::optional<Why> why(const Result<T, NoProcess>& result) {
    return result ? std::nullopt : std::optional(result.error().why);
}

// Requires that it has one.
ProcessIdentity recorded_of(const Child& child) {
    const OwnedFd pidfd = child.open();
    const auto identity = identity_of(pidfd.get());
    EXPECT_TRUE(identity) << identity.error().message;
    return identity ? *identity : ProcessIdentity{};
}

enum class Found { same, none, unknown };

Found found(const ProcessIdentity& recorded) {
    const auto pidfd = reopen(recorded);
    if (!pidfd) return Found::unknown;
    if (!*pidfd) return Found::none;
    // The same as far as this kernel can tell.
    auto now = identity_of((*pidfd)->get());
    if (now && recorded.inode == 0) now->inode = 0;
    EXPECT_EQ(now ? *now : ProcessIdentity{}, recorded);
    return Found::same;
}

ProcessIdentity without_inode(ProcessIdentity identity) {
    identity.inode = 0;
    return identity;
}

// After it no process starts in the tick in which that one did.
void pass_tick_of(const ProcessIdentity& identity) {
    while (ticks_since_boot() <= identity.start_time)
        ::sched_yield();
}

// A Unix socket that waits for connections.
class Server {
public:
    Server() {
        sockaddr_un any{.sun_family = AF_UNIX, .sun_path = {}};
        const auto* const address = reinterpret_cast<const sockaddr*>(&any);
        // The family alone: the kernel chooses an abstract name (unix(7), Autobind feature).
        EXPECT_EQ(::bind(listener_.get(), address, sizeof(sa_family_t)), 0);
        EXPECT_EQ(::listen(listener_.get(), 1), 0);
        EXPECT_EQ(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address_), &size_),
                  0);
    }

    // To be called by the client, which then keeps the connection.
    void connect() const {
        OwnedFd client(::socket(AF_UNIX, SOCK_STREAM, 0));
        if (::connect(client.get(), reinterpret_cast<const sockaddr*>(&address_), size_) != 0) {
            ::_exit(1);
        }
        client.release();
    }

    [[nodiscard]] OwnedFd accept() const {
        return OwnedFd(::accept(listener_.get(), nullptr, nullptr));
    }

private:
    OwnedFd listener_{::socket(AF_UNIX, SOCK_STREAM, 0)};
    sockaddr_un address_{};
    socklen_t size_ = sizeof(address_);
};

TEST(BootId, IsWhatTheKernelSays) {
    const auto boot = boot_id();
    ASSERT_TRUE(boot) << boot.error().message;
    ASSERT_TRUE(*boot);
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string text;
    ASSERT_TRUE(file >> text);
    EXPECT_EQ(uuid(**boot), text);
}

TEST(BootId, AnythingElseIsRefusedByName) {
    for (const char* path : {"/proc/self", "/proc/self/stat", "/dev/null", "/dev/null/of/all"}) {
        const auto boot = boot_id(path);
        ASSERT_FALSE(boot) << path;
        EXPECT_EQ(boot.error().code, Errc::io_error);
        EXPECT_NE(boot.error().message.find(path), std::string::npos) << boot.error().message;
    }
}

// Without one everything that a process or a connection holds is taken back: that the file could
// not be read for once is no reason for it.
TEST(BootId, OneThatCannotBeReadIsNotTakenForNone) {
    const auto none = boot_id("/nowhere/at/all");
    ASSERT_TRUE(none) << none.error().message;
    EXPECT_EQ(*none, std::nullopt);
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlimit tight = limit;
    tight.rlim_cur = 0;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
    const auto unread = boot_id();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    ASSERT_FALSE(unread);
    EXPECT_EQ(unread.error().code, Errc::io_error);
}

TEST(ProcessIdentity, IsTheSameThroughEveryPidfd) {
    const std::uint64_t before = ticks_since_boot();
    Child child;
    const std::uint64_t after = ticks_since_boot();
    Child other;
    const ProcessIdentity identity = recorded_of(child);
    EXPECT_EQ(identity, recorded_of(child));
    EXPECT_NE(identity, recorded_of(other));
    EXPECT_EQ(identity.pid, child.pid());
    EXPECT_GE(identity.start_time, before);
    EXPECT_LE(identity.start_time, after);
    EXPECT_EQ(found(identity), Found::same);
    EXPECT_EQ(found(without_inode(identity)), Found::same);
}

TEST(ProcessIdentity, HasTheInodeNumberThatPidfsGave) {
    const Child child;
    const OwnedFd pidfd = child.open();
    struct statfs file_system {};
    struct stat status {};
    ASSERT_EQ(::fstatfs(pidfd.get(), &file_system), 0);
    ASSERT_EQ(::fstat(pidfd.get(), &status), 0);
    constexpr auto anonymous_inodes = 0x09041934;  // linux/magic.h
    const bool has_pidfs = file_system.f_type != anonymous_inodes;
    EXPECT_EQ(recorded_of(child).inode, has_pidfs ? status.st_ino : 0);
}

TEST(ProcessIdentity, TakesNoMemory) {
    const Server server;
    const Child child([&] { server.connect(); });
    const OwnedFd socket = server.accept();
    const std::uint64_t accepted_at = ticks_since_boot();
    const OwnedFd pidfd = child.open();
    bool succeeds = false;
    {
        const sim::RefusedMemory none;
        const auto identity = identity_of(pidfd.get());
        succeeds = identity && reopen(*identity) && reopen(without_inode(*identity)) &&
                   peer_pidfd(socket.get(), accepted_at) &&
                   peer_pidfd_by_credentials(socket.get(), accepted_at);
    }
    EXPECT_TRUE(succeeds);
}

TEST(ProcessIdentity, ANameLikeAnEndOfFieldsIsOnlyAName) {
    const Child plain;
    const Child child([] { ::prctl(PR_SET_NAME, ") R 1 2\n3 4 5"); });
    const ProcessIdentity identity = recorded_of(child);
    EXPECT_GE(identity.start_time, recorded_of(plain).start_time);
    EXPECT_LE(identity.start_time, ticks_since_boot());
    EXPECT_EQ(found(without_inode(identity)), Found::same);
}

TEST(ProcessIdentity, AZombieHasEndedAndSoHasWhoeverWasReaped) {
    Child child;
    const OwnedFd pidfd = child.open();
    const ProcessIdentity identity = recorded_of(child);
    EXPECT_FALSE(has_ended(pidfd.get()));
    const auto expect_ended = [&](const char* state) {
        SCOPED_TRACE(state);
        EXPECT_TRUE(has_ended(pidfd.get()));
        EXPECT_EQ(why(identity_of(pidfd.get())), Why::ended);
        EXPECT_EQ(found(identity), Found::none);
        EXPECT_EQ(found(without_inode(identity)), Found::none);
    };
    child.kill();
    expect_ended("zombie");
    child.reap();
    expect_ended("reaped");
}

TEST(ProcessIdentity, AnyOtherDescriptorIsRefused) {
    const Child child;
    const OwnedFd pidfd = child.open();
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const OwnedFd read_end(ends[0]);
    const OwnedFd write_end(ends[1]);
    const std::string process = "/proc/" + std::to_string(child.pid());
    const std::string link = "/proc/self/fd/" + std::to_string(pidfd.get());
    struct Case {
        const char* name;
        OwnedFd descriptor;
    };
    const Case cases[] = {
        {"file", OwnedFd(::open("/proc/self/exe", O_RDONLY))},
        {"what lies in /proc of a process", OwnedFd(::open(process.c_str(), O_RDONLY))},
        {"a path to a pidfd", OwnedFd(::open(link.c_str(), O_PATH))},
        {"pipe", OwnedFd(::dup(ends[0]))},
        {"eventfd", OwnedFd(::eventfd(0, 0))},
        {"epoll", OwnedFd(::epoll_create1(0))},
        {"socket", OwnedFd(::socket(AF_UNIX, SOCK_STREAM, 0))},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        ASSERT_TRUE(c.descriptor);
        EXPECT_EQ(why(identity_of(c.descriptor.get())), Why::not_a_pidfd);
    }
    EXPECT_EQ(why(identity_of(-1)), Why::failed);
}

// Bytes that this thread has read so far, these included; none where the kernel does not count.
std::optional<std::uint64_t> bytes_read() {
    std::ifstream counters("/proc/thread-self/io");
    std::string name;
    std::uint64_t count = 0;
    if (counters >> name >> count && name == "rchar:") return count;
    return std::nullopt;
}

// The kernel tells of an epoll instance all that it watches, a line for each, if it is asked. A
// stranger's may watch a million.
TEST(ProcessIdentity, NothingIsReadOfWhatIsNoPidfd) {
    if (!bytes_read()) GTEST_SKIP() << "the kernel does not count what is read";
    const OwnedFd epoll(::epoll_create1(0));
    std::vector<OwnedFd> watched;
    for (int i = 0; i < 100; ++i) {
        watched.emplace_back(::eventfd(0, 0));
        epoll_event event{.events = EPOLLIN, .data = {.u64 = 0}};
        ASSERT_EQ(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, watched.back().get(), &event), 0);
    }
    const auto first = bytes_read();
    const auto second = bytes_read();
    EXPECT_EQ(why(identity_of(epoll.get())), Why::not_a_pidfd);
    const auto third = bytes_read();
    // What is read to know how much was differs by a few digits.
    EXPECT_LT(*third - *second, *second - *first + 20);
}

TEST(ProcessIdentity, AThreadIsNoProcess) {
    const Child child;
    constexpr int pidfd_thread = O_EXCL;
    const OwnedFd thread = child.open(pidfd_thread);
    if (!thread) GTEST_SKIP() << "pidfds of threads need Linux 6.9";
    EXPECT_EQ(why(identity_of(thread.get())), Why::thread);
}

TEST(ProcessIdentity, AnotherProcessIsNotTakenForTheRecordedOne) {
    const Child child;
    const ProcessIdentity identity = recorded_of(child);
    const ProcessIdentity plain = without_inode(identity);
    struct Case {
        const char* name;
        ProcessIdentity recorded;
        Found want;
    };
    std::vector<Case> cases = {
        {"itself", plain, Found::same},
        {"started earlier", {plain.pid, 0, plain.start_time - 1}, Found::none},
        {"started later", {plain.pid, 0, plain.start_time + 1}, Found::none},
        {"no PID", {0, 0, plain.start_time}, Found::none},
        {"no PID that can be", {UINT32_MAX, 0, plain.start_time}, Found::none},
        {"the largest PID", {INT32_MAX, 0, plain.start_time}, Found::none},
    };
    if (identity.inode != 0) {
        cases.push_back({"inode above", {plain.pid, identity.inode + 1, plain.start_time}, {}});
        cases.push_back({"inode below", {plain.pid, identity.inode - 1, plain.start_time}, {}});
        for (auto c = cases.end() - 2; c != cases.end(); ++c)
            c->want = Found::none;
    }
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        EXPECT_EQ(found(c.recorded), c.want);
    }
}

TEST(ProcessIdentity, WhoeverCannotBeOpenedIsNotTakenForEnded) {
    const Child child;
    const ProcessIdentity identity = recorded_of(child);
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    const rlimit none{.rlim_cur = 0, .rlim_max = limit.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const auto outcome = reopen(identity);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, Errc::io_error);
    EXPECT_NE(outcome.error().message.find("pidfd_open"), std::string::npos);
    EXPECT_EQ(found(identity), Found::same);
}

using PeerPidfd = Result<OwnedFd, NoProcess> (*)(int, std::uint64_t);
constexpr PeerPidfd both_ways[] = {peer_pidfd, peer_pidfd_by_credentials};

TEST(PeerPidfd, IsOfTheProcessThatConnected) {
    const Server server;
    Child child([&] { server.connect(); });
    const OwnedFd socket = server.accept();
    const std::uint64_t accepted_at = ticks_since_boot();
    const ProcessIdentity identity = recorded_of(child);
    for (const PeerPidfd way : both_ways) {
        const auto pidfd = way(socket.get(), accepted_at);
        ASSERT_TRUE(pidfd) << pidfd.error().message;
        const auto found = identity_of(pidfd->get());
        ASSERT_TRUE(found) << found.error().message;
        EXPECT_EQ(*found, identity);
    }
    child.kill();
    for (const PeerPidfd way : both_ways)
        EXPECT_EQ(why(way(socket.get(), accepted_at)), Why::ended) << "zombie";
    child.reap();
    for (const PeerPidfd way : both_ways)
        EXPECT_EQ(why(way(socket.get(), accepted_at)), Why::ended) << "reaped";
}

TEST(PeerPidfd, WhoeverStartedAfterTheConnectionIsNotThePeer) {
    const Server server;
    const Child child([&] { server.connect(); });
    const OwnedFd socket = server.accept();
    const std::uint64_t start_time = recorded_of(child).start_time;
    EXPECT_TRUE(peer_pidfd_by_credentials(socket.get(), start_time));
    EXPECT_EQ(why(peer_pidfd_by_credentials(socket.get(), start_time - 1)), Why::ended);
}

TEST(PeerPidfd, WhoeverHasNoneOfThePeersUidsIsNotProvenToBeIt) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
    constexpr uid_t other = 65'534;
    constexpr auto same = static_cast<uid_t>(-1);
    struct Case {
        const char* name;
        uid_t real, effective, saved;
        std::optional<Why> want;
    };
    const Case cases[] = {
        {"none", other, other, other, Why::unproven},
        {"real", same, other, other, std::nullopt},
        {"effective", other, same, other, std::nullopt},
        {"saved", other, other, same, std::nullopt},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        const Server server;
        const Child child([&] {
            server.connect();
            if (::setresuid(c.real, c.effective, c.saved) != 0) ::_exit(1);
        });
        const OwnedFd socket = server.accept();
        EXPECT_EQ(why(peer_pidfd_by_credentials(socket.get(), ticks_since_boot())), c.want);
    }
}

TEST(PeerPidfd, WhatHasNoPeerIsAFailedCall) {
    const OwnedFd no_socket(::eventfd(0, 0));
    for (const PeerPidfd way : both_ways)
        EXPECT_EQ(why(way(no_socket.get(), ticks_since_boot())), Why::failed);
}

// The same PID, and all else as a daemon meets it. Skips where the machine does not let us.
#define EXPECT_PASSES_IN(space, ...)                                           \
    switch (run_in(space, __VA_ARGS__)) {                                      \
        case Ran::passed: break;                                               \
        case Ran::failed: FAIL() << "in the namespace";                        \
        case Ran::not_here:                                                    \
            GTEST_SKIP() << "no PID namespace of our own with /proc, or none " \
                            "where PIDs can be chosen";                        \
    }

// Ends `first`, and has another process with its PID.
std::unique_ptr<Child> successor_of(Child& first, const std::function<void()>& does = {}) {
    const ProcessIdentity ended = recorded_of(first);
    first.reap();
    pass_tick_of(ended);
    choose_next_pid(ended.pid);
    auto next = std::make_unique<Child>(does);
    EXPECT_EQ(next->pid(), ended.pid);
    return next;
}

TEST(PidReuse, DoesNotBringARecordedProcessBack) {
    EXPECT_PASSES_IN(PidNamespace{}, [] {
        Child first;
        const OwnedFd pidfd = first.open();
        const ProcessIdentity ended = recorded_of(first);
        const auto next = successor_of(first);
        const ProcessIdentity alive = recorded_of(*next);
        EXPECT_EQ(alive.pid, ended.pid);
        EXPECT_TRUE(has_ended(pidfd.get()));
        EXPECT_EQ(why(identity_of(pidfd.get())), Why::ended);
        EXPECT_EQ(found(ended), Found::none);
        EXPECT_EQ(found(without_inode(ended)), Found::none);
        EXPECT_EQ(found(alive), Found::same);
        EXPECT_EQ(found(without_inode(alive)), Found::same);
        // Each alone, too.
        if (alive.inode != 0) {
            EXPECT_EQ(found({alive.pid, ended.inode, alive.start_time}), Found::none);
        }
        EXPECT_EQ(found({alive.pid, 0, ended.start_time}), Found::none);
    });
}

TEST(PidReuse, DoesNotMakeAPeer) {
    EXPECT_PASSES_IN(PidNamespace{}, [] {
        const Server server;
        Child first([&] { server.connect(); });
        const OwnedFd socket = server.accept();
        const std::uint64_t accepted_at = ticks_since_boot();
        // Not in the tick in which the connection was accepted: that gap is documented.
        pass_tick_of({.start_time = accepted_at});
        const auto next = successor_of(first);
        for (const PeerPidfd way : both_ways) {
            EXPECT_EQ(why(way(socket.get(), accepted_at)), Why::ended);
        }
    });
}

TEST(PidReuse, ByAThreadIsNoProcess) {
    EXPECT_PASSES_IN(PidNamespace{}, [] {
        Child first;
        const ProcessIdentity ended = recorded_of(first);
        first.reap();
        choose_next_pid(ended.pid);
        // A thread of this very process, for as long as the other end is not closed.
        int ends[2];
        ASSERT_EQ(::pipe(ends), 0);
        std::thread thread([&] {
            char byte = 0;
            EXPECT_EQ(::gettid(), static_cast<pid_t>(ended.pid));
            EXPECT_EQ(::read(ends[0], &byte, 1), 0);
        });
        EXPECT_EQ(found(ended), Found::none);
        EXPECT_EQ(found(without_inode(ended)), Found::none);
        ::close(ends[1]);
        thread.join();
    });
}

TEST(PidNamespace, ItsNumberIsItsOwn) {
    const auto outer = pid_namespace();
    ASSERT_TRUE(outer) << outer.error().message;
    EXPECT_EQ(*outer, pid_namespace().value());
    EXPECT_PASSES_IN(PidNamespace{}, [&] {
        const auto inner = pid_namespace();
        ASSERT_TRUE(inner) << inner.error().message;
        EXPECT_NE(*inner, *outer);
    });
}

TEST(PidNamespace, TheProcOfAnotherIsRefused) {
    EXPECT_PASSES_IN(PidNamespace{.mounts_proc = false}, [] {
        const auto space = pid_namespace();
        ASSERT_FALSE(space);
        EXPECT_EQ(space.error().code, Errc::io_error);
    });
}

TEST(PidNamespace, WhoeverIsOutsideIsNotVisibleUntilItHasEnded) {
    const Server server;
    Child child([&] { server.connect(); });
    const OwnedFd socket = server.accept();
    const OwnedFd pidfd = child.open();
    const auto expect = [&](Why want) {
        EXPECT_PASSES_IN(PidNamespace{}, [&] {
            const auto outside = identity_of(pidfd.get());
            EXPECT_EQ(why(outside), want);
            if (want == Why::not_visible && !outside) {
                const std::string& message = outside.error().message;
                EXPECT_NE(message.find("PID namespace"), std::string::npos) << message;
            }
            EXPECT_EQ(why(peer_pidfd_by_credentials(socket.get(), ticks_since_boot())),
                      Why::not_visible);
        });
    };
    expect(Why::not_visible);
    child.kill();
    expect(Why::ended);
}

TEST(PidNamespace, WhoeverIsHiddenIsNotTakenForEnded) {
    const PidNamespace hiding{.proc_options = "hidepid=2,gid=65534", .needs_root = true};
    EXPECT_PASSES_IN(hiding, [] {
        const Child child;
        const OwnedFd pidfd = child.open();
        const ProcessIdentity identity = recorded_of(child);
        ASSERT_EQ(::seteuid(65'534), 0);
        const auto hidden = identity_of(pidfd.get());
        EXPECT_EQ(why(hidden), Why::not_visible);
        const std::string message = hidden ? "" : hidden.error().message;
        EXPECT_NE(message.find("hidepid"), std::string::npos) << message;
        EXPECT_EQ(found(without_inode(identity)), Found::unknown);
        if (identity.inode != 0) {
            const auto again = reopen(identity);
            EXPECT_TRUE(again && *again) << "its inode number says it all";
        }
        ASSERT_EQ(::seteuid(0), 0);
    });
}

}  // namespace
}  // namespace inod::daemon
