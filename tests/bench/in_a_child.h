// A measurement in a process of its own, so that its memory and its clocks are its own.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <stdexcept>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

namespace inod::bench {

// Where a measurement cannot go on: its figures would say nothing.
[[noreturn]] inline void fail(const std::string& what) {
    std::fprintf(stderr, "bench: %s\n", what.c_str());
    std::_Exit(1);
}

// Runs `measure` in a child and takes over what it returns: bytes without pointers.
template <class T, class Measure>
T in_a_child(Measure measure) {
    int ends[2];
    if (::pipe(ends) != 0) fail("pipe");
    const pid_t child = ::fork();
    if (child == 0) {
        const T result = measure();
        const bool written = ::write(ends[1], &result, sizeof(result)) == ssize_t{sizeof(result)};
        std::_Exit(written ? 0 : 1);
    }
    ::close(ends[1]);
    T result{};
    const bool is_whole = ::read(ends[0], &result, sizeof(result)) == ssize_t{sizeof(result)};
    ::close(ends[0]);
    ::waitpid(child, nullptr, 0);
    if (!is_whole) fail("a measurement ended early");
    return result;
}

// Processor time of this thread so far.
inline double thread_cpu_ms() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

// A folder that goes when the measuring is over, with room for a store and for others beside it.
class Folder {
public:
    explicit Folder(const std::string& parent) : path_(parent + "/inod-bench-XXXXXX") {
        if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("no folder in " + parent);
        std::filesystem::create_directory(store());
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string store() const { return path_ + "/state"; }

private:
    std::string path_;
};

}  // namespace inod::bench
