#include <chrono>
#include <random>
#include <vector>

#include "tests/bench/holders/held_time.h"
#include "tests/bench/holders/measure.h"
#include "tests/bench/store.h"

namespace inod::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t group_size = 4'096;  // leases
constexpr std::uint32_t others = 1'000;      // users, each with a holder
constexpr std::uint32_t uid = 5'000;         // of the holder that ends
constexpr std::size_t sample_size = 1'000;   // lookups

double ms_since(Clock::time_point begin) {
    return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

PoolSpec full_pool(const EndWork& work) {
    return {.name = "bench",
            .policy = work.with_generations ? Policy::lowest : Policy::cyclic,
            .range = {1, work.live_count}};
}

// The pool, full, and which of its IDs are the holder's.
class Scene {
public:
    explicit Scene(const EndWork& work) : work_(work), store_(work.directory, full_pool(work)) {
        bind();
        fill();
    }

    Ended measure() {
        Ended ended{};
        end(ended);
        check_counts();
        lease_one(ended);
        sweep(ended);
        lease_the_rest();
        return ended;
    }

private:
    void bind() {
        const BindRequest request{.binding = Binding::connection, .secret = {{1, 2}}};
        holder_ = store_.insist([&] { return allocator().bind(Asker{.uid = uid}, request); }).ref;
    }

    // Selection sampling: each ID is the holder's with the probability that makes it just as many.
    void fill() {
        std::uint64_t wanted = work_.ended_count;
        for (Id id = 1; id <= work_.live_count; ++id) {
            const bool is_his = random_() % (work_.live_count - id + 1) < wanted;
            if (is_his) --wanted;
            const Lease lease = is_his ? lease_to_holder()
                                       : store_.allocate(static_cast<std::uint32_t>(id % others));
            if (lease.range != Range{id, id}) fail("the pool does not hand out in order");
            is_his_.push_back(is_his);
            if (id % group_size == 0) store_.flush();
        }
        store_.flush();
    }

    // An ID that was handed out and given back has another generation the next time.
    Lease lease_to_holder() {
        const Asker asker{.uid = uid, .acts_as = holder_};
        Lease lease = store_.allocate(asker);
        if (!work_.with_generations) return lease;
        store_.insist([&] { return allocator().release(0, lease.range, lease.generation, asker); });
        return store_.allocate(asker);
    }

    void end(Ended& ended) {
        const Lsn before = allocator().journal().last_lsn();
        const auto begin = Clock::now();
        begin_ = begin;
        HeldTime held;
        held.during([&] { allocator().end(holder_); });
        if (allocator().journal().last_lsn() != before + 1) fail("an end is not one record");
        store_.flush();
        look_around();
        ended.end_ms = held.longest_ms();
        ended.until_free_ms = ms_since(begin);
    }

    // Lookups at random: what was the holder's is released, unless somebody has it again, and all else is
    // as it was.
    void look_around() {
        for (std::size_t i = 0; i < sample_size; ++i)
            look_at(1 + random_() % work_.live_count);
    }
    void look_at(Id id) {
        const auto found = allocator().lookup(0, id, 0).result;
        if (found ? is_his_[id - 1] : found.error().code != Errc::released || !is_his_[id - 1]) {
            fail("a lookup is wrong");
        }
    }

    void check_counts() {
        const Pool& pool = *allocator().pool(0);
        if (pool.live_count().ids != work_.live_count - work_.ended_count) fail("the pool's count");
        if (allocator().account(0, uid) != TagCount{}) fail("the user's account");
        if (allocator().holders().contains(holder_)) fail("the holder is there");
    }

    // With the user's quota as it was used up by the holder.
    void lease_one(Ended& ended) {
        while (!try_lease()) {
            sweep_slice();
            ++ended.slices_before;
        }
        ended.until_lease_ms = ms_since(begin_);
    }
    // False if it is to be swept first.
    bool try_lease() {
        const Asker asker{.uid = uid, .quota = {.ids = work_.ended_count}};
        held_by_others_.lock();
        const auto answer = allocator().allocate(held_by_others_, 0, Wish{.count = 1}, asker);
        held_by_others_.unlock();
        if (!answer.result) {
            if (answer.result.error().code != Errc::sweep_pending) {
                fail("refused: " + std::string(name(answer.result.error().code)));
            }
            return false;
        }
        const Id id = answer.result->range.first;
        if (!is_his_[id - 1]) fail("an ID was handed out that somebody has");
        is_his_[id - 1] = false;
        ++leased_;
        return true;
    }

    void sweep_slice() {
        HeldTime held;
        held.during([&] { allocator().sweep(); });
        slices_ms_.push_back(held.last_ms());
    }

    // Somebody looks and asks for a number between any two slices.
    void sweep(Ended& ended) {
        while (allocator().wants_sweep()) {
            sweep_slice();
            held_by_others_.during([&] { look_at(1 + random_() % work_.live_count); });
            (void)try_lease();
            if (slices_ms_.size() % 64 == 0) store_.flush();
        }
        ended.slices = static_cast<double>(slices_ms_.size());
        ended.slice_longest_ms = *std::max_element(slices_ms_.begin(), slices_ms_.end());
        ended.slice_p99_ms = p99_of(slices_ms_);
        ended.others_longest_ms = held_by_others_.longest_ms();
        for (const double slice_ms : slices_ms_)
            ended.sweep_ms += slice_ms;
    }

    // All of them are to be had, and not one more.
    void lease_the_rest() {
        while (leased_ < work_.ended_count) {
            if (!try_lease()) sweep_slice();
            if (leased_ % group_size == 0) store_.flush();
        }
        NoGuard nobody_else;
        const auto answer =
            allocator().allocate(nobody_else, 0, Wish{.count = 1}, Asker{.uid = uid + 1});
        if (answer.result || answer.result.error().code != Errc::pool_exhausted) {
            fail("there is more in the pool than it had");
        }
        if (allocator().pool(0)->live_count().ids != work_.live_count) fail("the pool's count");
    }

    Allocator& allocator() { return store_.allocator; }

    const EndWork& work_;
    Store store_;
    std::mt19937_64 random_{1};
    HolderRef holder_;
    std::vector<bool> is_his_;  // by ID less 1
    std::uint64_t leased_ = 0;  // of what was his
    Clock::time_point begin_;
    std::vector<double> slices_ms_;
    HeldTime held_by_others_;
};

}  // namespace

Ended end_holder(const EndWork& work) {
    return in_a_child<Ended>([&] { return Scene(work).measure(); });
}

}  // namespace inod::bench
