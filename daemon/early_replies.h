// Whether the first replies of a long read are sent before the rest of it is decided.
//
// A client that sleeps is woken by them, and is awake when the others come: where the processor is a virtual
// one, waking takes as long as deciding eighty requests. It is worse than useless where the client wants the
// daemon's own core, since there it takes it as soon as it is woken. So each time it is seen whether
// somebody did, and then there are none for a while.
//
// Thread safety: everything on the loop's thread.
#pragma once

#include <cstddef>

namespace inod::daemon {

class EarlyReplies {
public:
    // Of a read with so many bytes, 32 of the smallest requests, the replies to the first eighth are sent early;
    // of a shorter one none.
    static constexpr std::size_t read_size_min = 512;
    static constexpr std::size_t part = 8;

    // So much of a read of this size is undecided when the first replies are sent; 0 where all are sent
    // together.
    [[nodiscard]] std::size_t undecided_behind(std::size_t read_size) noexcept {
        if (read_size < read_size_min) return 0;
        if (pause_ > 0) {
            --pause_;
            return 0;
        }
        return read_size - read_size / part;
    }

    // They were sent. `interruptions` is how often, up to now, somebody else took the core from this thread.
    void were_sent(long interruptions) noexcept {
        if (interruptions != interruptions_) pause_ = reads_paused;
        interruptions_ = interruptions;
    }

private:
    static constexpr int reads_paused = 100;  // so where they are bad, they cost a hundredth of it

    long interruptions_ = 0;
    int pause_ = 0;
};

}  // namespace inod::daemon
