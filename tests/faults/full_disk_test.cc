// A full disk: allocations say so, releases go on, and allocations come back with the space.

#include <chrono>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "tests/e2e/daemon_process.h"
#include "tests/e2e/support.h"
#include "tests/faults/lives.h"
#include "tests/faults/small_disk.h"

namespace inod::faults {
namespace {

using e2e::DaemonProcess;
using e2e::Exit;

// On a disk of its own.
class FullDisk : public testing::TestWithParam<SmallDisk::Kind> {
protected:
    void SetUp() override {
        if (const std::string missing = SmallDisk::missing(GetParam()); !missing.empty()) {
            GTEST_SKIP() << missing;
        }
    }

    DaemonProcess daemon_{R"({"pools": [{"name": "inode", "policy": "unique", "min": 1,
        "max": 1000000000, "lease_count_max": 1000000}], "journal": {"segment_size": 65536}})"};
};

// Until one is refused, which is what is returned; ok if none is.
Errc allocate_until_refused(Client& client) {
    constexpr int allocations_max = 20'000;
    for (int i = 0; i < allocations_max; ++i) {
        const auto lease = client.allocate("inode");
        if (!lease) return lease.error().code;
    }
    return Errc::ok;
}

// The disk has room again: nobody releases anything, the daemon finds it by itself.
bool allocates_again(Client& client) {
    const Deadline deadline = e2e::soon();
    while (std::chrono::steady_clock::now() < deadline)
        if (client.allocate("inode")) return true;
    return false;
}

TEST_P(FullDisk, RefusesAllocationsUntilThereIsRoom) {
    SmallDisk disk(GetParam(), std::uint64_t{8} << 20, SmallDisk::Medium::memory);
    daemon_.use_state_dir(disk.path() + "/state");
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    Client client = daemon_.connect();
    ASSERT_TRUE(client.allocate("inode", 100).has_value());
    disk.fill();
    ASSERT_EQ(allocate_until_refused(client), Errc::no_space);
    EXPECT_TRUE(client.release("inode", {1, 50}).has_value());
    EXPECT_EQ(client.lookup("inode", 50).error().code, Errc::released);
    disk.make_room();
    EXPECT_TRUE(allocates_again(client));
    EXPECT_EQ(daemon_.terminate(), (Exit{.status = 0})) << daemon_.log();
    const std::size_t full = daemon_.log().find("disk is full");
    ASSERT_NE(full, std::string::npos) << daemon_.log();
    EXPECT_NE(daemon_.log().find("has space again", full), std::string::npos) << daemon_.log();
}

// --- promise 2 ---------------------------------------------------------------------------------

// Live IDs, each to be released by itself, in whatever order.
class LiveIds {
public:
    void add(Range range) {
        for (Id id = range.first; id <= range.last; ++id)
            ids_.push_back(id);
    }
    [[nodiscard]] std::size_t count() const { return ids_.size(); }
    Id take_any(std::mt19937_64& random) {
        std::swap(ids_[random() % ids_.size()], ids_.back());
        const Id id = ids_.back();
        ids_.pop_back();
        return id;
    }

private:
    std::vector<Id> ids_;
};

// Leases of one ID, many requests under way. What was handed out goes to `live`; the first refusal,
// after which no more are asked for, is returned, or ok.
Errc allocate_singles(Client& client, std::uint64_t count, LiveIds& live) {
    constexpr std::size_t depth = 1'000;
    Errc refusal = Errc::ok;
    for (std::uint64_t sent = 0; client.under_way() > 0 || (sent < count && refusal == Errc::ok);) {
        while (sent < count && client.under_way() < depth && refusal == Errc::ok) {
            client.send({.pool = 0, .body = proto::AllocateRequest{.count = 1}}).value();
            ++sent;
        }
        const auto reply = client.receive(e2e::soon()).value();
        if (const auto* const lease = std::get_if<proto::LeaseReply>(&reply.body)) {
            live.add(lease->range);
        } else if (refusal == Errc::ok) {
            refusal = std::get<proto::ErrorReply>(reply.body).error.code;
        }
    }
    return refusal;
}

// One by one, by a client that waits for each reply. Looks now and then whether allocations, whose
// state this makes smaller, are answered soundly.
void release_all(Client& client, LiveIds& live, std::mt19937_64& random) {
    constexpr std::size_t allocation_period = 1'000;
    const std::size_t count = live.count();
    for (std::size_t done = 0; live.count() > 0; ++done) {
        const Id id = live.take_any(random);
        const auto released = client.release("inode", {id, id});
        ASSERT_TRUE(released.has_value()) << "release " << done + 1 << " of " << count << ", ID "
                                          << id << ": " << name(released.error().code);
        if (done % allocation_period != 0) continue;
        const auto lease = client.allocate("inode");
        if (lease) live.add(lease->range);
        if (!lease) {
            ASSERT_EQ(lease.error().code, Errc::no_space);
        }
    }
}

TEST_P(FullDisk, TakesEveryReleaseToTheLast) {
    const std::uint64_t seed = seed_of_this_run();
    SCOPED_TRACE("INOD_FAULTS_SEED=" + std::to_string(seed));
    std::mt19937_64 random(seed);
    const std::uint64_t count = takes_long_sizes() ? 1'000'000 : 10'000;
    const std::uint64_t disk_size = (takes_long_sizes() ? std::uint64_t{256} : 16) << 20;
    SmallDisk disk(GetParam(), disk_size, SmallDisk::Medium::memory);
    daemon_.use_state_dir(disk.path() + "/state");
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    Client client = daemon_.connect();
    LiveIds live;
    live.add(client.allocate("inode", count).value().range);
    ASSERT_EQ(allocate_singles(client, count, live), Errc::ok);
    disk.fill();
    ASSERT_EQ(allocate_singles(client, 10 * count, live), Errc::no_space);
    ASSERT_NO_FATAL_FAILURE(release_all(client, live, random)) << daemon_.log();
    EXPECT_EQ(e2e::value_of(client.stats("inode").value(), proto::StatId::live_ids), 0U);

    disk.make_room();
    EXPECT_TRUE(allocates_again(client));
    EXPECT_EQ(daemon_.terminate(), (Exit{.status = 0})) << daemon_.log();
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    Client later = daemon_.connect();
    EXPECT_EQ(e2e::list_all(later, "inode").size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(, FullDisk, testing::Values(SmallDisk::Kind::tmpfs, SmallDisk::Kind::ext4),
                         [](const auto& param) {
                             return param.param == SmallDisk::Kind::ext4 ? "ext4" : "tmpfs";
                         });

}  // namespace
}  // namespace inod::faults
