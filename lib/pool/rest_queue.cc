#include "lib/pool/rest_queue.h"

#include <algorithm>
#include <new>

namespace inod {

RestQueue::RestQueue(MemoryBudget& budget, NodeMemory& memory) noexcept
    : reserve_(budget, memory, Chunk::size) {}

// Chunks, beside the last one's room, for so many pieces.
std::uint64_t RestQueue::chunks_for(std::uint64_t pieces) const noexcept {
    const std::uint64_t more = pieces - std::min<std::uint64_t>(pieces, pieces_.room());
    return more / Chunk::capacity + (more % Chunk::capacity != 0 ? 1 : 0);
}

Result<> RestQueue::fill(GuardRef guard, std::uint64_t count) {
    for (;;) {
        if (count > UINT64_MAX - promised_) return Errc::out_of_memory;
        const std::uint64_t wanted = chunks_for(promised_ + count);
        if (reserve_.size() >= wanted) return {};
        if (!guard.may_drop()) return Errc::out_of_memory;
        NodeReserve::Batch batch(reserve_);
        if (auto claimed = batch.claim(wanted - reserve_.size()); !claimed) return claimed;
        guard.unlock();
        const auto filled = batch.fill();
        guard.lock();
        if (!filled) return filled;
        batch.add();
    }
}

void RestQueue::promise(std::uint64_t count) noexcept {
    promised_ += count;
    INOD_ASSERT(room() >= promised_ && promised_ >= count);
}

void RestQueue::redeem(std::uint64_t count) noexcept {
    INOD_ASSERT(promised_ >= count);
    promised_ -= count;
}

void RestQueue::push(Range range, std::uint64_t until) noexcept {
    INOD_ASSERT(range.first <= range.last && until <= forever);
    if (joins_newest(range, until)) return;
    for (;;) {
        const Range part{range.first, range.first + std::min(range.span(), span_mask)};
        pieces_.push(packed(part, until), reserve_);
        if (part.last == range.last) return;
        range.first = part.last + 1;
    }
}

// Makes it a part of the newest piece, if it can be one.
bool RestQueue::joins_newest(Range range, std::uint64_t until) noexcept {
    if (is_empty()) return false;
    const Piece newest = unpacked(pieces_.back());
    const bool is_behind = newest.range.last < range.first && range.first - newest.range.last == 1;
    const bool is_below = range.last < newest.range.first && newest.range.first - range.last == 1;
    if (newest.until != until || (!is_behind && !is_below)) return false;
    const Range both =
        is_behind ? Range{newest.range.first, range.last} : Range{range.first, newest.range.last};
    if (both.span() > span_mask) return false;
    pieces_.back() = packed(both, until);
    return true;
}

RestQueue::Piece RestQueue::oldest() const noexcept {
    INOD_ASSERT(!is_empty());
    return unpacked(pieces_.front());
}

std::uint64_t RestQueue::newest_until() const noexcept {
    INOD_ASSERT(!is_empty());
    return unpacked(pieces_.back()).until;
}

void RestQueue::pop() noexcept {
    INOD_ASSERT(!is_empty());
    pieces_.pop(reserve_);
}

void RestQueue::Chain::push(Packed piece, NodeReserve& reserve) noexcept {
    if (room() == 0) {
        const NodeReserve::Taken taken = reserve.take();
        auto* const chunk = new (taken.node) Chunk;
        chunk->next = nullptr;
        chunk->place = taken.place;
        (tail != nullptr ? tail->next : head) = chunk;
        tail = chunk;
        end = 0;
    }
    tail->pieces[end++] = piece;
    ++count;
}

void RestQueue::Chain::pop(NodeReserve& reserve) noexcept {
    --count;
    if (++begin < end_in(*head)) return;
    Chunk* const chunk = std::exchange(head, head->next);
    if (head == nullptr) tail = nullptr;
    begin = 0;
    reserve.give(chunk, chunk->place);
}

// Takes the first chunk out, with what it has.
RestQueue::Chain RestQueue::Chain::split_chunk() noexcept {
    Chain first{.head = head, .tail = head, .begin = begin, .end = end_in(*head)};
    first.count = first.end - first.begin;
    head = std::exchange(head->next, nullptr);
    if (head == nullptr) tail = nullptr;
    begin = 0;
    count -= first.count;
    return first;
}

bool RestQueue::is_before(const Packed& a, const Packed& b) noexcept {
    const std::uint64_t a_until = a.until_and_span / piece_count_max;
    const std::uint64_t b_until = b.until_and_span / piece_count_max;
    return a_until != b_until ? a_until < b_until : a.first < b.first;
}

// Two chains in order, as one. Takes two chunks at most that it does not get from them: they give
// back a chunk when all of it is taken, and the new one begins a chunk with its first piece.
RestQueue::Chain RestQueue::merged(Chain a, Chain b) noexcept {
    Chain all;
    while (!a.is_empty() || !b.is_empty()) {
        const bool from_b = a.is_empty() || (!b.is_empty() && is_before(b.front(), a.front()));
        Chain& from = from_b ? b : a;
        const Packed piece = from.front();
        from.pop(reserve_);
        all.push(piece, reserve_);
    }
    return all;
}

// Merges chunks, then chains of two, and so on: in bin i wait chains of 2^i chunks.
Result<> RestQueue::sort() noexcept {
    NoGuard nobody_else;
    // Two whole chunks; the room may begin with a part of one.
    constexpr std::uint64_t spare = 3 * std::uint64_t{Chunk::capacity};
    if (auto room = prepare(nobody_else, spare); !room) return room;
    std::array<Chain, 64> bins{};
    while (!pieces_.is_empty()) {
        Chain chain = pieces_.split_chunk();
        std::sort(chain.head->pieces.begin() + chain.begin, chain.head->pieces.begin() + chain.end,
                  is_before);
        std::size_t bin = 0;
        for (; !bins[bin].is_empty(); ++bin)
            chain = merged(std::exchange(bins[bin], {}), chain);
        bins[bin] = chain;
    }
    for (const Chain& chain : bins)
        if (!chain.is_empty()) pieces_ = merged(chain, pieces_);
    return {};
}

void RestQueue::trim() noexcept {
    constexpr std::uint64_t spare = 4 * NodeReserve::nodes_per_slab;
    const std::uint64_t wanted = chunks_for(promised_);
    if (reserve_.size() / 2 > wanted + spare) reserve_.trim(wanted + wanted / 2 + spare);
}

std::optional<std::string> RestQueue::verify() const {
    std::uint64_t count = 0;
    std::uint64_t until = 0;
    bool in_order = true;
    for_each([&](const Piece& piece) {
        ++count;
        in_order = in_order && piece.until >= until;
        until = piece.until;
    });
    if (count != pieces_.count) {
        return "the queue counts " + std::to_string(pieces_.count) + " pieces and has " +
               std::to_string(count);
    }
    if (!in_order) return "a rest in the queue ends before an older one";
    if (room() < promised_) {
        return "the queue has room for " + std::to_string(room()) + " pieces and has promised " +
               std::to_string(promised_);
    }
    return std::nullopt;
}

}  // namespace inod
