// The replies of one session on their way out: those that may be sent, and those that wait until
// what they tell is on stable storage. A reply that waits does not hold up one that does not.
//
// It has little memory itself, and borrows more. A request is decided only when has_room() says that its
// reply fits, whichever way it goes.
//
// Thread safety: none of its own; it belongs to its session.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lib/base/bytes.h"
#include "lib/journal/journal.h"
#include "proto/frame.h"

namespace inod::daemon {

class Outbox {
public:
    // Bytes for replies of each kind that it has itself.
    static constexpr std::size_t own_size = 256;

    Outbox() = default;
    Outbox(const Outbox&) = delete;
    Outbox& operator=(const Outbox&) = delete;
    ~Outbox() = default;

    // What is there moves into this memory, which is of one size and larger than its own; and back.
    void borrow(std::span<std::byte> for_ready, std::span<std::byte> for_waiting) noexcept;
    [[nodiscard]] bool can_give_back() const noexcept;
    void give_back() noexcept;

    // Is there room for a reply of this size? As long as it has only its own memory there never is for
    // one that is larger than that.
    [[nodiscard]] bool has_room(std::size_t size = proto::reply_size_max) const noexcept {
        return ready_.has_room(size) && waiting_.has_room(size);
    }

    // Where a reply is encoded that waits for this LSN, 0 for one that does not; add() takes what
    // was written there. Requires has_room(), and that the reply is no larger.
    [[nodiscard]] std::span<std::byte> space(Lsn wait_for) noexcept;
    void add(std::size_t size, Lsn wait_for) noexcept;

    // All up to here is durable: replies that waited for no more may be sent.
    void settle(Lsn durable_lsn) noexcept;

    // What may be sent now; sent() says how much of it was.
    [[nodiscard]] std::span<const std::byte> ready() const noexcept;
    void sent(std::size_t size) noexcept;

    // What the first waiting reply waits for, 0 if none waits. At least the LSN that it was added
    // with: past a number of different LSNs, replies wait together for the latest of theirs.
    [[nodiscard]] Lsn waits_for() const noexcept;
    [[nodiscard]] bool empty() const noexcept;

private:
    // Bytes in a row: filled at the end, used up from the front, moved to the start when needed.
    class Buffer {
    public:
        void move_to(std::span<std::byte> memory) noexcept;
        void move_back() noexcept { move_to(own_); }
        [[nodiscard]] bool has_room(std::size_t size) const noexcept {
            return memory_.size() - (end_ - begin_) >= size;
        }
        [[nodiscard]] std::span<std::byte> space() noexcept;
        void add(std::size_t size) noexcept { end_ += size; }
        [[nodiscard]] std::span<const std::byte> content() const noexcept;
        void drop(std::size_t size) noexcept;

    private:
        std::array<std::byte, own_size> own_;
        std::span<std::byte> memory_{own_};
        std::size_t begin_ = 0;
        std::size_t end_ = 0;
    };

    // Groups that may be under way at once, as far as one session tells them apart; when there are
    // more, the newest share a watermark.
    static constexpr std::size_t watermarks_max = 16;

    // The replies in waiting_ up to byte `end`, counted from the session's start, wait for `lsn`.
    struct Watermark {
        Lsn lsn;
        std::uint64_t end;
    };

    Buffer ready_;
    Buffer waiting_;
    std::uint64_t waiting_begin_ = 0;  // where the content of waiting_ begins, counted likewise
    std::uint64_t waiting_end_ = 0;
    std::array<Watermark, watermarks_max> watermarks_{};  // a ring
    std::size_t first_watermark_ = 0;
    std::size_t watermark_count_ = 0;
};

}  // namespace inod::daemon
