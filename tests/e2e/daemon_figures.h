// What the kernel says of a daemon that runs (proc(5)): what it has open, and whether it does anything.
//
// Thread safety: all calls from any thread. Each throws where there is no such process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include <sys/types.h>

namespace inod::e2e {

// Descriptors that are open, but for regular files: the journal opens and closes those as it goes.
std::size_t descriptor_count(pid_t pid);

// The lowest number that no descriptor has.
std::uint64_t free_descriptor(pid_t pid);

// How often its threads went to sleep, or lost their cores, since they began.
std::uint64_t switch_count(pid_t pid);

// The same of each, by its ID.
std::map<pid_t, std::uint64_t> switch_counts(pid_t pid);

// What it calls a thread (PR_SET_NAME).
std::string thread_name(pid_t pid, pid_t thread);

// Page faults of all its threads since they began, with and without a read of a disk.
std::uint64_t page_fault_count(pid_t pid);

// Waits until all its threads sleep at once. False if that does not come within `patience`: it is busy.
bool comes_to_rest(pid_t pid);

}  // namespace inod::e2e
