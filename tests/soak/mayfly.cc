#include "tests/soak/mayfly.h"

#include <array>
#include <csignal>
#include <cstdio>
#include <random>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/client/client.h"
#include "tests/soak/load.h"

namespace inod::soak {
namespace {

constexpr std::size_t leases_max = 200;

void become(uid_t uid) {
    if (::setgroups(0, nullptr) != 0 || ::setresgid(uid, uid, uid) != 0 ||
        ::setresuid(uid, uid, uid) != 0) {
        throw std::runtime_error("this machine refuses another user");
    }
}

class Life {
public:
    Life(const std::string& socket, bool is_of_process, std::uint64_t seed)
        : random_(seed), client_(sure_connect(socket)) {
        sure(client_.bind(
                 {.binding = is_of_process ? proto::Binding::process : proto::Binding::connection}),
             "bind", client_);
    }

    void step() {
        if (leases_.empty() || (leases_.size() < leases_max && random_() % 2 == 0)) {
            lease();
        } else {
            release();
        }
    }

private:
    static Client sure_connect(const std::string& socket) {
        auto client =
            Client::connect({.socket_path = socket, .pools = {mayfly_pool}, .timeout = patience});
        if (!client) throw Broken("cannot connect: " + client.error().message);
        return *std::move(client);
    }
    void lease() {
        const auto lease = client_.allocate(mayfly_pool, 1 + random_() % 8);
        leases_.push_back(sure(lease, "allocate", client_));
    }
    void release() {
        const std::size_t index = random_() % leases_.size();
        const proto::LeaseReply lease = leases_[index];
        const auto found = client_.lookup(mayfly_pool, lease.range.first);
        if (sure(found, "lookup", client_).generation != lease.generation) {
            throw Broken("another generation than it was told is live");
        }
        sure(client_.release(mayfly_pool, lease.range, lease.generation), "release", client_);
        leases_[index] = leases_.back();
        leases_.pop_back();
    }

    std::mt19937_64 random_;
    Client client_;
    std::vector<proto::LeaseReply> leases_;
};

}  // namespace

Mayfly::Mayfly(std::string socket, std::optional<uid_t> uid, bool is_of_process,
               std::uint64_t seed) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        throw std::runtime_error("this machine refuses a pipe");
    begun_ = OwnedFd(ends[0]);
    OwnedFd tells(ends[1]);
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("this machine refuses another process");
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        // Connections of ours that it kept open would not end when we close them.
        ::dup2(tells.get(), STDERR_FILENO + 1);
        ::close_range(STDERR_FILENO + 2, ~0U, 0);
        try {
            if (uid) become(*uid);
            Life life(socket, is_of_process, seed);
            life.step();
            if (::write(STDERR_FILENO + 1, "!", 1) != 1) ::_exit(1);
            for (;;)
                life.step();
        } catch (const std::exception& error) {
            std::fprintf(stderr, "soak: one of the mayflies: %s\n", error.what());
        }
        ::_exit(1);
    }
    tells = OwnedFd();
    char begun = 0;
    if (::read(begun_.get(), &begun, 1) != 1) throw Broken("a mayfly did not begin");
}

void Mayfly::kill9() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    int status = 0;
    ::waitpid(std::exchange(pid_, 0), &status, 0);
    if (!WIFSIGNALED(status)) throw Broken("a mayfly ended by itself");
}

Mayfly::~Mayfly() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

}  // namespace inod::soak
