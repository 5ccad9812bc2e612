#include "tests/faults/shared_counters.h"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/owned_fd.h"

namespace inod::faults {

SharedMemory::SharedMemory(std::string file, std::size_t size)
    : file_(std::move(file)), size_(size) {
    const OwnedFd shared(open(file_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!shared || ftruncate(shared.get(), static_cast<off_t>(size)) != 0) {
        throw std::system_error(errno, std::generic_category(), file_);
    }
    data_ = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, shared.get(), 0);
    if (data_ == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
}

SharedMemory::~SharedMemory() {
    munmap(data_, size_);
}

}  // namespace inod::faults
