#include "daemon/flusher.h"

#include <algorithm>
#include <new>
#include <utility>

#include <boost/container/static_vector.hpp>
#include <pthread.h>
#include <spdlog/spdlog.h>

#include "daemon/boot_time.h"
#include "daemon/touch_stack.h"
#include "lib/base/assert.h"
#include "lib/base/random_id.h"

namespace inod::daemon {
namespace {

constexpr std::chrono::seconds space_check_period{1};

// Bytes of the log. To read so many takes a start some 70 ms (docs/performance.md).
constexpr std::uint64_t long_log = std::uint64_t{4} << 20U;

// Lets the processor's other thread, if it has one, have what they share.
void relax() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// None is longer than what the log can format without memory.
void log_lack(Errc before, Errc lack) {
    if (lack == Errc::ok) {
        spdlog::info(
            before == Errc::no_space
                ? "the state directory's disk has space again: numbers are handed out"
                : "there are memory and file descriptors to set space aside again: numbers are "
                  "handed out");
    } else if (lack == Errc::out_of_memory) {
        spdlog::warn(
            "there is no memory, or no file descriptor, to set space aside: whatever needs more is "
            "refused (out_of_memory), releases go on; it goes on within a second or two of there "
            "being some");
    } else {
        spdlog::warn(
            "the state directory's disk is full: whatever needs more space is refused (no_space), "
            "releases go on; make room, and it goes on within a second or two");
    }
}

}  // namespace

// Tries for a while before it sleeps: a lock is had for less than a microsecond, mostly, and to sleep and be woken
// takes ten.
std::unique_lock<std::mutex> Flusher::Guard::take(std::mutex& mutex) {
    constexpr int tries = 64;
    for (int i = 0; i < tries; ++i) {
        std::unique_lock taken(mutex, std::try_to_lock);
        if (taken) return taken;
        relax();
    }
    return std::unique_lock(mutex);
}

void Flusher::Guard::lock() {
    lock_ = take(*lock_.mutex());
}

Flusher::Flusher(EventLoop& loop, Allocator& allocator, std::chrono::seconds snapshot_age_max,
                 OnFailure on_failure)
    : loop_(loop),
      allocator_(allocator),
      snapshot_age_max_(snapshot_age_max),
      on_failure_(std::move(on_failure)),
      snapshot_due_(Clock::now() + snapshot_age_max),
      failure_task_([this] { on_failure_(failure_); }) {
    thread_ = std::thread([this] { run(); });
    ::pthread_setname_np(thread_.native_handle(), thread_name.data());
}

Flusher::~Flusher() {
    stop();
}

void Flusher::notify(Guard&& guard) noexcept {
    const bool wakes = idle_ && has_work();
    if (wakes) idle_ = false;
    guard.unlock();
    if (wakes) work_.notify_one();
}

void Flusher::stop() {
    {
        const Guard guard(*this);
        stopping_ = true;
        work_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
}

// The thread may wait for a moment that is another now.
void Flusher::set_snapshot_age_max(std::chrono::seconds snapshot_age_max) noexcept {
    snapshot_due_ += snapshot_age_max - snapshot_age_max_;
    snapshot_age_max_ = snapshot_age_max;
    work_.notify_one();
}

// Saying why takes no memory: there may be none.
void Flusher::run() {
    touch_stack();
    try {
        auto done = flush_until_stopped();
        if (done) return;
        failure_ = done.error();
    } catch (const std::bad_alloc&) {
        failure_ = std::move(no_memory_);
    }
    loop_.post_from_any_thread(failure_task_);
}

Result<void, Failure> Flusher::flush_until_stopped() {
    Guard guard(*this, Guard::Own());
    for (;;) {
        wait_for_work(guard);
        ++steps_;
        if (stopping_ && !has_records()) return {};
        check_age();
        if (auto flushed = flush_group(guard); !flushed) return flushed;
        if (auto made = make_space(guard); !made) return made;
        sweep(guard);
        tell_of_snapshot();
        allocator_.set_time(boot_time());
        if (allocator_.is_token_epoch_due()) allocator_.begin_token_epoch(random_word());
    }
}

bool Flusher::shorten_next_start(Task& done) noexcept {
    const Journal& journal = allocator_.journal();
    if (!journal.snapshot_under_way()) {
        if (journal.log_size() < long_log) return false;
        allocator_.request_snapshot();
    }
    if (!allocator_.has_snapshot_to_write()) return false;
    after_snapshot_ = &done;
    return true;
}

void Flusher::tell_of_snapshot() noexcept {
    if (after_snapshot_ == nullptr || allocator_.has_snapshot_to_write()) return;
    loop_.post_from_any_thread(*std::exchange(after_snapshot_, nullptr));
}

// A slice of it; whoever wants the lock has it between two.
void Flusher::sweep(Guard& guard) {
    if (!allocator_.wants_sweep()) return;
    allocator_.sweep();
    has_news_ = true;  // whoever waits for what was in the way asks again
    unlock(guard);
    std::this_thread::yield();
    guard.lock();
}

// Returns when something is to be synced, set aside or swept, when the thread is to end, or when it is
// time to look whether the disk has space again, how old the log is, or whose time is over.
void Flusher::wait_for_work(Guard& guard) {
    while (!stopping_ && !has_work()) {
        if (has_news_) {
            unlock(guard);
            guard.lock();
            continue;
        }
        idle_ = true;
        if (work_.wait_until(guard.lock_, next_check()) == std::cv_status::timeout) {
            checks_space_ = !allocator_.journal().has_space();
            break;
        }
    }
    idle_ = false;
}

Flusher::Clock::time_point Flusher::next_check() const noexcept {
    Clock::time_point next = snapshot_due_;
    if (!allocator_.journal().has_space()) next = std::min(next, Clock::now() + space_check_period);
    for (const auto deadline : {allocator_.next_deadline(), allocator_.next_token_epoch_due()}) {
        if (!deadline) continue;
        const BootTime now = boot_time();
        const std::chrono::milliseconds left(*deadline > now ? *deadline - now : 0);
        next = std::min(next, Clock::now() + left);
    }
    return next;
}

void Flusher::check_age() noexcept {
    const Clock::time_point now = Clock::now();
    if (now < snapshot_due_) return;
    snapshot_due_ = now + snapshot_age_max_;
    allocator_.request_snapshot();
}

// A step towards what is to be set aside on disk, without the lock, since it waits for the disk. Where
// there was no space it is tried again once in a while.
Result<void, Failure> Flusher::make_space(Guard& guard) {
    const bool is_time = std::exchange(checks_space_, false);
    if (!is_time && !wants_space()) return {};
    const Errc before = allocator_.journal().lack();
    unlock(guard);
    auto made = allocator_without_lock().make_space();
    const Errc lack = allocator_without_lock().journal().lack();
    if (made && lack != before) log_lack(before, lack);
    guard.lock();
    has_news_ = true;  // whoever waits for space asks again
    return made;
}

bool Flusher::is_telling() const noexcept {
    return std::any_of(waiters_.begin(), waiters_.end(),
                       [](const DurabilityWaiters& waiters)
                           INOD_REQUIRES(flusher_lock) { return waiters.telling_; });
}

bool Flusher::has_work() const noexcept {
    return allocator_.has_work() || wants_space() || allocator_.wants_sweep();
}

bool Flusher::has_records() const noexcept {
    return allocator_.journal().last_lsn() > allocator_.journal().durable_lsn();
}

bool Flusher::wants_space() const noexcept {
    return allocator_.journal().wants_space() && allocator_.journal().has_space();
}

// Syncs what has been recorded so far, without the lock while it does.
Result<void, Failure> Flusher::flush_group(Guard& guard) {
    if (!allocator_.begin_flush()) return {};
    unlock(guard);
    auto flushed = allocator_without_lock().flush();
    guard.lock();
    if (!flushed) return flushed;
    allocator_.end_flush();
    ++groups_synced_;
    has_news_ = true;
    return {};
}

// Wherever the lock is given back those who wait are told, behind it: they want it at once.
void Flusher::unlock(Guard& guard) {
    boost::container::static_vector<DurabilityWaiters*, waiters_max> told;
    if (std::exchange(has_news_, false)) {
        for (DurabilityWaiters& waiters : waiters_) {
            if (waiters.waiting_.empty() || std::exchange(waiters.telling_, true)) continue;
            told.push_back(&waiters);
        }
    }
    guard.unlock();
    for (DurabilityWaiters* const waiters : told)
        waiters->loop_.post_from_any_thread(waiters->telling_task_);
}

DurabilityWaiters::DurabilityWaiters(EventLoop& loop, Flusher& flusher)
    : loop_(loop), flusher_(flusher), telling_task_([this] { tell(); }) {
    const Flusher::Guard guard(flusher_);
    INOD_ASSERT(flusher_.waiters_.size() < Flusher::waiters_max);
    flusher_.waiters_.push_back(*this);
}

DurabilityWaiters::~DurabilityWaiters() {
    const Flusher::Guard guard(flusher_);
    flusher_.waiters_.erase(flusher_.waiters_.iterator_to(*this));
}

void DurabilityWaiters::await(DurabilityWaiter& waiter) noexcept {
    if (!waiter.is_linked()) waiting_.push_back(waiter);
}

void DurabilityWaiters::tell() {
    List waiting;
    {
        const Flusher::Guard guard(flusher_);
        waiting.swap(waiting_);
        telling_ = false;
    }
    while (!waiting.empty()) {
        DurabilityWaiter& waiter = waiting.front();
        waiting.pop_front();
        waiter.on_durable();
    }
}

}  // namespace inod::daemon
