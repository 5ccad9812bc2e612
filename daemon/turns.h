// Whose turn it is. A user who asks on a thousand connections at once is served as often as one who asks
// on a single one: sessions that have something to do stand in their user's queue, and the users take
// turns.
//
// In a round each user has one turn: so much work, in one piece or in several, by one session or by
// several. A session whose user has something left of his turn, and nobody in his queue, has it at once,
// without a way through the event loop. All others wait in the queue, whose first is served when all
// users who stood before his have had a turn; between any two of these turns the event loop looks once
// at what else has come.
//
// So who asks now and then waits for one turn of each other, and one look at what has come, and not for
// all that others ask. Where one user alone asked for a long while, his turns are longer, as nobody waits
// for their ends and each costs a look; the first request of another is the end of that.
//
// What a turn leaves for its end is done for several turns of one user together, before another user has his, and
// at the latest when the event loop has done all else that a look brought about.
//
// Thread safety: everything on the loop's thread. Asking and taking turns takes no memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include <boost/intrusive/list.hpp>

#include "daemon/event_loop.h"

namespace inod::daemon {

class TurnTaker;
using TurnHook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>,
                                     boost::intrusive::tag<TurnTaker>>;
struct Unfinished;
using UnfinishedHook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>,
                                     boost::intrusive::tag<Unfinished>>;

class Turns {
public:
    // Of one turn, where a request with its reply is 1, and so is whatever takes as long: about a
    // microsecond. And of one where a user is alone.
    static constexpr std::uint64_t work_max = 16;
    static constexpr std::uint64_t work_max_alone = 1'000;
    // For so many rounds, somewhat less than a second's work, after somebody asked, others are not alone.
    static constexpr std::uint64_t rounds_until_alone = 40'000;

    // So many turns are finished together at most.
    static constexpr std::size_t finished_together = 8;

    explicit Turns(EventLoop& loop)
        : loop_(loop), next_([this] { serve_next(); }), finish_([this] { finish_turns(); }) {}
    Turns(const Turns&) = delete;
    Turns& operator=(const Turns&) = delete;
    ~Turns() = default;  // requires that there are no takers

    // Has one user alone asked for a long while?
    [[nodiscard]] bool is_one_alone() const noexcept { return round_ >= alone_from_; }

private:
    friend class TurnTaker;

    using Takers = boost::intrusive::list<TurnTaker, boost::intrusive::base_hook<TurnHook>,
                                          boost::intrusive::constant_time_size<false>>;
    struct User : boost::intrusive::list_base_hook<> {
        std::uint32_t uid = 0;
        std::size_t count = 0;  // of takers, and of turns under way
        Takers waiting;
        std::uint64_t round = 0;      // in which he had his last turn
        std::uint64_t work_left = 0;  // of that
    };
    using Users = boost::intrusive::list<User, boost::intrusive::constant_time_size<false>>;

    User& enter(std::uint32_t uid);
    void leave(User& user) noexcept;
    void ask(TurnTaker& taker);
    void begin_turn(User& user) const noexcept;
    void give_turn(TurnTaker& taker, std::uint64_t enough);
    void serve_next();
    void finish_later(TurnTaker& taker) noexcept;
    void finish_turns();

    EventLoop& loop_;
    Task next_;
    Task finish_;
    std::unordered_map<std::uint32_t, User> users_;  // by UID
    Users ring_;                                     // with somebody who waits, the next one first
    // Of one user.
    boost::intrusive::list<TurnTaker, boost::intrusive::base_hook<UnfinishedHook>,
                           boost::intrusive::constant_time_size<false>>
        unfinished_;
    std::size_t unfinished_count_ = 0;  // with those that have ended since
    std::uint64_t round_ = 1;
    std::uint64_t alone_from_ = 0;           // the round
    std::optional<std::uint32_t> last_uid_;  // who asked last
    bool is_giving_ = false;                 // a turn is under way
};

// Somebody who takes turns for a user.
class TurnTaker : public TurnHook, public UnfinishedHook {
public:
    // Throws std::bad_alloc. `turns` outlives it.
    TurnTaker(Turns& turns, std::uint32_t uid) : turns_(turns), user_(turns.enter(uid)) {}
    TurnTaker(const TurnTaker&) = delete;
    TurnTaker& operator=(const TurnTaker&) = delete;
    virtual ~TurnTaker() {
        end_asking();
        turns_.leave(user_);
    }

    // Does what there is to do, up to about `work_max`, and says how much that was; more than 0. Where
    // something is left it asks again. May be the taker's end.
    virtual std::uint64_t take_turn(std::uint64_t work_max) = 0;

    // Does what finish_later() was called for. May be the taker's end.
    virtual void finish_turn() = 0;

protected:
    // Has take_turn() called once: within this call, or later. Of one that waits already nothing happens.
    void ask_for_turn() { turns_.ask(*this); }
    [[nodiscard]] bool asks_for_turn() const noexcept { return TurnHook::is_linked(); }
    // Within this call, whoever else waits. Requires that no turn is under way.
    void take_turn_now() {
        end_asking();
        turns_.give_turn(*this, Turns::work_max);
    }
    // Has finish_turn() called once, soon. Requires a turn of this taker.
    void finish_later() noexcept { turns_.finish_later(*this); }
    // Neither will be called any more.
    void end_asking() noexcept {
        TurnHook::unlink();
        UnfinishedHook::unlink();
    }

private:
    friend class Turns;

    Turns& turns_;
    Turns::User& user_;
};

}  // namespace inod::daemon
