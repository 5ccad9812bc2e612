#include "daemon/outbox.h"

#include <algorithm>
#include <cstring>

#include "lib/base/assert.h"

namespace inod::daemon {

void Outbox::Buffer::move_to(std::span<std::byte> memory) noexcept {
    const auto there = content();
    INOD_ASSERT(there.size() <= memory.size());
    std::memcpy(memory.data(), there.data(), there.size());
    memory_ = memory;
    begin_ = 0;
    end_ = there.size();
}

std::span<std::byte> Outbox::Buffer::space() noexcept {
    if (begin_ > 0 && memory_.size() - end_ < std::min(memory_.size(), proto::reply_size_max)) {
        std::memmove(memory_.data(), memory_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    return memory_.subspan(end_);
}

std::span<const std::byte> Outbox::Buffer::content() const noexcept {
    return memory_.subspan(begin_, end_ - begin_);
}

void Outbox::Buffer::drop(std::size_t size) noexcept {
    INOD_ASSERT(size <= end_ - begin_);
    begin_ += size;
    if (begin_ == end_) begin_ = end_ = 0;
}

void Outbox::borrow(std::span<std::byte> for_ready, std::span<std::byte> for_waiting) noexcept {
    INOD_ASSERT(for_ready.size() == for_waiting.size());
    ready_.move_to(for_ready);
    waiting_.move_to(for_waiting);
}

bool Outbox::can_give_back() const noexcept {
    return ready_.content().size() <= own_size && waiting_.content().size() <= own_size;
}

void Outbox::give_back() noexcept {
    ready_.move_back();
    waiting_.move_back();
}

std::span<std::byte> Outbox::space(Lsn wait_for) noexcept {
    return (wait_for == 0 ? ready_ : waiting_).space();
}

void Outbox::add(std::size_t size, Lsn wait_for) noexcept {
    if (wait_for == 0) {
        ready_.add(size);
        return;
    }
    waiting_.add(size);
    waiting_end_ += size;
    if (watermark_count_ > 0) {
        Watermark& newest = watermarks_[(first_watermark_ + watermark_count_ - 1) % watermarks_max];
        if (newest.lsn >= wait_for || watermark_count_ == watermarks_max) {
            newest = {.lsn = std::max(newest.lsn, wait_for), .end = waiting_end_};
            return;
        }
    }
    watermarks_[(first_watermark_ + watermark_count_) % watermarks_max] = {.lsn = wait_for,
                                                                           .end = waiting_end_};
    ++watermark_count_;
}

void Outbox::settle(Lsn durable_lsn) noexcept {
    while (watermark_count_ > 0 && watermarks_[first_watermark_].lsn <= durable_lsn) {
        const Watermark& oldest = watermarks_[first_watermark_];
        const auto size = static_cast<std::size_t>(oldest.end - waiting_begin_);
        // A client that does not read its replies keeps them here until it does.
        if (!ready_.has_room(size)) return;
        const auto bytes = waiting_.content().first(size);
        auto to = ready_.space();
        if (to.size() < size) return;
        std::memcpy(to.data(), bytes.data(), size);
        ready_.add(size);
        waiting_.drop(size);
        waiting_begin_ += size;
        first_watermark_ = (first_watermark_ + 1) % watermarks_max;
        --watermark_count_;
    }
}

std::span<const std::byte> Outbox::ready() const noexcept {
    return ready_.content();
}

void Outbox::sent(std::size_t size) noexcept {
    ready_.drop(size);
}

Lsn Outbox::waits_for() const noexcept {
    return watermark_count_ > 0 ? watermarks_[first_watermark_].lsn : 0;
}

bool Outbox::empty() const noexcept {
    return ready_.content().empty() && watermark_count_ == 0;
}

}  // namespace inod::daemon
