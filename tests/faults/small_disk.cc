#include "tests/faults/small_disk.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

namespace inod::faults {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

const char* type_of(SmallDisk::Kind kind) {
    switch (kind) {
        case SmallDisk::Kind::tmpfs: return "tmpfs";
        case SmallDisk::Kind::ext4: return "ext4";
        case SmallDisk::Kind::xfs: return "xfs";
    }
    return "";
}

bool has_program(const std::string& name) {
    return std::system(("command -v " + name + " >/dev/null").c_str()) == 0;
}

// A namespace of our own, from which no mount gets out. Only the first call does anything.
bool leave_mount_namespace() {
    static const bool left = unshare(CLONE_NEWNS) == 0 &&
                             ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    return left;
}

// Writes zeros to a new file until there is no room for another byte.
void fill_blocks(const std::string& path) {
    const OwnedFd file(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!file) {
        if (errno == ENOSPC) return;
        fail("open " + path);
    }
    std::vector<char> zeros(std::size_t{1} << 20);
    for (std::size_t size = zeros.size(); size > 0;) {
        const auto done = write(file.get(), zeros.data(), size);
        if (done < 0 && errno != ENOSPC) fail("write " + path);
        if (done < 0) size /= 2;
    }
    // Delayed allocation decides only now whether it all fits.
    if (fsync(file.get()) != 0 && errno != ENOSPC) fail("fsync " + path);
}

}  // namespace

std::string SmallDisk::missing(Kind kind) {
    if (geteuid() != 0) return "only root may mount a file system";
    const std::string mkfs = std::string("mkfs.") + type_of(kind);
    if (kind != Kind::tmpfs && !has_program(mkfs)) {
        return mkfs + " is not installed: see tools/setup --test";
    }
    if (kind != Kind::tmpfs && !fs::exists("/dev/loop-control")) return "there are no loop devices";
    if (!leave_mount_namespace()) return "no mount namespace may be made here";
    return {};
}

SmallDisk::SmallDisk(Kind kind, std::uint64_t size, Medium medium) : kind_(kind) {
    fs::create_directory(path());
    if (kind_ == Kind::tmpfs) {
        options_ = "mode=0700,nr_inodes=1000,size=" + std::to_string(size);
    } else {
        make_file_system(size, medium);
    }
    mount();
}

SmallDisk::~SmallDisk() {
    if (mounted_) umount2(path().c_str(), MNT_DETACH);
    umount2((folder_.path() + "/memory").c_str(), MNT_DETACH);
}

void SmallDisk::make_file_system(std::uint64_t size, Medium medium) {
    const std::string image = folder_.path() + "/image";
    if (medium == Medium::memory) {
        fs::create_directory(folder_.path() + "/memory");
        const std::string memory = folder_.path() + "/memory";
        if (::mount("inod-test", memory.c_str(), "tmpfs", 0, "mode=0700") != 0) {
            fail("mount " + memory);
        }
        fs::create_symlink(memory + "/image", image);
    }
    const OwnedFd file(open(image.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (!file || ftruncate(file.get(), static_cast<off_t>(size)) != 0) fail(image);
    const std::string command = std::string("mkfs.") + type_of(kind_) + " -q " + image;
    if (std::system(command.c_str()) != 0) throw std::runtime_error(command + " failed");
    attach(image);
}

// The device goes when the last of its users does.
void SmallDisk::attach(const std::string& image) {
    const OwnedFd control(open("/dev/loop-control", O_RDWR | O_CLOEXEC));
    const OwnedFd file(open(image.c_str(), O_RDWR | O_CLOEXEC));
    if (!control || !file) fail("/dev/loop-control, " + image);
    loop_config config{};
    config.fd = static_cast<std::uint32_t>(file.get());
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    for (;;) {
        const int number = ioctl(control.get(), LOOP_CTL_GET_FREE);
        if (number < 0) fail("LOOP_CTL_GET_FREE");
        device_ = "/dev/loop" + std::to_string(number);
        loop_ = OwnedFd(open(device_.c_str(), O_RDWR | O_CLOEXEC));
        if (loop_ && ioctl(loop_.get(), LOOP_CONFIGURE, &config) == 0) return;
        // Somebody else was faster.
        if (errno != EBUSY) fail("LOOP_CONFIGURE " + device_);
    }
}

void SmallDisk::mount() {
    const char* const source = kind_ == Kind::tmpfs ? "inod-test" : device_.c_str();
    if (::mount(source, path().c_str(), type_of(kind_), 0, options_.c_str()) != 0) {
        fail("mount " + path());
    }
    mounted_ = true;
}

void SmallDisk::unmount() {
    if (umount2(path().c_str(), 0) != 0) fail("umount " + path());
    mounted_ = false;
}

void SmallDisk::cut_power() const {
    // As xfs_fs.h has it; ext4 took it over. "Without flushing the log" is what a power cut does.
    constexpr auto shut_down = _IOR('X', 125, std::uint32_t);
    std::uint32_t without_log_flush = 2;
    const OwnedFd directory(open(path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory || ioctl(directory.get(), shut_down, &without_log_flush) != 0) {
        fail("shut down " + path());
    }
}

void SmallDisk::fill() const {
    fs::create_directory(filler());
    fill_blocks(filler() + "/blocks");
    constexpr int files_max = 100'000;
    for (int i = 0; i < files_max; ++i) {
        const std::string name = filler() + "/" + std::to_string(i);
        const OwnedFd file(open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        if (!file && errno == ENOSPC) break;
        if (!file) fail("open " + name);
    }
    // What metadata was given back meanwhile.
    fill_blocks(filler() + "/blocks");
}

void SmallDisk::make_room() const {
    fs::remove_all(filler());
}

}  // namespace inod::faults
