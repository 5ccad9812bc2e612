#include "daemon/turns.h"

#include <algorithm>
#include <utility>

#include "lib/base/assert.h"

namespace inod::daemon {

Turns::User& Turns::enter(std::uint32_t uid) {
    User& user = users_[uid];
    user.uid = uid;
    ++user.count;
    return user;
}

void Turns::leave(User& user) noexcept {
    if (--user.count > 0) return;
    if (user.is_linked()) ring_.erase(ring_.iterator_to(user));
    users_.erase(user.uid);
}

void Turns::ask(TurnTaker& taker) {
    if (taker.asks_for_turn()) return;
    User& user = taker.user_;
    if (last_uid_ && *last_uid_ != user.uid) alone_from_ = round_ + rounds_until_alone;
    last_uid_ = user.uid;
    if (user.round != round_) begin_turn(user);
    if (!is_giving_ && user.waiting.empty() && user.work_left > 0) {
        give_turn(taker, user.work_left);
        return;
    }
    user.waiting.push_back(taker);
    if (!user.is_linked()) ring_.push_back(user);
    loop_.post(next_);
}

void Turns::begin_turn(User& user) const noexcept {
    user.round = round_;
    user.work_left = is_one_alone() ? work_max_alone : work_max;
}

// The user is kept meanwhile, whatever becomes of the taker.
void Turns::give_turn(TurnTaker& taker, std::uint64_t enough) {
    User& user = taker.user_;
    if (!unfinished_.empty() && &unfinished_.front().user_ != &user) finish_turns();
    ++user.count;
    is_giving_ = true;
    const std::uint64_t work = taker.take_turn(enough);
    is_giving_ = false;
    INOD_ASSERT(work > 0);
    if (unfinished_count_ == finished_together) finish_turns();
    user.work_left -= std::min(work, user.work_left);
    leave(user);
}

void Turns::finish_later(TurnTaker& taker) noexcept {
    if (taker.UnfinishedHook::is_linked()) return;
    unfinished_.push_back(taker);
    ++unfinished_count_;
    loop_.post_last(finish_);
}

// Whoever asks for another turn thereby waits for it.
void Turns::finish_turns() {
    unfinished_count_ = 0;
    is_giving_ = true;
    while (!unfinished_.empty()) {
        TurnTaker& taker = unfinished_.front();
        unfinished_.pop_front();
        taker.finish_turn();
    }
    is_giving_ = false;
}

// A turn of the user who has waited longest. When he had one in this round, all who wait have.
void Turns::serve_next() {
    if (ring_.empty()) return;
    User& user = ring_.front();
    ring_.pop_front();
    if (user.round == round_) ++round_;
    begin_turn(user);
    ++user.count;
    while (!user.waiting.empty() && user.work_left > 0) {
        TurnTaker& taker = user.waiting.front();
        user.waiting.pop_front();
        give_turn(taker, user.work_left);
    }
    if (!user.waiting.empty() && !user.is_linked()) ring_.push_back(user);
    leave(user);
    if (!ring_.empty()) loop_.post(next_);
}

}  // namespace inod::daemon
