#include "daemon/kept_connections.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/e2e/service_manager.h"

namespace inod::daemon {
namespace {

using Patience = DescriptorStore::Patience;

// A service manager, and what daemons have there, one after the other.
class KeptConnectionsTest : public testing::Test {
protected:
    KeptConnectionsTest() : manager_(folder() + "/notify") {
        ::setenv("NOTIFY_SOCKET", manager_.path().c_str(), 1);
        ::setenv("FDSTORE", "100", 1);
    }
    ~KeptConnectionsTest() override {
        ::unsetenv("NOTIFY_SOCKET");
        ::unsetenv("FDSTORE");
        std::filesystem::remove_all(folder_);
    }
    // A daemon that goes on with the table that is kept, if one is.
    std::unique_ptr<KeptConnections> begin() {
        OwnedFd table;
        for (const auto& kept : manager_.kept())
            if (kept.name == KeptConnections::table_name)
                table = OwnedFd(::fcntl(kept.descriptor.get(), F_DUPFD_CLOEXEC, 0));
        return KeptConnections::create(DescriptorStore::find().value(), std::move(table)).value();
    }
    // Nothing waits until it was heard what a daemon says at its end.
    void end(std::unique_ptr<KeptConnections> kept) {
        std::thread listener([this] {
            pollfd asked{.fd = manager_.fd(), .events = POLLIN, .revents = 0};
            while (!ended_ && ::poll(&asked, 1, 10) >= 0)
                manager_.hear_all();
        });
        kept.reset();
        ended_ = true;
        listener.join();
        ended_ = false;
    }
    bool has(const std::string& name) {
        for (const auto& kept : manager_.kept())
            if (kept.name == name) return true;
        return false;
    }
    const std::string& folder() {
        if (folder_.empty()) {
            folder_ = testing::TempDir() + "inod_kept_XXXXXX";
            if (::mkdtemp(folder_.data()) == nullptr) std::abort();
        }
        return folder_;
    }

    struct Pair {
        Pair() {
            if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
                std::abort();
            client = OwnedFd(ends[0]);
            server = OwnedFd(ends[1]);
        }
        std::array<int, 2> ends{};
        OwnedFd client;
        OwnedFd server;
    };

    std::string folder_;
    e2e::ServiceManager manager_;
    std::atomic<bool> ended_ = false;
};

TEST_F(KeptConnectionsTest, TheNextDaemonKnowsWhatBecameOfEach) {
    const Pair left;
    const Pair killed;
    const Pair cut;
    auto kept = begin();
    kept->begin();
    std::optional<KeptSlot> first = kept->take(11);
    std::optional<KeptSlot> second = kept->take(22);
    std::optional<KeptSlot> third = kept->take(33);
    ASSERT_TRUE(first && second && third);
    ASSERT_TRUE(second->store(killed.server.get(), Patience::none));
    ASSERT_TRUE(third->store(cut.server.get(), Patience::none));
    third->may_cut_frame();
    ASSERT_TRUE(first->leave(left.server.get())) << "it is stored at last";
    EXPECT_TRUE(has("0") && has("1") && has("2"));

    // Whoever is killed cleans nothing up: the slots are there while the next one begins.
    auto next = begin();
    auto first_back = next->take_back(0);
    ASSERT_TRUE(first_back.has_value());
    EXPECT_TRUE(first_back->is_certain());
    EXPECT_EQ(first_back->accepted_at(), 11U);
    EXPECT_TRUE(first_back->is_stored());
    EXPECT_FALSE(next->take_back(0).has_value()) << "it is somebody's";
    auto second_back = next->take_back(1);
    ASSERT_TRUE(second_back.has_value());
    EXPECT_FALSE(second_back->is_certain());
    EXPECT_EQ(second_back->accepted_at(), 22U);
    EXPECT_FALSE(next->take_back(2).has_value()) << "nobody can go on within a frame";
    EXPECT_FALSE(has("2")) << "and the store drops it";
    EXPECT_FALSE(next->take_back(7).has_value()) << "nobody had it";
    next->begin();
    auto fresh = next->take(44);
    ASSERT_TRUE(fresh.has_value());
    EXPECT_EQ(fresh->accepted_at(), 44U);
    EXPECT_EQ(first_back->accepted_at(), 11U) << "that one has another slot";

    // What was left and not begun with is as it was.
    first_back->may_cut_frame();
    first_back->is_at_boundary();
    auto after = begin();
    EXPECT_TRUE(after->take_back(0)->is_certain());
    first_back->begin();
    auto last = begin();
    EXPECT_FALSE(last->take_back(0)->is_certain());
    // They all go; of what they say here nothing is asked.
    first.reset();
    second.reset();
    third.reset();
    first_back.reset();
    second_back.reset();
    fresh.reset();
    for (auto* const daemon : {&last, &after, &next, &kept})
        end(std::move(*daemon));
}

TEST_F(KeptConnectionsTest, AsManyAsTheStoreHasRoomFor) {
    auto kept = begin();
    kept->begin();
    std::vector<KeptSlot> slots;
    while (auto slot = kept->take(1))
        slots.push_back(std::move(*slot));
    EXPECT_EQ(slots.size(), 99U) << "and the table";
    slots.pop_back();
    EXPECT_TRUE(kept->take(1).has_value());
    slots.clear();
    end(std::move(kept));
}

// The service manager reads nothing: a slot is nobody else's until it has been told.
TEST_F(KeptConnectionsTest, ASlotIsUsedAgainWhenTheStoreHasDroppedIt) {
    ::setenv("FDSTORE", "2", 1);
    auto kept = begin();
    kept->begin();
    auto slot = kept->take(1);
    ASSERT_TRUE(slot.has_value());
    ASSERT_FALSE(kept->take(1).has_value()) << "there is one";
    const Pair pair;
    ASSERT_TRUE(slot->store(pair.server.get(), Patience::none));
    const DescriptorStore store = DescriptorStore::find().value();
    while (store.remove("nothing", Patience::none)) {
    }
    slot.reset();
    EXPECT_FALSE(kept->take(1).has_value());
    EXPECT_TRUE(has("0")) << "that it is over could not be said";
    EXPECT_TRUE(kept->take(1).has_value());
    EXPECT_FALSE(has("0")) << "now it was";
    end(std::move(kept));
}

TEST_F(KeptConnectionsTest, ATableThatIsNoneIsNotUsed) {
    const Pair pair;
    {
        auto kept = begin();
        kept->begin();
        EXPECT_TRUE(kept->take(1)->leave(pair.server.get()));
        end(std::move(kept));
    }
    // Another of the same size, that may yet become shorter.
    OwnedFd foreign(::memfd_create("foreign", MFD_CLOEXEC));
    ASSERT_EQ(::ftruncate(foreign.get(), 1 << 20), 0);
    auto kept =
        KeptConnections::create(DescriptorStore::find().value(), std::move(foreign)).value();
    EXPECT_FALSE(kept->take_back(0).has_value());
    kept->begin();
    end(std::move(kept));
}

TEST_F(KeptConnectionsTest, WithoutAStoreThereIsNone) {
    EXPECT_EQ(DescriptorStore::find()->count_max(), 100U);
    for (const char* const count : {"0", "", "many", "-1"}) {
        ::setenv("FDSTORE", count, 1);
        EXPECT_FALSE(DescriptorStore::find().has_value()) << count;
    }
    ::setenv("FDSTORE", "100", 1);
    ::unsetenv("NOTIFY_SOCKET");
    EXPECT_FALSE(DescriptorStore::find().has_value());
}

TEST_F(KeptConnectionsTest, NamesStandForSlots) {
    EXPECT_EQ(KeptConnections::slot_of("0"), 0U);
    EXPECT_EQ(KeptConnections::slot_of("16383"), 16'383U);
    for (const char* const name : {"16384", "-1", "", "1x", "table", "99999999999"})
        EXPECT_FALSE(KeptConnections::slot_of(name).has_value()) << name;
}

}  // namespace
}  // namespace inod::daemon
