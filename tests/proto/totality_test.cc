// No bytes make a decoder misbehave: what is not understood is refused. Run under the address
// sanitizer this also says that nothing outside the frame is read.
#include <array>
#include <memory>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "proto/reply.h"
#include "proto/request.h"
#include "tests/proto/golden.h"

namespace inod::proto {
namespace {

using Bytes = std::vector<std::byte>;

// Whatever was decoded must be encodable and mean the same when decoded again.
void check_request(const Request& request) {
    std::array<std::byte, request_size_max> memory;
    ByteWriter out(memory);
    ASSERT_TRUE(encode_request(out, request));
    const auto again = decode_request(out.written());
    ASSERT_TRUE(again);
    EXPECT_EQ(*again, request);
}

void check_reply(const Reply& reply) {
    // Texts beyond what our encoder sends are cut, so they cannot come back.
    const auto* const error = std::get_if<ErrorReply>(&reply.body);
    if (error != nullptr && error->text.size() > error_text_size_max) return;
    static Bytes memory(reply_size_max);
    ByteWriter out(memory);
    ASSERT_TRUE(encode_reply(out, reply));
    const auto again = decode_reply(out.written());
    ASSERT_TRUE(again);
    EXPECT_EQ(*again, reply);
}

// In memory of exactly its size, so that a read past the end is seen.
void decode_both(std::span<const std::byte> bytes) {
    const auto exact = std::make_unique<std::byte[]>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), exact.get());
    const std::span<const std::byte> frame(exact.get(), bytes.size());
    if (const auto request = decode_request(frame)) check_request(*request);
    if (const auto reply = decode_reply(frame)) check_reply(*reply);
}

void set_size(Bytes& frame) {
    frame.at(0) = static_cast<std::byte>(frame.size() & 0xffU);
    frame.at(1) = static_cast<std::byte>(frame.size() >> 8U);
}

TEST(Totality, EveryTruncationOfEveryGoldenFrame) {
    for (const std::string& name : golden_names()) {
        SCOPED_TRACE(name);
        const Bytes whole = golden(name);
        for (std::size_t size = 0; size < whole.size(); ++size) {
            Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
            EXPECT_FALSE(decode_request(cut));
            EXPECT_FALSE(decode_reply(cut));
            if (size < frame_header_size) continue;
            // The same with a header that tells the truth about it.
            set_size(cut);
            decode_both(cut);
        }
    }
}

TEST(Totality, EverySingleBitFlipOfEveryGoldenFrame) {
    for (const std::string& name : golden_names()) {
        SCOPED_TRACE(name);
        Bytes frame = golden(name);
        for (std::size_t bit = 0; bit < 8 * frame.size(); ++bit) {
            const auto mask = std::byte{1} << (bit % 8);
            frame.at(bit / 8) ^= mask;
            decode_both(frame);
            frame.at(bit / 8) ^= mask;
        }
    }
}

TEST(Totality, RandomBytes) {
    std::mt19937_64 random(2);
    for (int round = 0; round < 100'000; ++round) {
        Bytes frame(random() % 200);
        for (std::byte& byte : frame)
            byte = static_cast<std::byte>(random());
        if (frame.size() >= frame_header_size && round % 4 != 0) {
            // Near enough to a frame that the bodies' decoders see it, too.
            set_size(frame);
            frame.at(2) = static_cast<std::byte>(random() % 20);
            frame.at(3) &= std::byte{0x0f};
            if (round % 8 < 4) frame.at(4) = frame.at(5) = std::byte{0};
        }
        SCOPED_TRACE(round);
        decode_both(frame);
    }
}

// What a client might send to have the daemon count to 2^32 or take memory for it.
TEST(Totality, CountsFarAboveWhatIsThere) {
    for (const char* name : {"list_reply", "pools_reply", "stats_reply", "holders_reply",
                             "hello_reply", "watch_reply"}) {
        SCOPED_TRACE(name);
        Bytes frame = golden(name);
        const std::string_view of(name);
        const std::size_t at = of == "hello_reply" ? 52 : of == "watch_reply" ? 24 : 8;
        for (std::size_t i = 0; i < 4; ++i)
            frame.at(at + i) = std::byte{0xff};
        EXPECT_EQ(decode_reply(frame).error().code, Errc::protocol_violation);
    }
}

}  // namespace
}  // namespace inod::proto
