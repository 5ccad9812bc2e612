#include "lib/client/pipeline.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "lib/base/assert.h"

namespace inod {
namespace {

constexpr std::size_t tag_max = 65'535;
// Room for the longest reply, and as much again for what comes behind it in the same read.
constexpr std::size_t input_size = 2 * proto::reply_size_max;

std::vector<std::byte> encoded(const proto::Reply& reply) {
    std::array<std::byte, 2048> small;  // every error, and all but long lists
    ByteWriter out(small);
    if (proto::encode_reply(out, reply)) return {out.written().begin(), out.written().end()};
    std::vector<std::byte> large(proto::reply_size_max);
    ByteWriter writer(large);
    // It came in a frame, so it fits one.
    INOD_ASSERT(proto::encode_reply(writer, reply));
    large.resize(writer.size());
    return large;
}

// One of those that we make ourselves when the connection is lost.
bool is_lost(const proto::Reply& reply) {
    const auto* const error = std::get_if<proto::ErrorReply>(&reply.body);
    return error != nullptr &&
           (error->error.code == Errc::in_doubt || error->error.code == Errc::not_connected);
}

}  // namespace

Pipeline::Pipeline()
    : input_memory_(input_size),
      input_(input_memory_, proto::reply_size_max),
      tagged_(tag_max + 1),
      under_way_max_(tag_max) {}

void Pipeline::attach(Socket socket) {
    INOD_ASSERT(!connected());
    socket_ = std::move(socket);
    input_ = proto::FrameSplitter(input_memory_, proto::reply_size_max);
    output_.clear();
    output_begin_ = 0;
    queued_ = written_ = 0;
    unsent_.clear();
    passed_.clear();
    passes_descriptors_ = false;
    violated_ = false;
    loss_text_.clear();
    farewell_.reset();
}

void Pipeline::limit(std::uint32_t under_way_max) {
    under_way_max_ = under_way_max == 0 ? tag_max : std::min<std::size_t>(under_way_max, tag_max);
}

Result<std::uint16_t> Pipeline::send(const proto::Request& request, OwnedFd descriptor) {
    if (!connected()) return Errc::not_connected;
    if (descriptor && !passes_descriptors_) return Errc::descriptor_unexpected;
    if (under_way_ >= under_way_max_) return Errc::timed_out;
    proto::Request tagged = request;
    tagged.tag = free_tag();
    std::array<std::byte, proto::request_size_max> memory;
    ByteWriter out(memory);
    if (!proto::encode_request(out, tagged)) return Errc::frame_too_long;

    const std::uint64_t end = queued_ + out.size();
    if (descriptor) passed_.push_back({queued_, end, std::move(descriptor)});
    unsent_.push_back({tagged.tag, end});
    output_.insert(output_.end(), out.written().begin(), out.written().end());
    queued_ = end;
    tagged_.at(tagged.tag) = {State::waited_for, proto::operation_of(tagged.body)};
    last_tag_ = tagged.tag;
    ++under_way_;
    return tagged.tag;
}

// The first tag behind the last one used that is not under way; send() has seen that there is one.
std::uint16_t Pipeline::free_tag() {
    std::uint16_t tag = last_tag_;
    do {
        tag = tag == tag_max ? std::uint16_t{1} : static_cast<std::uint16_t>(tag + 1);
    } while (tagged_.at(tag).state != State::free);
    return tag;
}

void Pipeline::settle(std::uint16_t tag) {
    INOD_ASSERT(tagged_.at(tag).state != State::free);
    tagged_.at(tag) = {};
    --under_way_;
}

// Puts a reply aside for receive(). Its tag stays taken, and no second reply to it is accepted.
void Pipeline::keep(const proto::Reply& reply) {
    kept_.push_back(encoded(reply));
    tagged_.at(reply.tag).state = State::kept;
}

void Pipeline::keep_frames() {
    while (const auto reply = take_frame())
        keep(*reply);
}

// A kept reply, to the request with that tag or to any. Its tag is free after this.
std::optional<proto::Reply> Pipeline::take_kept(std::optional<std::uint16_t> tag) {
    const auto kept = std::find_if(kept_.begin(), kept_.end(), [tag](const auto& frame) {
        return !tag || proto::decode_header(frame).tag == *tag;
    });
    if (kept == kept_.end()) return std::nullopt;
    current_ = std::move(*kept);
    kept_.erase(kept);
    const auto reply = proto::decode_reply(current_);
    INOD_ASSERT(reply.has_value());
    settle(reply->tag);
    return *reply;
}

Result<> Pipeline::flush(Deadline deadline) {
    while (connected()) {
        write_some();
        keep_frames();
        if (!connected()) break;
        if (output_.empty()) return {};
        if (!move(deadline)) return Errc::timed_out;
    }
    return Errc::not_connected;
}

Result<proto::Reply> Pipeline::receive(Deadline deadline) {
    for (;;) {
        if (std::exchange(violated_, false)) return Errc::protocol_violation;
        if (const auto kept = take_kept(std::nullopt)) return *kept;
        if (const auto reply = take_frame()) {
            settle(reply->tag);
            return *reply;
        }
        if (violated_ || !kept_.empty()) continue;  // the connection was lost just now
        if (under_way_ == 0 || !move(deadline)) return Errc::timed_out;
    }
}

Result<proto::Reply> Pipeline::call(const proto::Request& request, Deadline deadline,
                                    OwnedFd descriptor) {
    const auto tag = send(request, std::move(descriptor));
    if (!tag) return tag.error();
    for (;;) {
        if (const auto reply = take_frame()) {
            if (reply->tag == *tag) {
                settle(*tag);
                return *reply;
            }
            keep(*reply);
        } else if (!connected()) {
            const auto kept = take_kept(*tag);
            INOD_ASSERT(kept.has_value());
            // Of what broke the connection its first victim learns, the others are in doubt.
            const bool is_answer = !is_lost(*kept);
            if (!is_answer && std::exchange(violated_, false)) return Errc::protocol_violation;
            return *kept;
        } else if (!move(deadline)) {
            tagged_.at(*tag).state = State::passed_over;
            return Errc::timed_out;
        }
    }
}

// The next reply that somebody waits for, its tag still under way. Nothing if more bytes are needed
// or the connection was lost.
std::optional<proto::Reply> Pipeline::take_frame() {
    while (connected()) {
        const auto frame = input_.next();
        if (!frame) {
            if (input_.error() != Errc::ok) violation("a frame with a size that no frame has");
            return std::nullopt;
        }
        const auto reply = proto::decode_reply(frame->bytes);
        if (reply && accept(*reply)) return *reply;
        if (reply || !connected()) continue;
        const bool unasked = frame->header.tag == 0;
        if (unasked && reply.error().code == Errc::operation_unknown) continue;
        violation("a frame that is no reply of this protocol");
    }
    return std::nullopt;
}

// Is this a reply that somebody waits for? If it is none at all the connection is closed.
bool Pipeline::accept(const proto::Reply& reply) {
    if (reply.tag == 0) {
        if (const auto* const error = std::get_if<proto::ErrorReply>(&reply.body)) {
            farewell_ = error->error;
            loss_text_ = error->text.empty() ? explanation(error->error.code) : error->text;
        }
        return false;
    }
    const Tagged tagged = tagged_.at(reply.tag);
    const bool under_way = tagged.state == State::waited_for || tagged.state == State::passed_over;
    if (!under_way || tagged.operation != reply.operation) {
        violation("a reply to a request that is not under way");
        return false;
    }
    if (tagged.state == State::passed_over) settle(reply.tag);
    return tagged.state == State::waited_for;
}

// Waits until bytes can be moved, and moves them. False if the deadline passed before.
bool Pipeline::move(Deadline deadline) {
    write_some();
    if (!connected()) return true;
    const Socket::Ready ready = socket_.wait(!output_.empty(), deadline);
    if (ready.readable) read_some();
    if (ready.writable && connected()) write_some();
    return ready.readable || ready.writable;
}

void Pipeline::write_some() {
    if (output_.empty()) return;
    const auto moved = write_piece();
    output_begin_ += moved.size;
    written_ += moved.size;
    while (!unsent_.empty() && unsent_.front().end <= written_)
        unsent_.pop_front();
    // What was sent makes room, also where there always is more to send.
    if (output_begin_ > output_.size() / 2) {
        output_.erase(output_.begin(),
                      output_.begin() + static_cast<std::ptrdiff_t>(output_begin_));
        output_begin_ = 0;
    }
    if (!moved.ended) return;
    // What the daemon said before it closed is still to be read.
    while (connected() && socket_.wait(false, Deadline{}).readable)
        read_some();
    if (connected()) lost(moved.error);
}

// One write of what is queued: up to a frame with a descriptor, or of just that frame.
Socket::Moved Pipeline::write_piece() {
    const auto bytes = std::span<const std::byte>(output_).subspan(output_begin_);
    if (passed_.empty()) return socket_.write(bytes);
    const Passed& next = passed_.front();
    if (written_ < next.begin) return socket_.write(bytes.first(next.begin - written_));
    const auto moved = socket_.write(bytes.first(next.end - next.begin), next.descriptor.get());
    if (moved.size > 0) passed_.pop_front();
    return moved;
}

void Pipeline::read_some() {
    // Makes room, too: one frame always fits beside the bytes of the next.
    if (input_.prepare().empty()) keep_frames();
    if (!connected()) return;
    const auto moved = socket_.read(input_.prepare());
    input_.received(moved.size);
    if (moved.ended) lost(moved.error);
}

// The connection is gone: whole replies that came before count, the rest comes back by itself.
void Pipeline::lost(int error) {
    keep_frames();
    if (!connected()) return;  // one of them was no reply
    if (loss_text_.empty()) {
        loss_text_ = error == 0 ? "the daemon closed the connection"
                                : "the connection broke: " + std::generic_category().message(error);
    }
    give_up();
}

void Pipeline::violation(std::string text) {
    if (!connected()) return;
    loss_text_ = std::move(text);
    violated_ = true;
    give_up();
}

void Pipeline::close() {
    if (connected()) give_up();
}

void Pipeline::give_up() {
    socket_.close();
    std::vector<bool> is_unsent(tag_max + 1);
    for (const Unsent& unsent : unsent_)
        is_unsent.at(unsent.tag) = true;
    for (std::size_t i = 1; i <= tag_max && under_way_ > 0; ++i) {
        const auto tag = static_cast<std::uint16_t>(i);
        const Tagged tagged = tagged_.at(tag);
        if (tagged.state == State::passed_over) settle(tag);
        if (tagged.state != State::waited_for) continue;
        const Errc code = is_unsent.at(tag) ? Errc::not_connected : Errc::in_doubt;
        keep({tagged.operation, tag, proto::ErrorReply{Error(code), loss_text_}});
    }
    unsent_.clear();
    passed_.clear();
    output_.clear();
    output_begin_ = 0;
}

}  // namespace inod
