// A small file system of its own for a test: ext4 or xfs in a file, or a tmpfs in memory.
//
// It is mounted in a mount namespace that the process moves into, so nobody else sees it and it goes
// with the process, however that ends. Needs root, and mkfs for its kind.
//
// Thread safety: none. Make the first one while the process has one thread.
#pragma once

#include <cstdint>
#include <string>

#include "lib/base/owned_fd.h"
#include "tests/e2e/daemon_process.h"

namespace inod::faults {

class SmallDisk {
public:
    enum class Kind { tmpfs, ext4, xfs };

    // Empty if this process can have one, else what it lacks.
    static std::string missing(Kind kind);

    // Where the bytes of an ext4 or xfs lie: a sync is real work on a disk, and quick in memory.
    enum class Medium { disk, memory };

    // Made and mounted. xfs wants 300 MiB at least. Throws where that fails.
    SmallDisk(Kind kind, std::uint64_t size, Medium medium = Medium::disk);
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;
    // Requires that nobody uses it any more.
    ~SmallDisk();

    // Where it is mounted.
    [[nodiscard]] std::string path() const { return folder_.path() + "/disk"; }

    void mount();
    void unmount();

    // Stops it at once, as a power cut does: what was not synced is lost, and every further call
    // fails with EIO until it is mounted anew. Unlike a power cut this lets calls that are under way
    // come to an end, some of them with success. Not for tmpfs.
    void cut_power() const;

    // Takes all room there is: blocks, and then inodes as far as empty files go.
    void fill() const;
    // Gives it back.
    void make_room() const;

private:
    [[nodiscard]] std::string filler() const { return path() + "/filler"; }
    void make_file_system(std::uint64_t size, Medium medium);
    void attach(const std::string& image);

    Kind kind_;
    e2e::TemporaryFolder folder_;
    std::string options_;  // of the mount
    std::string device_;
    OwnedFd loop_;  // held, so that the device stays while nothing is mounted
    bool mounted_ = false;
};

}  // namespace inod::faults
