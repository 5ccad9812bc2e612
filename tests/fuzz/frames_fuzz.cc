// Promise: no bytes, however they are split, make the decoder misbehave.
// Method: an input is a stream. It goes through a FrameSplitter in pieces, and the frames that come
// out must be those that the stream has when it is looked at as a whole. Each is decoded as a request
// and as a reply, in memory of exactly its size, so that the address sanitizer sees a read beyond it,
// and where it was received, with other bytes behind: the meaning must be the same. Whatever is
// understood is encoded, and means the same when decoded again. A broken promise ends the process.
//
//   byte 0    bit 0: as a client receives it, and not the daemon; bit 1: no more memory than a frame takes;
//             bit 2: the stream is one frame, whose size is filled in; bit 3: frames are put back;
//             bit 4: longer frames than 64 bytes are too long, so that memory is soon full; bit 5: there is less
//             memory than a frame takes, which is cut then; bit 6: the stream begins behind the first place where
//             its last bytes stand, as it does where another daemon goes on with it
//   byte 1    how it is split, and how little memory there is
//   then      the stream
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "lib/base/assert.h"
#include "proto/frame.h"
#include "proto/reply.h"
#include "proto/request.h"
#include "proto/resume.h"
#include "tests/fuzz/input.h"

namespace inod::proto {
namespace {

using Bytes = std::vector<std::byte>;
using View = std::span<const std::byte>;

// Every item of a list is taken, and there are as many as it says.
template <class Item>
void walk(Packed<Item> list) {
    std::uint32_t count = list.count();
    for (; list.take(); --count)
        INOD_ASSERT(count > 0);
    INOD_ASSERT(count == 0 && list.bytes().empty());
}

struct Walk {
    void operator()(const HelloRequest& hello) const { walk(hello.pools); }
    void operator()(const ListReply& reply) const { walk(reply.leases); }
    void operator()(const PoolsReply& reply) const { walk(reply.pools); }
    void operator()(const StatsReply& reply) const { walk(reply.stats); }
    void operator()(const HelloReply& reply) const { walk(reply.table.pools); }
    void operator()(const HoldersReply& reply) const { walk(reply.holders); }
    void operator()(const WatchReply& reply) const { walk(reply.events); }
    void operator()(const LevelsReply& reply) const { walk(reply.levels); }
    template <class Body>
    void operator()(const Body& /*has no list*/) const {}
};

// Encoded once more it is the same bytes, wherever they lie.
template <class Message, class Encode, class Decode>
void check_encoding(const Message& message, std::size_t size_max, Encode encode, Decode decode) {
    static Bytes memory(reply_size_max);
    static Bytes second_memory(reply_size_max);
    ByteWriter out({memory.data(), size_max});
    INOD_ASSERT(encode(out, message));
    const auto again = decode(out.written());
    INOD_ASSERT(again && *again == message);
    ByteWriter second({second_memory.data(), size_max});
    INOD_ASSERT(encode(second, *again));
    INOD_ASSERT(std::ranges::equal(out.written(), second.written()));
}

// The same message or the same refusal.
template <class Message>
void check_same(const Result<Message>& a, const Result<Message>& b) {
    INOD_ASSERT(a.has_value() == b.has_value());
    INOD_ASSERT(a ? *a == *b : a.error() == b.error());
}

void check_request(const Result<Request>& request) {
    if (!request) {
        const ErrorText has_room_for_what_it_says(request.error());
        INOD_ASSERT(request.error().code != Errc::ok);
        return;
    }
    std::visit(Walk(), request->body);
    INOD_ASSERT(request->tag != 0);
    check_encoding(*request, request_size_max, encode_request, decode_request);
}

void check_reply(const Result<Reply>& reply) {
    if (!reply) return;
    std::visit(Walk(), reply->body);
    // Texts beyond what our encoder sends are cut, so they cannot come back.
    const auto* const error = std::get_if<ErrorReply>(&reply->body);
    if (error != nullptr && error->text.size() > error_text_size_max) return;
    check_encoding(*reply, reply_size_max, encode_reply, decode_reply);
}

// What is understood means the same when encoded, but for what is passed over.
void check_resumed(View bytes) {
    if (bytes.size() < frame_header_size) return;
    const FrameHeader header = decode_header(bytes);
    if (header.size != bytes.size()) return;  // no whole frame
    const auto resumed = decode_resumed({header, bytes});
    if (!resumed) return;
    std::array<std::byte, resumed_size> memory{};
    ByteWriter out(memory);
    encode_resumed(out, *resumed);
    INOD_ASSERT(bytes.size() == resumed_size);
    INOD_ASSERT(std::ranges::equal(View(memory).first(25), bytes.first(25)));
}

// `received` may have other bytes behind it.
void check_frame(View received) {
    const auto exact = std::make_unique<std::byte[]>(received.size());
    std::copy(received.begin(), received.end(), exact.get());
    const View alone(exact.get(), received.size());
    const auto request = decode_request(alone);
    const auto reply = decode_reply(alone);
    check_same(request, decode_request(received));
    check_same(reply, decode_reply(received));
    check_request(request);
    check_reply(reply);
    check_resumed(alone);
}

// What the stream as a whole says: its frames, and what it is wrong with then.
struct Told {
    std::vector<View> frames;
    Errc error = Errc::ok;
};

Told told_by(View stream, std::size_t frame_size_max) {
    Told told;
    while (stream.size() >= frame_header_size) {
        const std::size_t size =
            std::to_integer<std::size_t>(stream[0]) | std::to_integer<std::size_t>(stream[1]) << 8U;
        if (size < frame_header_size) told.error = Errc::frame_malformed;
        if (size > frame_size_max) told.error = Errc::frame_too_long;
        if (told.error != Errc::ok || size > stream.size()) break;
        told.frames.push_back(stream.first(size));
        stream = stream.subspan(size);
    }
    return told;
}

// Where the stream begins, behind the first place where these bytes stand.
std::size_t behind_first(View stream, View mark) {
    const auto found = std::search(stream.begin(), stream.end(), mark.begin(), mark.end());
    return static_cast<std::size_t>(found - stream.begin()) + mark.size();
}

class Stream {
public:
    // Empty `mark`: it begins where the bytes do.
    Stream(View bytes, View mark, std::size_t frame_size_max, std::size_t memory_size,
           std::uint8_t split, bool puts_back)
        : bytes_(bytes),
          mark_(mark),
          begin_(behind_first(bytes, mark)),
          told_(told_by(bytes.subspan(begin_), frame_size_max)),
          memory_size_(memory_size),
          memory_(std::make_unique<std::byte[]>(memory_size)),
          splitter_({memory_.get(), memory_size}, frame_size_max),
          piece_max_(split < 128 ? 1U + split : std::size_t{1} << (split % 16U)),
          puts_back_(puts_back) {}

    void run() {
        if (!mark_.empty()) skip();
        const bool has_some = splitter_.pending() > 0;
        if (has_some) take_all();
        while (!bytes_.empty() && splitter_.error() == Errc::ok) {
            receive();
            take_all();
        }
        INOD_ASSERT(splitter_.error() == told_.error);
        INOD_ASSERT(frame_count_ == told_.frames.size());
    }

private:
    void skip() {
        const std::size_t all = bytes_.size();
        while (!splitter_.skip_past(mark_)) {
            INOD_ASSERT(!bytes_.empty() && splitter_.pending() < mark_.size());
            receive();
        }
        INOD_ASSERT(all - bytes_.size() - splitter_.pending() == begin_);
    }
    void take_all() {
        while (const auto frame = splitter_.next())
            take(*frame);
        if (splitter_.error() == Errc::ok) {
            INOD_ASSERT(splitter_.missing() > 0);
        }
    }
    void receive() {
        const auto room = splitter_.prepare();
        INOD_ASSERT(!room.empty());
        const std::size_t wanted = 1 + 7 * ++piece_count_ % piece_max_;
        const View piece = bytes_.first(std::min({wanted, room.size(), bytes_.size()}));
        std::copy(piece.begin(), piece.end(), room.begin());
        splitter_.received(piece.size());
        bytes_ = bytes_.subspan(piece.size());
    }
    void take(Frame frame) {
        if (puts_back_) {
            splitter_.put_back(frame);
            frame = splitter_.next().value();
        }
        INOD_ASSERT(frame_count_ < told_.frames.size());
        const View whole = told_.frames[frame_count_];
        INOD_ASSERT(frame.header.size == whole.size());
        INOD_ASSERT(frame.is_cut() == (whole.size() > memory_size_));
        const std::size_t kept = frame.is_cut() ? frame_header_size : whole.size();
        INOD_ASSERT(std::ranges::equal(frame.bytes, whole.first(kept)));
        ++frame_count_;
        if (!frame.is_cut()) check_frame(frame.bytes);
    }

    View bytes_;
    const View mark_;
    const std::size_t begin_;
    const Told told_;
    const std::size_t memory_size_;
    const std::unique_ptr<std::byte[]> memory_;
    FrameSplitter splitter_;
    const std::size_t piece_max_;
    const bool puts_back_;
    std::size_t piece_count_ = 0;
    std::size_t frame_count_ = 0;
};

void run(Input input) {
    const std::uint8_t how = input.byte();
    const std::uint8_t split = input.byte();
    const View rest = input.bytes(input.size());
    Bytes stream(rest.begin(), rest.end());
    // Any bytes are no whole frame, if not by chance.
    check_frame(stream);
    if ((how & 4U) != 0 && stream.size() >= 2 && stream.size() <= reply_size_max) {
        stream[0] = static_cast<std::byte>(stream.size() & 0xffU);
        stream[1] = static_cast<std::byte>(stream.size() >> 8U);
    }
    const std::size_t allowed = (how & 1U) != 0 ? reply_size_max : request_size_max;
    const std::size_t frame_size_max = (how & 16U) != 0 ? 64 : allowed;
    const std::size_t enough = ((how & 2U) != 0 ? 1 : 4) * frame_size_max;
    const std::size_t memory_size = (how & 32U) != 0 ? frame_header_size + 1 + split / 4 : enough;
    const std::size_t mark_size = (how & 64U) != 0 ? std::size_t{1} + split % 8U : 0;
    const View mark = View(stream).last(std::min(mark_size, stream.size()));
    Stream(stream, mark, frame_size_max, memory_size, split, (how & 8U) != 0).run();
}

}  // namespace
}  // namespace inod::proto

// The name is libFuzzer's. NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    inod::proto::run(inod::Input({data, size}));
    return 0;
}
