#include "tests/e2e/daemon_figures.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include "tests/e2e/daemon_process.h"

namespace inod::e2e {
namespace {

namespace fs = std::filesystem;

fs::path process(pid_t pid) {
    return fs::path("/proc") / std::to_string(pid);
}

// What stands behind the name in a `stat` file of proc(5): from the state on, which is field 3. The name
// may have anything in it.
std::istringstream stat_from_state(const fs::path& directory) {
    std::ifstream file(directory / "stat");
    std::string line;
    std::getline(file, line);
    const std::size_t name_end = line.rfind(')');
    if (name_end == std::string::npos) throw std::runtime_error("no " + directory.string());
    return std::istringstream(line.substr(name_end + 1));
}

bool all_sleep(pid_t pid) {
    const fs::directory_iterator tasks(process(pid) / "task");
    return std::all_of(begin(tasks), end(tasks), [](const fs::directory_entry& task) {
        char state = 0;
        stat_from_state(task.path()) >> state;
        return state == 'S';
    });
}

std::uint64_t switches_of(const fs::path& task) {
    std::ifstream file(task / "status");
    std::uint64_t sum = 0;
    for (std::string word; file >> word;) {
        std::uint64_t count = 0;
        if (word.ends_with("voluntary_ctxt_switches:") && file >> count) sum += count;
    }
    return sum;
}

}  // namespace

std::size_t descriptor_count(pid_t pid) {
    const fs::directory_iterator descriptors(process(pid) / "fd");
    return static_cast<std::size_t>(
        std::count_if(begin(descriptors), end(descriptors), [](const auto& descriptor) {
            std::error_code gone;
            return !fs::is_regular_file(descriptor.status(gone));
        }));
}

std::uint64_t free_descriptor(pid_t pid) {
    std::set<std::uint64_t> taken;
    for (const auto& descriptor : fs::directory_iterator(process(pid) / "fd"))
        taken.insert(std::stoull(descriptor.path().filename()));
    std::uint64_t number = 0;
    while (taken.contains(number))
        ++number;
    return number;
}

std::string thread_name(pid_t pid, pid_t thread) {
    std::ifstream file(process(pid) / "task" / std::to_string(thread) / "comm");
    std::string name;
    std::getline(file, name);
    return name;
}

std::map<pid_t, std::uint64_t> switch_counts(pid_t pid) {
    std::map<pid_t, std::uint64_t> counts;
    for (const auto& task : fs::directory_iterator(process(pid) / "task"))
        counts[std::stoi(task.path().filename())] = switches_of(task.path());
    return counts;
}

std::uint64_t switch_count(pid_t pid) {
    std::uint64_t sum = 0;
    for (const auto& [thread, count] : switch_counts(pid))
        sum += count;
    return sum;
}

std::uint64_t page_fault_count(pid_t pid) {
    std::istringstream fields = stat_from_state(process(pid));
    std::string unused;
    for (int field = 3; field < 10; ++field)
        fields >> unused;
    std::uint64_t minor = 0;
    std::uint64_t of_children = 0;
    std::uint64_t major = 0;
    fields >> minor >> of_children >> major;
    return minor + major;
}

// The threads are looked at one after the other. Had one of them woken another meanwhile, it would have been
// awake itself, and its going to sleep would count.
bool comes_to_rest(pid_t pid) {
    for (const Deadline deadline = soon(); std::chrono::steady_clock::now() < deadline;) {
        const std::uint64_t before = switch_count(pid);
        if (all_sleep(pid) && switch_count(pid) == before) return true;
        std::this_thread::yield();
    }
    return false;
}

}  // namespace inod::e2e
