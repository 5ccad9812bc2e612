#include "tests/fuzz/session_client.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <string_view>

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/assert.h"
#include "tests/base/send_descriptors.h"

namespace inod::daemon {
namespace {

using proto::Operation;

constexpr std::size_t descriptors_max = 3;

bool waits(Operation operation) {
    return operation == Operation::wait || operation == Operation::watch;
}

// Does the daemon close behind this refusal?
bool ends_connection(Errc code) {
    return code == Errc::frame_malformed || code == Errc::frame_too_long ||
           code == Errc::hello_required || code == Errc::version_unsupported;
}

void trace(std::string_view what, const proto::FrameHeader& header) {
    if (!wants_trace()) return;
    std::cerr << "  " << what << ' ' << proto::name(header.operation) << " tag " << header.tag
              << ' ' << (header.is_reply() ? name(header.code()) : std::to_string(header.pool))
              << ", " << header.size << " B\n";
}

// sendmsg(2) of these bytes with these descriptors.
ssize_t send_message(int socket, std::span<const std::byte> bytes,
                     const std::vector<OwnedFd>& descriptors) {
    std::array<int, descriptors_max> numbers{};
    std::transform(descriptors.begin(), descriptors.end(), numbers.begin(),
                   [](const OwnedFd& descriptor) { return descriptor.get(); });
    return send_descriptors(socket, bytes, std::span(numbers).first(descriptors.size()),
                            MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

bool wants_trace() {
    static const bool wanted = std::getenv("INOD_FUZZ_TRACE") != nullptr;  // NOLINT
    return wanted;
}

SessionClient::SessionClient(OwnedFd socket, Learnt& learnt)
    : socket_(std::move(socket)),
      learnt_(learnt),
      sent_(sent_memory_, proto::request_size_max),
      input_memory_(proto::reply_size_max),
      input_(input_memory_, proto::reply_size_max) {}

void SessionClient::put(std::span<const std::byte> bytes) {
    out_.insert(out_.end(), bytes.begin(), bytes.end());
}

void SessionClient::pass_descriptors(std::size_t count, bool are_pidfds) {
    descriptors_.clear();
    for (std::size_t i = 0; i < std::min(count, descriptors_max); ++i) {
        const long made =
            are_pidfds ? syscall(SYS_pidfd_open, getpid(), 0) : eventfd(0, EFD_CLOEXEC);
        INOD_ASSERT(made >= 0);
        descriptors_.emplace_back(static_cast<int>(made));
    }
}

bool SessionClient::send(std::size_t size) {
    const std::span<const std::byte> bytes = std::span(out_).first(std::min(size, out_.size()));
    if (bytes.empty() || !is_sending_ || is_broken_) return false;
    const ssize_t sent = send_message(socket_.get(), bytes, descriptors_);
    if (sent < 0) {
        INOD_ASSERT(errno == EAGAIN || errno == EPIPE || errno == ECONNRESET ||
                    errno == ETOOMANYREFS);
        is_broken_ = errno != EAGAIN;
        return false;
    }
    if (!descriptors_.empty()) ++sets_sent_;
    descriptors_.clear();
    count_requests(bytes.first(static_cast<std::size_t>(sent)));
    out_.erase(out_.begin(), out_.begin() + sent);
    return true;
}

void SessionClient::count_requests(std::span<const std::byte> sent) {
    while (!sent.empty() && sent_.error() == Errc::ok) {
        const auto room = sent_.prepare();
        const auto piece = sent.first(std::min(room.size(), sent.size()));
        std::copy(piece.begin(), piece.end(), room.begin());
        sent_.received(piece.size());
        sent = sent.subspan(piece.size());
        while (const auto frame = sent_.next()) {
            trace("asks", frame->header);
            ++asked_[{frame->header.operation, frame->header.tag}];
        }
    }
}

bool SessionClient::receive(std::size_t size) {
    if (has_ended_ || size == 0) return false;
    const auto room = input_.prepare();
    const ssize_t got = recv(socket_.get(), room.data(), std::min(size, room.size()), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return false;
    INOD_ASSERT(got >= 0 || errno == ECONNRESET);
    if (got <= 0) {
        has_ended_ = true;
        is_broken_ = is_broken_ || got < 0;
        // The daemon's end closes between two frames, but for a client that does not read.
        return true;
    }
    input_.received(static_cast<std::size_t>(got));
    while (const auto frame = input_.next())
        take(*frame);
    INOD_ASSERT(input_.error() == Errc::ok);
    return true;
}

// Each answers a request that has none, or is the one that none was asked for.
void SessionClient::take(const proto::Frame& frame) {
    trace("is told", frame.header);
    INOD_ASSERT(frame.header.is_reply());
    const auto reply = proto::decode_reply(frame.bytes);
    INOD_ASSERT(reply.has_value());
    const Errc code = frame.header.code();
    // A request may have that operation and tag, too, but is answered otherwise.
    const bool tells_of_the_end = frame.header.operation == Operation::none &&
                                  frame.header.tag == 0 &&
                                  (code == Errc::frame_malformed || code == Errc::frame_too_long ||
                                   code == Errc::shutting_down || code == Errc::journal_sealed);
    if (tells_of_the_end) {
        INOD_ASSERT(!std::exchange(is_refused_unasked_, true));
    } else {
        const auto asked = asked_.find({frame.header.operation, frame.header.tag});
        INOD_ASSERT(asked != asked_.end() && asked->second > 0);
        --asked->second;
    }
    if (code == Errc::descriptor_unexpected) ++sets_refused_;
    INOD_ASSERT(sets_refused_ <= sets_sent_);
    is_refused_ = is_refused_ || is_refused_unasked_ || ends_connection(code);
    learn(*reply);
}

void SessionClient::learn(const proto::Reply& reply) {
    if (const auto* const lease = std::get_if<proto::LeaseReply>(&reply.body)) {
        learnt_.last_lease = lease->range;
        learnt_.last_generation = lease->generation;
    } else if (const auto* const bind = std::get_if<proto::BindReply>(&reply.body)) {
        learnt_.last_holder = bind->holder;
        learnt_.last_key = bind->key;
    } else if (const auto* const hello = std::get_if<proto::HelloReply>(&reply.body)) {
        learnt_.token_epoch = hello->token_epoch;
    } else if (const auto* const epoch = std::get_if<proto::EpochReply>(&reply.body)) {
        learnt_.token_epoch = epoch->epoch;
    } else if (const auto* const watch = std::get_if<proto::WatchReply>(&reply.body)) {
        learnt_.last_lsn = watch->next;
    }
}

void SessionClient::finish_sending() {
    is_sending_ = false;
    shutdown(socket_.get(), SHUT_WR);
}

std::size_t SessionClient::unanswered(bool of_long_ones) const {
    std::size_t count = 0;
    for (const auto& [key, requests] : asked_) {
        if (waits(key.first) == of_long_ones) count += requests;
    }
    return count;
}

}  // namespace inod::daemon
