// A client's end of a session: sends whatever bytes it is given, in whatever pieces, and checks each reply
// that comes back. A broken promise ends the process.
//
// Thread safety: none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "lib/base/owned_fd.h"
#include "proto/frame.h"
#include "proto/reply.h"

namespace inod::daemon {

// What replies told, of all clients: for requests to come.
struct Learnt {
    Range last_lease{};
    std::uint64_t last_generation = 0;
    std::uint64_t last_holder = 0;
    proto::HolderKey last_key{};
    std::uint64_t token_epoch = 0;
    std::uint64_t last_lsn = 0;
};

class SessionClient {
public:
    SessionClient(OwnedFd socket, Learnt& learnt);

    // These bytes are sent behind those that are still to be sent.
    void put(std::span<const std::byte> bytes);
    // Descriptors that go with the next byte that is sent: pidfds of this process, or something else.
    void pass_descriptors(std::size_t count, bool are_pidfds);
    // As many bytes as the socket takes, and no more than `size`. True if any were.
    bool send(std::size_t size);
    // Replies, at most `size` bytes. True if any came, or their end.
    bool receive(std::size_t size);
    void finish_sending();

    [[nodiscard]] bool has_ended() const { return has_ended_; }
    [[nodiscard]] bool has_more_to_send() const { return !out_.empty() && !is_broken_; }
    [[nodiscard]] bool has_asked() const { return !asked_.empty(); }
    // Would what is sent next be the beginning of a frame?
    [[nodiscard]] bool is_in_step() const {
        return sent_.error() == Errc::ok && sent_.pending() == 0 && out_.empty();
    }
    [[nodiscard]] bool is_sending() const { return is_sending_; }
    // Requests that had no reply: those that may wait for ever, and others.
    [[nodiscard]] std::size_t long_unanswered() const { return unanswered(true); }
    [[nodiscard]] std::size_t others_unanswered() const { return unanswered(false); }
    // A reply said that nothing more is answered.
    [[nodiscard]] bool is_refused() const { return is_refused_; }
    // Not all that was sent was read.
    [[nodiscard]] bool is_broken() const { return is_broken_; }

private:
    using Key = std::pair<proto::Operation, std::uint16_t>;  // with the tag

    void count_requests(std::span<const std::byte> sent);
    void take(const proto::Frame& frame);
    void learn(const proto::Reply& reply);
    [[nodiscard]] std::size_t unanswered(bool of_long_ones) const;

    OwnedFd socket_;
    Learnt& learnt_;
    std::vector<std::byte> out_;
    std::vector<OwnedFd> descriptors_;
    std::size_t sets_sent_ = 0;     // of descriptors
    std::size_t sets_refused_ = 0;  // each with one request at most
    // As the daemon sees what was sent.
    std::array<std::byte, proto::request_size_max> sent_memory_{};
    proto::FrameSplitter sent_;
    std::map<Key, std::size_t> asked_;  // and not answered
    std::vector<std::byte> input_memory_;
    proto::FrameSplitter input_;
    bool is_sending_ = true;
    bool has_ended_ = false;
    bool is_refused_ = false;
    bool is_refused_unasked_ = false;
    bool is_broken_ = false;
};

// Is INOD_FUZZ_TRACE=1?
bool wants_trace();

}  // namespace inod::daemon
