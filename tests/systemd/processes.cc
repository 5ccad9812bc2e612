// Holders that are bound to processes, over a restart of the service in a system of its own that tools/boot boots: all
// are still held and watched, and those whose processes died meanwhile are gone. Needs root, and ends with status 0 if
// all is as it has to be.
//
//   processes COUNT
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/owned_fd.h"
#include "lib/client/client.h"

namespace inod {
namespace {

// A process that does nothing. It shares our memory, so that ten thousand of them take little.
class Idler {
public:
    Idler() : stack_(new char[stack_size]) {
        const auto wait_for_ever = [](void*) {
            for (;;)
                ::syscall(SYS_pause);
            return 0;
        };
        pid_ = ::clone(wait_for_ever, stack_.get() + stack_size, CLONE_VM | SIGCHLD, nullptr);
        if (pid_ < 0) throw std::runtime_error("clone failed");
    }
    Idler(const Idler&) = delete;
    Idler& operator=(const Idler&) = delete;
    ~Idler() { end(); }

    void end() {
        if (pid_ == 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }
    // Binds the client to this process, and leases one ID.
    void lease(Client& client) {
        const OwnedFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
        if (!client.bind({.binding = proto::Binding::process}, pidfd.get()))
            throw std::runtime_error("bind: " + client.error_text());
        id = client.allocate("inode").value().range.first;
    }

    Id id = 0;

private:
    static constexpr std::size_t stack_size = 4096;
    std::unique_ptr<char[]> stack_;
    pid_t pid_ = 0;
};

Client connected(bool passes_descriptors) {
    return Client::connect({.pools = {},
                            .timeout = std::chrono::minutes(1),
                            .passes_descriptors = passes_descriptors})
        .value();
}

void run(const std::string& command) {
    if (std::system(command.c_str()) != 0) throw std::runtime_error(command + " failed");
}

using Idlers = std::vector<std::unique_ptr<Idler>>;

std::size_t count_held(Client& client, const Idlers& idlers) {
    return static_cast<std::size_t>(std::count_if(
        idlers.begin(), idlers.end(),
        [&client](const auto& idler) { return client.lookup("inode", idler->id).has_value(); }));
}

// Ends these, and waits until nothing is theirs. How many still held something after a minute.
std::size_t end_watched(Client& client, Idlers& idlers) {
    for (auto& idler : idlers)
        idler->end();
    return static_cast<std::size_t>(
        std::count_if(idlers.begin(), idlers.end(), [&client](const auto& idler) {
            const auto is_over = client.wait("inode", idler->id, 0, std::chrono::minutes(1));
            return !is_over || !*is_over;
        }));
}

bool processes(std::size_t count) {
    Client client = connected(true);
    Client looks = connected(false);
    Idlers idlers;
    while (idlers.size() < count) {
        idlers.push_back(std::make_unique<Idler>());
        idlers.back()->lease(client);
    }
    const std::size_t before = count_held(looks, idlers);
    // A tenth of them dies while nobody looks.
    run("systemctl stop inod.service");
    Idlers died;
    for (std::size_t i = 0; i < count / 10; ++i) {
        died.push_back(std::move(idlers.back()));
        idlers.pop_back();
        died.back()->end();
    }
    run("systemctl start inod.service");
    Client after = connected(false);
    const std::size_t left_of_died = count_held(after, died);
    const std::size_t held = count_held(after, idlers);
    run("systemctl restart inod.service");
    const std::size_t held_again = count_held(after, idlers);
    const std::size_t lived = idlers.size();
    const std::size_t unwatched = end_watched(after, idlers);
    std::printf(
        "holders: %zu, held before: %zu, died meanwhile: %zu, of these held after: %zu\n"
        "living: %zu, held after a stop: %zu, after a restart: %zu, not noticed when they end: "
        "%zu\n",
        count, before, died.size(), left_of_died, lived, held, held_again, unwatched);
    return before == count && left_of_died == 0 && held == lived && held_again == lived &&
           unwatched == 0;
}

}  // namespace
}  // namespace inod

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    try {
        return inod::processes(std::stoul(argv[1])) ? 0 : 1;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "processes: %s\n", error.what());
        return 1;
    }
}
