#include "lib/client/request_log.h"

#include <map>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tests/proto/encoded.h"

namespace inod {
namespace {

using Bytes = std::vector<std::byte>;

Bytes frame_of(std::uint16_t tag, std::size_t names) {
    std::vector<std::string_view> list(names, "inode");
    std::vector<std::byte> memory(proto::request_size_max);
    const auto packed = proto::Packed<std::string_view>::pack(list, memory).value();
    return encoded({.tag = tag, .body = proto::HelloRequest{.pools = packed}});
}

Bytes bytes(std::span<const std::byte> frame) {
    return {frame.begin(), frame.end()};
}

TEST(RequestLog, HasWhatWasAddedAndNotRemovedInThatOrder) {
    RequestLog log;
    const Bytes first = frame_of(9, 0);
    const Bytes second = frame_of(3, 2);
    log.add(9, first);
    log.add(3, second);
    log.add(7, frame_of(7, 1));
    EXPECT_EQ(log.tags(), (std::vector<std::uint16_t>{9, 3, 7}));
    EXPECT_EQ(bytes(log.frame(9)), first);
    log.remove(9);
    log.remove(9);
    log.remove(60'000);
    EXPECT_FALSE(log.has(9));
    EXPECT_EQ(log.tags(), (std::vector<std::uint16_t>{3, 7}));
    log.add(9, first);
    EXPECT_EQ(log.tags(), (std::vector<std::uint16_t>{3, 7, 9})) << "it is the last now";
    EXPECT_EQ(bytes(log.frame(3)), second);
}

// Beside a list that does nothing clever, with one request that is never answered.
TEST(RequestLog, KeepsThemThroughAnyOrderOfReplies) {
    std::mt19937_64 random(1);
    RequestLog log;
    std::map<std::uint64_t, std::pair<std::uint16_t, Bytes>> model;  // by when they were added
    const Bytes never = frame_of(1, 3);
    log.add(1, never);
    model[0] = {1, never};
    for (std::uint64_t time = 1; time < 20'000; ++time) {
        const auto tag = static_cast<std::uint16_t>(2 + random() % 500);
        if (!log.has(tag)) {
            const Bytes frame = frame_of(tag, random() % 8);
            log.add(tag, frame);
            model[time] = {tag, frame};
        } else {
            log.remove(tag);
            std::erase_if(model, [tag](const auto& entry) { return entry.second.first == tag; });
        }
        if (time % 100 != 0) continue;
        std::vector<std::uint16_t> tags;
        for (const auto& [when, request] : model) {
            tags.push_back(request.first);
            ASSERT_EQ(bytes(log.frame(request.first)), request.second);
        }
        ASSERT_EQ(log.tags(), tags);
    }
}

}  // namespace
}  // namespace inod
