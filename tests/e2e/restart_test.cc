// What is still there when the daemon comes back: after a clean stop everything, after kill -9
// everything acknowledged, and after damage nothing, with the reason.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "lib/journal/frame.h"
#include "lib/journal/segment.h"
#include "tests/e2e/daemon_process.h"
#include "tests/e2e/support.h"

namespace inod::e2e {
namespace {

namespace fs = std::filesystem;

class Restart : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(daemon_.start()) << daemon_.log(); }

    // Single IDs of "inode", one after the other, and kill -9.
    void allocate_and_kill(int count) {
        Client client = daemon_.connect();
        for (int i = 0; i < count; ++i)
            ASSERT_TRUE(client.allocate("inode").has_value());
        daemon_.kill9();
    }

    void expect_refusal_naming(const std::string& path) {
        ASSERT_FALSE(daemon_.start());
        EXPECT_EQ(daemon_.wait_for_end(), (Exit{.status = 1})) << daemon_.log();
        const std::string log = daemon_.log();
        EXPECT_NE(log.find("journal_damaged"), std::string::npos) << log;
        EXPECT_NE(log.find(fs::path(path).filename()), std::string::npos) << log;
        EXPECT_NE(log.find("backup"), std::string::npos) << "the remedy, in " << log;
    }

    // The file that holds the segment with this number, or with the highest if none is said.
    [[nodiscard]] std::string file_of(std::optional<std::uint64_t> wanted = std::nullopt) const {
        std::string found;
        std::uint64_t highest = 0;
        for (const auto& entry : fs::directory_iterator(daemon_.state_dir())) {
            const std::string path = entry.path();
            if (!entry.path().filename().string().starts_with("journal-")) continue;
            const auto bytes = read(path);
            SegmentHeaderBytes header{};
            std::copy_n(bytes.begin(), header.size(), header.begin());
            const auto decoded = decode_segment_header(header);
            if (!decoded || (wanted && decoded->number != *wanted)) continue;
            if (decoded->number > highest) found = path;
            highest = std::max(highest, decoded->number);
        }
        return found;
    }

    // Offsets of all frames in a segment, and behind them the end of the last.
    [[nodiscard]] static std::vector<std::uint64_t> frames_of(const std::string& path);
    static void flip(const std::string& path, std::uint64_t offset);
    static std::vector<std::byte> read(const std::string& path);

    DaemonProcess daemon_{three_pools};
};

std::vector<std::byte> Restart::read(const std::string& path) {
    std::vector<std::byte> bytes(fs::file_size(path));
    std::ifstream(path, std::ios::binary)
        .read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return bytes;
}

std::vector<std::uint64_t> Restart::frames_of(const std::string& path) {
    const auto bytes = read(path);
    SegmentHeaderBytes header{};
    std::copy_n(bytes.begin(), header.size(), header.begin());
    std::vector<std::uint64_t> offsets{frames_offset};
    while (const auto frame =
               decode_frame(std::span(bytes).subspan(offsets.back()), frame_seed(header))) {
        offsets.push_back(offsets.back() + frame->size_on_disk());
    }
    return offsets;
}

void Restart::flip(const std::string& path, std::uint64_t offset) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(static_cast<std::streamoff>(offset));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(static_cast<char>(byte ^ 0x40));
}

TEST_F(Restart, ACleanStopKeepsEverythingAndBurnsNothing) {
    {
        Client client = daemon_.connect();
        ASSERT_EQ(client.allocate("inode", 10).value().range, (Range{1, 10}));
        ASSERT_TRUE(client.release("inode", {3, 4}).has_value());
        ASSERT_EQ(client.allocate("pid", 5).value(), (proto::LeaseReply{{2, 6}, 1}));
        ASSERT_EQ(client.allocate("block", 7).value().range, (Range{1, 7}));
        ASSERT_TRUE(client.allocate_at("block", {100, 101}).has_value());
    }
    EXPECT_EQ(daemon_.terminate(), (Exit{.status = 0})) << daemon_.log();
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    EXPECT_NE(daemon_.log().find("last_stop=clean"), std::string::npos) << daemon_.log();

    Client client = daemon_.connect();
    const auto leases = list_all(client, "inode");
    ASSERT_EQ(leases.size(), 2U);
    EXPECT_EQ(leases[0].range, (Range{1, 2}));
    EXPECT_EQ(leases[1].range, (Range{5, 10}));
    EXPECT_EQ(leases[0].uid, getuid());
    EXPECT_EQ(client.lookup("inode", 3).error(), (Error{Errc::released, 3}));
    EXPECT_EQ(client.allocate("inode").value().range, (Range{11, 11})) << "nothing is burned";
    EXPECT_EQ(client.lookup_lease("pid", 4, 1).value().range, (Range{2, 6}));
    EXPECT_EQ(client.allocate("pid").value(), (proto::LeaseReply{{7, 7}, 1}));
    EXPECT_EQ(client.allocate("block").value().range, (Range{8, 8})) << "nor here";
}

TEST_F(Restart, KillKeepsWhatWasAcknowledgedAndRepeatsNothing) {
    {
        Client client = daemon_.connect();
        ASSERT_EQ(client.allocate("inode", 10).value().range, (Range{1, 10}));
        ASSERT_TRUE(client.release("inode", {3, 4}).has_value());
        ASSERT_EQ(client.allocate("pid", 5).value(), (proto::LeaseReply{{2, 6}, 1}));
        ASSERT_TRUE(client.release("pid", {2, 3}, 1).has_value());
        ASSERT_EQ(client.allocate("block", 7).value().range, (Range{1, 7}));
        ASSERT_TRUE(client.allocate_at("block", {100'000'000, 100'000'001}).has_value());
    }
    daemon_.kill9();
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    EXPECT_NE(daemon_.log().find("last_stop=unclean"), std::string::npos) << daemon_.log();

    Client client = daemon_.connect();
    const auto leases = list_all(client, "inode");
    ASSERT_EQ(leases.size(), 2U);
    EXPECT_EQ(leases[0].range, (Range{1, 2}));
    EXPECT_EQ(leases[1].range, (Range{5, 10}));
    EXPECT_GT(client.allocate("inode").value().range.first, 10U);
    EXPECT_EQ(client.lookup_lease("pid", 4, 1).value().range, (Range{4, 6}));
    EXPECT_GT(client.allocate("pid").value().generation, 1U) << "the tail may be missing";

    EXPECT_GT(client.allocate("block").value().range.first, 7U);
    EXPECT_EQ(client.lookup("block", 3).error(), (Error{Errc::released, 3})) << "burned";
    EXPECT_EQ(client.lookup_lease("block", 100'000'000).value().range,
              (Range{100'000'000, 100'000'001}))
        << "claims are durable in every pool";
}

TEST_F(Restart, PoolsKeepTheirIndexAndMayGrow) {
    {
        Client client = daemon_.connect();
        ASSERT_TRUE(client.allocate("pid").has_value());
    }
    ASSERT_EQ(daemon_.terminate(), (Exit{.status = 0}));
    std::ofstream(daemon_.config_file()) << R"({"pools": [
        {"name": "new", "policy": "unique", "min": 1, "max": 5},
        {"name": "pid", "policy": "cyclic", "min": 2, "max": 30000}]})";
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    EXPECT_NE(daemon_.log().find("pool=inode"), std::string::npos) << "kept, not served";
    Client client = daemon_.connect();
    ASSERT_EQ(client.pool_table().size(), 2U);
    EXPECT_EQ(client.find_pool("pid")->index, 1);
    EXPECT_EQ(client.find_pool("pid")->range.last, 30'000U);
    EXPECT_EQ(client.find_pool("new")->index, 3);
    EXPECT_EQ(client.lookup(std::uint16_t{0}, 1).error().code, Errc::pool_unknown);
    EXPECT_TRUE(client.lookup("pid", 2).has_value());
}

TEST_F(Restart, DamageIsRefusedWithTheFile) {
    ASSERT_NO_FATAL_FAILURE(allocate_and_kill(20));
    const std::string segment = file_of();
    const auto frames = frames_of(segment);
    ASSERT_GT(frames.size(), 10U) << "each reply came with a frame of its own";
    // A later frame says that this one had been synced.
    flip(segment, frames[frames.size() / 2] + frame_header_size);
    const auto before = read(segment);
    for (int i = 0; i < 2; ++i)
        expect_refusal_naming(segment);
    EXPECT_EQ(read(segment), before) << "nothing was changed";
    EXPECT_FALSE(fs::exists(daemon_.socket()));
}

TEST_F(Restart, ATornTailIsCutAndSaid) {
    ASSERT_NO_FATAL_FAILURE(allocate_and_kill(20));
    const std::string segment = file_of();
    const auto frames = frames_of(segment);
    ASSERT_GT(frames.size(), 2U);
    // The last frame, which nothing behind it proves to have been synced.
    flip(segment, frames[frames.size() - 2] + frame_header_size);
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    const std::string log = daemon_.log();
    EXPECT_NE(log.find("torn tail"), std::string::npos) << log;
    EXPECT_NE(log.find("offset=" + std::to_string(frames[frames.size() - 2])), std::string::npos)
        << log;
    Client client = daemon_.connect();
    EXPECT_EQ(list_all(client, "inode").at(0).range, (Range{1, 19}));
    EXPECT_GT(client.allocate("inode").value().range.first, 20U) << "yet 20 does not repeat";
}

TEST_F(Restart, ASegmentThatIsMissingOrShortIsRefused) {
    ASSERT_NO_FATAL_FAILURE(allocate_and_kill(1));
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    daemon_.kill9();
    const std::string first = file_of(1);
    ASSERT_TRUE(fs::exists(first));
    const auto size = fs::file_size(first);
    fs::resize_file(first, size / 2);
    expect_refusal_naming(first);

    fs::remove(first);
    expect_refusal_naming("segment 1");
}

}  // namespace
}  // namespace inod::e2e
