#include "lib/base/posix_storage.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

namespace inod {
namespace {

// A directory that goes when the test ends.
class PosixStorageTest : public testing::Test {
protected:
    PosixStorageTest() {
        std::string pattern = testing::TempDir() + "inod-storage-XXXXXX";
        EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
        path_ = pattern;
        storage_ = PosixStorage::open_directory(path_).value();
    }
    ~PosixStorageTest() override { std::filesystem::remove_all(path_); }

    static std::span<const std::byte> bytes(std::string_view text) {
        return std::as_bytes(std::span(text));
    }
    static std::string read_all(const File& file) {
        std::string text(file.size().value(), '\0');
        EXPECT_EQ(file.read(0, std::as_writable_bytes(std::span(text))).value(), text.size());
        return text;
    }
    std::vector<std::string> names() {
        auto result = storage_->list().value();
        std::sort(result.begin(), result.end());
        return result;
    }

    std::string path_;
    std::unique_ptr<PosixStorage> storage_;
};

TEST_F(PosixStorageTest, WhatIsWrittenReadsBack) {
    {
        auto file = storage_->create("a").value();
        ASSERT_TRUE(file->write(0, bytes("hello")));
        ASSERT_TRUE(file->write(7, bytes("world")));
        ASSERT_TRUE(file->write(7, {}));
        ASSERT_TRUE(file->sync());
        EXPECT_EQ(file->size().value(), 12U);
    }
    ASSERT_TRUE(storage_->sync_names());
    const auto file = storage_->open("a").value();
    EXPECT_EQ(read_all(*file), std::string("hello\0\0world", 12));
    std::array<std::byte, 8> part{};
    EXPECT_EQ(file->read(10, part).value(), 2U) << "fewer only at the end";
    EXPECT_EQ(file->read(100, part).value(), 0U);
}

TEST_F(PosixStorageTest, WhereNoMoreCanBeOpenThatPasses) {
    ASSERT_TRUE(storage_->create("before"));
    rlimit old{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
    rlimit none = old;
    none.rlim_cur = 0;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const auto created = storage_->create("a");
    const auto opened = storage_->open("before");
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
    ASSERT_FALSE(created);
    EXPECT_EQ(created.error().code, Errc::out_of_memory);
    EXPECT_EQ(created.error().message, "openat(" + path_ + "/a): Too many open files");
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Errc::out_of_memory);
    EXPECT_EQ(names(), (std::vector<std::string>{"before"}));
    EXPECT_EQ(storage_->open("missing").error().code, Errc::io_error) << "for good";
}

TEST_F(PosixStorageTest, WhoeverOnlyLooksChangesNothing) {
    {
        auto file = storage_->create("a").value();
        ASSERT_TRUE(file->write(0, bytes("hello")));
    }
    std::filesystem::permissions(path_ + "/a", std::filesystem::perms::owner_read);
    const auto looking =
        PosixStorage::open_directory(path_, PosixStorage::Access::read_only).value();
    const auto file = looking->open("a").value();
    EXPECT_EQ(read_all(*file), "hello");
    EXPECT_EQ(file->write(0, bytes("x")).error().code, Errc::io_error);
    EXPECT_EQ(looking->create("b").error().code, Errc::io_error);
    EXPECT_EQ(looking->rename("a", "b").error().code, Errc::io_error);
    EXPECT_EQ(looking->remove("a").error().code, Errc::io_error);
    EXPECT_EQ(names(), std::vector<std::string>{"a"});
    EXPECT_EQ(read_all(*storage_->open("a").value()), "hello");
}

TEST_F(PosixStorageTest, FilesAreForTheOwnerAlone) {
    ASSERT_TRUE(storage_->create("a"));
    struct stat status {};
    ASSERT_EQ(::stat((path_ + "/a").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(PosixStorageTest, NamesChangeAndFilesStayOpen) {
    auto file = storage_->create("a").value();
    ASSERT_TRUE(storage_->create("b"));
    ASSERT_TRUE(storage_->rename("a", "b"));
    ASSERT_TRUE(file->write(0, bytes("x")));
    EXPECT_EQ(read_all(*storage_->open("b").value()), "x");
    EXPECT_EQ(names(), std::vector<std::string>{"b"});
    ASSERT_TRUE(storage_->remove("b"));
    EXPECT_TRUE(names().empty());
}

TEST_F(PosixStorageTest, ListsAllButDirectories) {
    ASSERT_TRUE(storage_->create("file"));
    std::filesystem::create_directory(path_ + "/directory");
    std::filesystem::create_symlink("file", path_ + "/link");
    const std::vector<std::string> all{"file", "link"};
    EXPECT_EQ(names(), all);
    EXPECT_EQ(names(), all) << "the second time as well";
}

TEST_F(PosixStorageTest, FailuresNameTheCallThePathAndTheReason) {
    ASSERT_TRUE(storage_->create("there"));
    struct Case {
        const char* name;
        Failure failure;
        std::string want;
    };
    const Case cases[] = {
        {"open nothing", storage_->open("a").error(),
         "openat(" + path_ + "/a): No such file or directory"},
        {"create twice", storage_->create("there").error(),
         "openat(" + path_ + "/there): File exists"},
        {"rename nothing", storage_->rename("a", "b").error(),
         "renameat(" + path_ + "/a): No such file or directory"},
        {"remove nothing", storage_->remove("a").error(),
         "unlinkat(" + path_ + "/a): No such file or directory"},
        {"no directory", PosixStorage::open_directory(path_ + "/none").error(),
         "open(" + path_ + "/none): No such file or directory"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        EXPECT_EQ(c.failure.code, Errc::io_error);
        EXPECT_EQ(c.failure.message, c.want);
    }
}

// /dev/full is a device whose every write says that the disk is full.
TEST_F(PosixStorageTest, AFullDiskIsNoSpace) {
    const auto devices = PosixStorage::open_directory("/dev").value();
    auto full = devices->open("full");
    if (!full) GTEST_SKIP() << "no /dev/full here: " << full.error().message;
    const auto written = (*full)->write(0, bytes("x"));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, Errc::no_space);
    EXPECT_EQ(written.error().message, "pwrite(/dev/full): No space left on device");
}

}  // namespace
}  // namespace inod
