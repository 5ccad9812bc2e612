// What a thread that serves connections waits for: sockets and other descriptors, and tasks that are posted.
//
// It is an epoll set and a list. A library's event loop was here, Boost.Asio's, and cost a system call or two
// more for each read, a third of what a request takes with many clients (docs/performance.md). In this one a
// descriptor enters the kernel's set once, and from then on one look tells of all that have something new.
//
// Thread safety: everything on the loop's thread, but for post_from_any_thread(). Nothing but the constructor
// and add() takes memory, so that a release finds its way when there is none.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include <boost/intrusive/list.hpp>
#include <sys/epoll.h>

#include "daemon/polling.h"
#include "lib/base/mutex.h"
#include "lib/base/owned_fd.h"
#include "lib/base/result.h"

namespace inod::daemon {

// What a descriptor has.
struct Readiness {
    bool readable = false;
    bool writable = false;  // where one waits for that
    bool ended = false;     // the peer sends no more, or the connection is broken: a read tells
    bool urgent = false;    // a byte of MSG_OOB lies in what is to be read
};

// Whoever has a descriptor in the loop's set.
class Polled {
public:
    Polled() = default;
    Polled(const Polled&) = delete;
    Polled& operator=(const Polled&) = delete;
    virtual ~Polled() = default;

    // May remove this one, and add and remove others.
    virtual void on_ready(Readiness ready) = 0;
};

// Something to be done once, each time that it is posted. One that ends before that is not done.
class Task : public boost::intrusive::list_base_hook<
                 boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
public:
    explicit Task(std::function<void()> run) : run_(std::move(run)) {}
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;
    ~Task() = default;

private:
    friend class EventLoop;
    std::function<void()> run_;
    std::atomic<bool> is_posted_outside_ = false;
};

class EventLoop {
public:
    // `edge`: is told what is new, and remembers it until it has read all of it. `level`: is told at each
    // look for as long as there is something.
    enum class Trigger : std::uint8_t { edge, level };

    // Before it sleeps it looks again for up to `polling` (polling.h). Throws std::system_error if the
    // kernel has no descriptor or no memory for it.
    explicit EventLoop(std::chrono::microseconds polling = std::chrono::microseconds(0));
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;
    ~EventLoop() = default;  // requires that nobody else is in the set

    // Tells `polled` of what there is from now on, with what is there already. `fd` stays open until
    // remove(). Errors: out_of_memory, also where fs.epoll.max_user_watches allows no more.
    Result<> add(int fd, Polled& polled, Trigger trigger = Trigger::edge) noexcept;
    void remove(int fd, Polled& polled) noexcept;

    // Of a descriptor by edge: tells of it when there is room to write; or not any more.
    void await_writable(int fd, Polled& polled, bool awaits) noexcept;

    // Has the task done when the loop has looked at the descriptors once more. Of one that waits already
    // nothing happens.
    void post(Task& task) noexcept;
    // Has it done at the end of the look that is under way, when all that it brought about is done; or else
    // of the next one, which waits for nothing then.
    void post_last(Task& task) noexcept;
    // As post(), from any thread, also from several at a time. The task must not be posted otherwise, and not end
    // meanwhile.
    void post_from_any_thread(Task& task) noexcept;
    // Does one wait that was posted on the loop's thread?
    [[nodiscard]] bool has_tasks() const noexcept { return !tasks_.empty() || !last_.empty(); }

    // Did the last look find one alone who is ready?
    [[nodiscard]] bool has_found_one() const noexcept { return end_ == 1; }

    // Until stop() is called. What is thrown by those who are called comes through, and run() can be
    // called again.
    void run();
    void stop() noexcept { stopped_ = true; }
    // One look, which waits for so long until there is something, and all that it brings about. False if
    // there was nothing.
    bool run_once(std::optional<std::chrono::milliseconds> patience);

private:
    using Tasks = boost::intrusive::list<Task, boost::intrusive::constant_time_size<false>>;

    // That somebody has posted from another thread.
    class Wakeup final : public Polled {
    public:
        explicit Wakeup(EventLoop& loop);
        void wake() noexcept;
        void on_ready(Readiness ready) override;
        [[nodiscard]] int fd() const { return event_.get(); }

    private:
        EventLoop& loop_;
        OwnedFd event_;
    };

    [[nodiscard]] int wait(int wait_ms) noexcept;
    [[nodiscard]] int wait_polling(int wait_ms) noexcept;
    void tell_of_found();
    static void run_all(Tasks& tasks);

    OwnedFd set_;
    Tasks tasks_;
    Tasks due_;   // posted before the last look, or from outside
    Tasks last_;  // for the end of a look
    Mutex outside_mutex_;
    Tasks posted_outside_ INOD_GUARDED_BY(outside_mutex_);
    Wakeup wakeup_;
    bool stopped_ = false;
    Polling polling_;
    // Of one look, where others come between before the next one.
    std::array<epoll_event, 128> found_{};
    std::size_t next_ = 0;  // of these, the first that nobody was told of
    std::size_t end_ = 0;
};

}  // namespace inod::daemon
