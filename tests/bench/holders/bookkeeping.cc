#include <string>

#include <malloc.h>

#include "tests/bench/holders/held_time.h"
#include "tests/bench/holders/least_times.h"
#include "tests/bench/holders/measure.h"
#include "tests/bench/store.h"

namespace inod::bench {
namespace {

constexpr std::uint64_t group_size = 4'096;  // leases
constexpr std::uint32_t uid = 5'000;

double heap_size() {
    const auto info = ::mallinfo2();
    return static_cast<double>(info.uordblks + info.hblkhd);
}

class Books {
public:
    Books(const BookkeepingWork& work, LeastTimes& times)
        : work_(work),
          store_(work.directory, {.name = "bench"},
                 static_cast<std::uint32_t>(2 * work.lease_count + 16)),
          times_(times) {
        store_.allocate(0);  // what is made once is there
        store_.flush();
    }

    Bookkeeping measure() {
        const double budget_before = bookkeeping();
        const double heap_before = heap_size();
        for (std::uint64_t i = 0; i < work_.lease_count; ++i) {
            lease(i);
            if (i % group_size == 0) store_.flush();
        }
        store_.flush();
        const auto count = static_cast<double>(work_.lease_count);
        return {.budget_bytes = (bookkeeping() - budget_before) / count,
                .heap_bytes = (heap_size() - heap_before) / count};
    }

private:
    [[nodiscard]] double bookkeeping() const {
        const Allocator& allocator = store_.allocator;
        return static_cast<double>(allocator.memory().used()) -
               static_cast<double>(allocator.pool(0)->tree().bytes());
    }

    void lease(std::uint64_t number) {
        switch (work_.holder_of) {
            case HolderOf::all:
                lease_as({.uid = uid + static_cast<std::uint32_t>(number % 2)});
                break;
            case HolderOf::user: lease_as({.uid = uid + static_cast<std::uint32_t>(number)}); break;
            default: lease_as({.uid = uid, .acts_as = bind(number)});
        }
    }

    HolderRef bind(std::uint64_t number) {
        const std::string text = std::to_string(10'000'000 + number);
        BindRequest request{.secret = {{number + 1, number}}};
        switch (work_.holder_of) {
            case HolderOf::connection: request.binding = Binding::connection; break;
            case HolderOf::process:
                request.binding = Binding::process;
                request.process = {.pid = static_cast<std::uint32_t>(number % 4'000'000 + 1),
                                   .inode = number + 1,
                                   .start_time = number / 100,
                                   .pid_namespace = 4'026'531'836};
                break;
            case HolderOf::ttl:
                request.binding = Binding::ttl;
                request.ttl_ms = 60'000;
                break;
            default: request.name = text;
        }
        return store_
            .insist([&] {
                HeldTime held;
                held.lock();
                auto answer = store_.allocator.bind(Asker{.uid = uid}, request);
                held.unlock();
                times_.add(request_count_++, held.longest_ms());
                return answer;
            })
            .ref;
    }

    void lease_as(const Asker& asker) {
        store_.insist([&] {
            HeldTime held;
            held.lock();
            auto answer = store_.allocator.allocate(held, 0, Wish{.count = 1}, asker);
            held.unlock();
            times_.add(request_count_++, held.longest_ms());
            return answer;
        });
    }

    const BookkeepingWork& work_;
    Store store_;
    LeastTimes& times_;
    std::size_t request_count_ = 0;
};

}  // namespace

Bookkeeping keep_books(const BookkeepingWork& work, LeastTimes& times) {
    return in_a_child<Bookkeeping>([&] { return Books(work, times).measure(); });
}

}  // namespace inod::bench
