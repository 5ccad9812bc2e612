#include <algorithm>
#include <cstring>
#include <random>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "proto/frame.h"
#include "proto/request.h"
#include "tests/proto/golden.h"

namespace inod::proto {
namespace {

using Bytes = std::vector<std::byte>;

// Puts as much of `bytes` from `at` on as fits, at most `size`. Returns how much.
std::size_t feed(FrameSplitter& splitter, const Bytes& bytes, std::size_t at, std::size_t size) {
    const auto room = splitter.prepare();
    const std::size_t fits = std::min({size, room.size(), bytes.size() - at});
    std::memcpy(room.data(), bytes.data() + at, fits);
    splitter.received(fits);
    return fits;
}

// Frames of every request in the golden vectors, behind one another.
std::vector<Bytes> some_frames() {
    std::vector<Bytes> frames;
    for (const std::string& name : golden_names()) {
        if (name.find("_request") != std::string::npos) frames.push_back(golden(name));
    }
    Bytes longest(request_size_max, std::byte{0x5a});
    longest[0] = std::byte{0x00};
    longest[1] = std::byte{0x10};
    frames.push_back(longest);
    return frames;
}

// Wherever it stands, and in pieces of any size.
TEST(FrameSplitter, SkipsPastBytesWhereverTheyStand) {
    const Bytes mark{std::byte{1}, std::byte{1}, std::byte{2}};
    for (std::size_t before = 0; before < 300; ++before) {
        for (const std::size_t piece : {1U, 2U, 7U, 64U}) {
            Bytes sent(before, std::byte{1});
            sent.insert(sent.end(), mark.begin(), mark.end());
            const Bytes frame = golden("ping_request");
            sent.insert(sent.end(), frame.begin(), frame.end());
            Bytes memory(64);
            FrameSplitter splitter(memory, request_size_max);
            std::size_t at = 0;
            for (bool found = false; !found; found = splitter.skip_past(mark)) {
                ASSERT_LT(at, sent.size()) << "before: " << before << " piece: " << piece;
                at += feed(splitter, sent, at, piece);
            }
            while (at < sent.size())
                at += feed(splitter, sent, at, piece);
            const auto next = splitter.next();
            ASSERT_TRUE(next.has_value());
            EXPECT_TRUE(std::ranges::equal(next->bytes, frame));
        }
    }
}

TEST(FrameSplitter, SaysHowMuchIsMissing) {
    Bytes memory(request_size_max);
    FrameSplitter splitter(memory, request_size_max);
    for (const Bytes& sent : some_frames()) {
        for (std::size_t at = 0; at < sent.size(); ++at) {
            ASSERT_FALSE(splitter.next().has_value());
            const std::size_t end = at < frame_header_size ? frame_header_size : sent.size();
            ASSERT_EQ(splitter.missing(), end - at);
            feed(splitter, sent, at, 1);
        }
        ASSERT_TRUE(splitter.next().has_value());
    }
}

// In pieces of all sizes, put back or not, and now and then in other memory.
TEST(FrameSplitter, CutsWhatItsMemoryIsTooSmallFor) {
    Bytes small(64);
    Bytes large(2 * request_size_max);
    for (const std::size_t piece :
         {std::size_t{1}, std::size_t{5}, std::size_t{64}, large.size()}) {
        for (const bool moves : {false, true}) {
            SCOPED_TRACE(std::to_string(piece) + (moves ? ", moving" : ""));
            FrameSplitter splitter(small, request_size_max);
            for (const Bytes& sent : some_frames()) {
                for (std::size_t at = feed(splitter, sent, 0, piece); at < sent.size();) {
                    ASSERT_FALSE(splitter.next().has_value()) << "before its last byte";
                    const std::size_t end =
                        at < frame_header_size ? frame_header_size : sent.size();
                    ASSERT_EQ(splitter.missing(), end - at);
                    ASSERT_TRUE(splitter.is_within_frame());
                    at += feed(splitter, sent, at, piece);
                    if (moves && at > small.size()) splitter.move_to(large);
                }
                auto frame = splitter.next();
                ASSERT_TRUE(frame.has_value());
                splitter.put_back(*frame);
                frame = splitter.next();
                ASSERT_TRUE(frame.has_value());
                EXPECT_EQ(frame->header, decode_header(sent));
                EXPECT_EQ(frame->is_cut(), sent.size() > small.size());
                const std::size_t kept = frame->is_cut() ? frame_header_size : sent.size();
                EXPECT_TRUE(std::ranges::equal(frame->bytes, std::span(sent).first(kept)));
                ASSERT_FALSE(splitter.next().has_value());
                ASSERT_FALSE(splitter.is_within_frame());
                splitter.move_to(small);
            }
        }
    }
}

TEST(FrameSplitter, GivesAFrameAgainThatWasPutBack) {
    const auto frames = some_frames();
    Bytes stream;
    for (const Bytes& sent : frames)
        stream.insert(stream.end(), sent.begin(), sent.end());
    Bytes memory(stream.size() + request_size_max);
    FrameSplitter splitter(memory, request_size_max);
    feed(splitter, stream, 0, stream.size());
    for (const Bytes& sent : frames) {
        const std::size_t pending = splitter.pending();
        const auto first = splitter.next();
        ASSERT_TRUE(first.has_value());
        splitter.put_back(*first);
        EXPECT_EQ(splitter.pending(), pending);
        const auto again = splitter.next();
        ASSERT_TRUE(again.has_value());
        EXPECT_EQ(again->header, first->header);
        EXPECT_TRUE(std::equal(again->bytes.begin(), again->bytes.end(), sent.begin(), sent.end()));
    }
    EXPECT_FALSE(splitter.next().has_value());
    EXPECT_EQ(splitter.error(), Errc::ok);
}

TEST(FrameSplitter, FindsTheSameFramesWhereverTheStreamIsCut) {
    const auto frames = some_frames();
    std::mt19937_64 random(1);
    for (int round = 0; round < 300; ++round) {
        SCOPED_TRACE(round);
        std::vector<const Bytes*> sent;
        Bytes stream;
        for (int i = 0; i < 60; ++i) {
            sent.push_back(&frames.at(random() % frames.size()));
            stream.insert(stream.end(), sent.back()->begin(), sent.back()->end());
        }
        // From room for a header to room for many frames, from byte by byte to all at once.
        const bool is_small = round % 2 == 0;
        Bytes memory(is_small ? 9 + random() % 100 : (1 + random() % 3) * request_size_max);
        FrameSplitter splitter(memory, request_size_max);
        const std::size_t chunk_max = std::size_t{1} << (random() % 14);
        std::size_t found = 0;
        for (std::size_t at = 0; at < stream.size();) {
            const std::size_t fed = feed(splitter, stream, at, 1 + random() % chunk_max);
            ASSERT_GT(fed, 0U) << "no room, and no frame";
            at += fed;
            while (const auto frame = splitter.next()) {
                ASSERT_LT(found, sent.size());
                const Bytes& whole = *sent.at(found);
                EXPECT_EQ(frame->header, decode_header(whole));
                ASSERT_EQ(frame->is_cut(), whole.size() > memory.size());
                const std::size_t kept = frame->is_cut() ? frame_header_size : whole.size();
                ASSERT_TRUE(std::ranges::equal(frame->bytes, std::span(whole).first(kept)));
                ++found;
            }
        }
        EXPECT_EQ(found, sent.size());
        EXPECT_EQ(splitter.pending(), 0U);
        EXPECT_EQ(splitter.error(), Errc::ok);
    }
}

TEST(FrameSplitter, KeepsFramesThatNobodyTookYet) {
    const Bytes ping = golden("ping_request");
    Bytes memory(request_size_max);
    FrameSplitter splitter(memory, request_size_max);
    std::size_t fed = 0;
    while (const std::size_t size = feed(splitter, ping, 0, ping.size()))
        fed += size;
    EXPECT_EQ(fed, request_size_max) << "a session that is not read from fills its memory";
    EXPECT_TRUE(splitter.prepare().empty());
    std::size_t frames = 0;
    for (; splitter.next(); ++frames) {
    }
    EXPECT_EQ(frames, request_size_max / ping.size());
    EXPECT_FALSE(splitter.prepare().empty());
}

TEST(FrameSplitter, SaysForGoodThatTheStreamIsOutOfStep) {
    struct Case {
        const char* name;
        Errc want;
    };
    const Case cases[] = {
        {"stream_size_small", Errc::frame_malformed},
        {"stream_size_large", Errc::frame_too_long},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        // A sound frame before it is still given out, one behind it no more.
        Bytes stream = golden("ping_request");
        const Bytes broken = golden(c.name);
        stream.insert(stream.end(), broken.begin(), broken.end());
        Bytes memory(request_size_max);
        FrameSplitter splitter(memory, request_size_max);
        feed(splitter, stream, 0, stream.size());
        EXPECT_TRUE(splitter.next());
        EXPECT_EQ(splitter.error(), Errc::ok);
        EXPECT_FALSE(splitter.next());
        EXPECT_EQ(splitter.error(), c.want);
        const Bytes ping = golden("ping_request");
        feed(splitter, ping, 0, ping.size());
        EXPECT_FALSE(splitter.next());
        EXPECT_EQ(splitter.error(), c.want);
    }
}

TEST(FrameSplitter, ReadsTheLongestReply) {
    Bytes longest(reply_size_max, std::byte{0xff});
    Bytes memory(reply_size_max);
    FrameSplitter splitter(memory, reply_size_max);
    for (std::size_t at = 0; at < longest.size();)
        at += feed(splitter, longest, at, 1000);
    const auto frame = splitter.next();
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->bytes.size(), reply_size_max);
}

}  // namespace
}  // namespace inod::proto
