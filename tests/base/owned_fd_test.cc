#include "lib/base/owned_fd.h"

#include <utility>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

namespace inod {
namespace {

OwnedFd some() {
    return OwnedFd(memfd_create("owned", MFD_CLOEXEC));
}

bool is_open(int fd) {
    return fcntl(fd, F_GETFD) >= 0;
}

TEST(OwnedFd, ClosesWhatItHadWhenItGetsAnother) {
    OwnedFd owner = some();
    OwnedFd other = some();
    const int before = owner.get();
    const int after = other.get();
    owner = std::move(other);
    EXPECT_FALSE(is_open(before)) << "though the other owner is still there";
    EXPECT_EQ(owner.get(), after);
    EXPECT_FALSE(other);  // NOLINT(bugprone-use-after-move): it is empty then
    EXPECT_TRUE(is_open(after));
    owner = OwnedFd();
    EXPECT_FALSE(is_open(after));
}

TEST(OwnedFd, KeepsItWhenItIsAssignedToItself) {
    OwnedFd owner = some();
    const int fd = owner.get();
    OwnedFd& same = owner;
    owner = std::move(same);
    EXPECT_EQ(owner.get(), fd);
    EXPECT_TRUE(is_open(fd));
}

}  // namespace
}  // namespace inod
