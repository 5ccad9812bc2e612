#include "lib/client/pipeline.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "lib/base/assert.h"

namespace inod {
namespace {

constexpr std::size_t tag_max = 65'535;
constexpr std::size_t tags_at_first = 255;
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

// Is the outcome the same, asked once or twice? A token sees to it, and so does what changes nothing.
bool is_repeatable(std::span<const std::byte> frame) {
    const proto::FrameHeader header = proto::decode_header(frame);
    switch (header.operation) {
        // The one extension that we send is the token.
        case proto::Operation::allocate:
        case proto::Operation::allocate_at: return (header.flags & proto::flag_extensions) != 0;
        case proto::Operation::ping:
        case proto::Operation::lookup:
        case proto::Operation::lookup_levels:
        case proto::Operation::next:
        case proto::Operation::list:
        case proto::Operation::pools:
        case proto::Operation::stats:
        case proto::Operation::holders:
        case proto::Operation::renew:
        case proto::Operation::wait:
        case proto::Operation::watch:
        case proto::Operation::token_epoch: return true;
        default: return false;
    }
}

}  // namespace

Pipeline::Pipeline()
    : input_memory_(input_size),
      input_(input_memory_, proto::reply_size_max),
      tagged_(tags_at_first + 1),
      under_way_max_(tag_max) {}

void Pipeline::attach(Socket socket) {
    INOD_ASSERT(!connected());
    socket_ = std::move(socket);
    input_ = proto::FrameSplitter(input_memory_, proto::reply_size_max);
    forget_output();
    passes_descriptors_ = false;
    resumes_ = false;
    is_left_ = false;
    violated_ = false;
    loss_text_.clear();
    farewell_.reset();
}

void Pipeline::limit(std::uint32_t under_way_max) {
    under_way_max_ = under_way_max == 0 ? tag_max : std::min<std::size_t>(under_way_max, tag_max);
}

Result<std::uint16_t> Pipeline::send(const proto::Request& request, OwnedFd descriptor) {
    return take(request, std::move(descriptor), false);
}

Result<std::uint16_t> Pipeline::take(const proto::Request& request, OwnedFd descriptor,
                                     bool is_of_greeting) {
    if (!connected()) return Errc::not_connected;
    if (descriptor && !passes_descriptors_) return Errc::descriptor_unexpected;
    if (under_way_ >= under_way_max_) return Errc::timed_out;
    proto::Request tagged = request;
    tagged.tag = free_tag();
    std::array<std::byte, proto::request_size_max> memory;
    ByteWriter out(memory);
    if (!proto::encode_request(out, tagged)) return Errc::frame_too_long;

    if (!is_of_greeting) unanswered_.add(tagged.tag, out.written());
    if (descriptor) descriptors_.emplace(tagged.tag, std::move(descriptor));
    const bool waits = !is_of_greeting && is_resumed();
    if (!waits) queue(tagged.tag, out.written());
    tagged_.at(tagged.tag) = {.state = State::waited_for,
                              .operation = proto::operation_of(tagged.body)};
    last_tag_ = tagged.tag;
    ++under_way_;
    return tagged.tag;
}

void Pipeline::queue(std::uint16_t tag, std::span<const std::byte> frame) {
    unsent_.push_back({.tag = tag, .begin = queued_, .end = queued_ + frame.size()});
    output_.insert(output_.end(), frame.begin(), frame.end());
    queued_ += frame.size();
}

// What was queued to be written is not, and nothing was.
void Pipeline::forget_output() {
    output_.clear();
    output_begin_ = 0;
    queued_ = written_ = 0;
    unsent_.clear();
}

// The first tag behind the last one used that is not under way; take() has seen that there is one. A tag comes back
// soon only where many are in use.
std::uint16_t Pipeline::free_tag() {
    if (under_way_ * 2 >= tagged_.size()) tagged_.resize(std::min(tagged_.size() * 2, tag_max + 1));
    std::size_t tag = last_tag_;
    do {
        tag = tag + 1 < tagged_.size() ? tag + 1 : 1;
    } while (tagged_[tag].state != State::free);
    return static_cast<std::uint16_t>(tag);
}

void Pipeline::settle(std::uint16_t tag) {
    INOD_ASSERT(tagged_.at(tag).state != State::free);
    tagged_.at(tag) = {};
    --under_way_;
}

// There is an answer: nothing is to be asked again.
void Pipeline::answered(std::uint16_t tag) {
    unanswered_.remove(tag);
    if (!descriptors_.empty()) descriptors_.erase(tag);
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
        if (is_resumed()) return Errc::not_connected;
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
        if (is_resumed()) return Errc::not_connected;
        if (under_way_ == 0 || !move(deadline)) return Errc::timed_out;
    }
}

Result<proto::Reply> Pipeline::ask(const proto::Request& request, Deadline deadline,
                                   OwnedFd descriptor) {
    const auto tag = take(request, std::move(descriptor), true);
    if (!tag) return tag.error();
    return await(*tag, deadline);
}

Result<proto::Reply> Pipeline::await(std::uint16_t tag, Deadline deadline) {
    for (;;) {
        if (tagged_.at(tag).state == State::kept) {
            const auto kept = take_kept(tag);
            // Of what broke the connection its first victim learns, the others are in doubt.
            const bool is_answer = !is_lost(*kept);
            if (!is_answer && std::exchange(violated_, false)) return Errc::protocol_violation;
            return *kept;
        }
        if (const auto reply = take_frame()) {
            if (reply->tag == tag) {
                settle(tag);
                return *reply;
            }
            keep(*reply);
        } else if (tagged_.at(tag).state == State::kept) {
            continue;  // the connection was lost just now, or is another daemon's
        } else if (is_resumed()) {
            return Errc::not_connected;
        } else if (!move(deadline)) {
            tagged_.at(tag).state = State::passed_over;
            return Errc::timed_out;
        }
    }
}

std::optional<proto::Frame> Pipeline::next_frame() {
    const auto frame = input_.next();
    if (!frame && input_.error() != Errc::ok) violation("a frame with a size that no frame has");
    return frame;
}

// The next reply that somebody waits for, its tag still under way. Nothing if more bytes are needed
// or the connection was lost, or is another daemon's now.
std::optional<proto::Reply> Pipeline::take_frame() {
    while (connected()) {
        const auto frame = next_frame();
        if (!frame) return std::nullopt;
        if (resumes_ && frame->header.operation == proto::Operation::resume) {
            on_resumed(*frame);
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
            is_left_ = resumes_ && error->error.code == Errc::shutting_down;
        }
        return false;
    }
    const Tagged tagged = reply.tag < tagged_.size() ? tagged_[reply.tag] : Tagged();
    const bool under_way = tagged.state == State::waited_for || tagged.state == State::passed_over;
    if (!under_way || tagged.operation != reply.operation) {
        violation("a reply to a request that is not under way");
        return false;
    }
    answered(reply.tag);
    if (tagged.state == State::passed_over) settle(reply.tag);
    return tagged.state == State::waited_for;
}

// Sorts what the daemon before left unanswered: what comes back now, and what is asked again.
void Pipeline::on_resumed(const proto::Frame& frame) {
    const auto resumed = proto::decode_resumed(frame);
    if (!resumed) {
        violation("a frame that is no word of another daemon's");
        return;
    }
    const bool is_in_doubt = resumed->unanswered == proto::Unanswered::in_doubt;
    for (std::size_t i = 1; i < tagged_.size(); ++i) {
        const auto tag = static_cast<std::uint16_t>(i);
        Tagged& tagged = tagged_[tag];
        if (tagged.state == State::passed_over) {
            answered(tag);
            settle(tag);
        } else if (tagged.state != State::waited_for) {
            continue;
        } else if (!unanswered_.has(tag)) {
            come_back(tag, Errc::not_connected, "another daemon has the connection");
        } else if (!is_in_doubt) {
            tagged.may_be_done = false;
        } else if (tagged.may_be_done && !is_repeatable(unanswered_.frame(tag))) {
            come_back(tag, Errc::in_doubt, "the daemon ended before it replied");
        } else {
            tagged.is_in_doubt = tagged.is_in_doubt || tagged.may_be_done;
        }
    }
    forget_output();
    resumed_ = *resumed;
    is_left_ = false;
    farewell_.reset();
    loss_text_.clear();
}

void Pipeline::begin_greeting() {
    INOD_ASSERT(is_resumed());
    const auto frame = proto::encode_resume(resumed_->mark);
    forget_output();
    output_.assign(frame.begin(), frame.end());
    queued_ = frame.size();
    resumed_.reset();
}

void Pipeline::end_greeting() {
    for (const std::uint16_t tag : unanswered_.tags())
        queue(tag, unanswered_.frame(tag));
}

// Without an answer of the daemon.
void Pipeline::come_back(std::uint16_t tag, Errc code, std::string_view text) {
    answered(tag);
    keep({tagged_.at(tag).operation, tag, proto::ErrorReply{Error(code), text}});
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
    for (; !unsent_.empty() && unsent_.front().end <= written_; unsent_.pop_front())
        tagged_.at(unsent_.front().tag).may_be_done = true;
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
    if (descriptors_.empty()) return socket_.write(bytes);
    const auto next = std::find_if(unsent_.begin(), unsent_.end(), [this](const Unsent& unsent) {
        return unsent.begin >= written_ && descriptors_.contains(unsent.tag);
    });
    if (next == unsent_.end()) return socket_.write(bytes);
    if (written_ < next->begin) return socket_.write(bytes.first(next->begin - written_));
    return socket_.write(bytes.first(next->end - next->begin), descriptors_.at(next->tag).get());
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
    for (std::size_t i = 1; i < tagged_.size() && under_way_ > 0; ++i) {
        const auto tag = static_cast<std::uint16_t>(i);
        const Tagged tagged = tagged_[tag];
        if (tagged.state == State::passed_over) {
            answered(tag);
            settle(tag);
        } else if (tagged.state == State::waited_for) {
            const bool is_in_doubt = tagged.is_in_doubt || (tagged.may_be_done && !is_left_);
            come_back(tag, is_in_doubt ? Errc::in_doubt : Errc::not_connected, loss_text_);
        }
    }
    forget_output();
    resumed_.reset();
}

}  // namespace inod
