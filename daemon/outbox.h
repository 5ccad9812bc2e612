// The replies of one session on their way out: those that may be sent, and those that wait until
// what they tell is on stable storage. A reply that waits does not hold up one that does not.
//
// The memory is taken once. A request is decided only when has_room() says that its reply fits,
// whichever way it goes.
//
// Thread safety: none of its own; it belongs to its session.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "lib/base/bytes.h"
#include "lib/journal/journal.h"
#include "proto/frame.h"

namespace inod::daemon {

class Outbox {
public:
    Outbox();

    // Bytes that an outbox takes.
    static std::size_t memory_size() noexcept;

    // Is there room for a reply of the largest size?
    [[nodiscard]] bool has_room() const noexcept;

    // Where a reply is encoded that waits for this LSN, 0 for one that does not; add() takes what
    // was written there. Requires has_room().
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
        Buffer();
        [[nodiscard]] bool has_room(std::size_t size) const noexcept;
        [[nodiscard]] std::span<std::byte> space() noexcept;
        void add(std::size_t size) noexcept { end_ += size; }
        [[nodiscard]] std::span<const std::byte> content() const noexcept;
        void drop(std::size_t size) noexcept;

    private:
        std::unique_ptr<std::byte[]> memory_;
        std::size_t begin_ = 0;
        std::size_t end_ = 0;
    };

    // The replies in waiting_ up to byte `end`, counted from the session's start, wait for `lsn`.
    struct Watermark {
        Lsn lsn;
        std::uint64_t end;
    };

    Buffer ready_;
    Buffer waiting_;
    std::uint64_t waiting_begin_ = 0;  // where the content of waiting_ begins, counted likewise
    std::uint64_t waiting_end_ = 0;
    std::unique_ptr<Watermark[]> watermarks_;  // a ring
    std::size_t first_watermark_ = 0;
    std::size_t watermark_count_ = 0;
};

}  // namespace inod::daemon
