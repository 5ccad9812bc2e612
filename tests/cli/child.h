// A process of a test that is neither inoctl run to its end nor the daemon.
#pragma once

#include <csignal>
#include <string>
#include <vector>

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

namespace inod::e2e {

// Started with these arguments, the first of which is the program; killed with its owner.
class Child {
public:
    explicit Child(std::vector<std::string> arguments) : pid_(::fork()) {
        if (pid_ != 0) return;
        std::vector<char*> pointers;
        for (std::string& argument : arguments)
            pointers.push_back(argument.data());
        pointers.push_back(nullptr);
        ::execvp(pointers[0], pointers.data());
        ::_exit(127);
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() { kill9(); }

    [[nodiscard]] pid_t pid() const { return pid_; }

    // Until it has ended and its PID is free.
    void kill9() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }

    // Until it has ended by itself. Returns its status, -1 if something killed it.
    int wait_for_end() {
        int status = -1;
        ::waitpid(pid_, &status, 0);
        pid_ = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

private:
    pid_t pid_;
};

}  // namespace inod::e2e
