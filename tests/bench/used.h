// What a process uses of the machine, as the kernel counts it.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include <sys/types.h>

namespace inod::bench {

// What all threads of a process have used so far.
struct Used {
    double cpu_ms = 0;
    double wakes = 0;

    friend Used operator-(const Used& a, const Used& b) {
        return {.cpu_ms = a.cpu_ms - b.cpu_ms, .wakes = a.wakes - b.wakes};
    }
};

inline Used used_by(pid_t pid) {
    Used used;
    const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
    for (const auto& task : std::filesystem::directory_iterator(tasks)) {
        double nanoseconds = 0;
        std::ifstream(task.path() / "schedstat") >> nanoseconds;
        used.cpu_ms += nanoseconds / 1e6;
        std::ifstream status(task.path() / "status");
        for (std::string word; status >> word;) {
            double count = 0;
            if (word == "voluntary_ctxt_switches:" && status >> count) used.wakes += count;
        }
    }
    return used;
}

}  // namespace inod::bench
