#include "tests/faults/shared_counters.h"

#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/owned_fd.h"

namespace inod::faults {

SharedCounters::SharedCounters(std::string file) : file_(std::move(file)) {
    const OwnedFd shared(open(file_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!shared || ftruncate(shared.get(), sizeof(TracedCalls)) != 0) {
        throw std::system_error(errno, std::generic_category(), file_);
    }
    void* const memory =
        mmap(nullptr, sizeof(TracedCalls), PROT_READ | PROT_WRITE, MAP_SHARED, shared.get(), 0);
    if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
    calls_ = static_cast<TracedCalls*>(memory);
}

SharedCounters::~SharedCounters() {
    munmap(calls_, sizeof(TracedCalls));
}

}  // namespace inod::faults
