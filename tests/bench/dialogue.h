// What one connection of the load says, and what it makes of the answers. A dialogue keeps `depth`
// requests under way: each reply is counted and followed by the next request with the same tag.
//
// Thread safety: none of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lib/base/bytes.h"
#include "lib/base/range.h"
#include "lib/base/result.h"
#include "proto/reply.h"
#include "proto/request.h"
#include "tests/bench/histogram.h"

namespace inod::bench {

// Bytes of every request here.
inline constexpr std::size_t request_size = 16;

// What was answered since it was last cleared.
struct Tally {
    std::uint64_t requests = 0;
    std::uint64_t allocations = 0;
    Histogram latency;
};

class Dialogue {
public:
    Dialogue() = default;
    Dialogue(const Dialogue&) = delete;
    Dialogue& operator=(const Dialogue&) = delete;
    virtual ~Dialogue() = default;

    // Brings about the state in which every further request costs the same, and undoes that. Both
    // block, and nothing is under way when they are called.
    // Errors: what the server refused or broke, in words.
    virtual Result<void, Failure> set_up() { return {}; }
    virtual Result<void, Failure> clean_up() { return {}; }

    // Where to put what is read. Never empty.
    virtual std::span<std::byte> room() noexcept = 0;

    // Puts one request for each of the tags into `out`, which has room for them.
    void start(std::uint64_t now_ns, ByteWriter& out);

    // Takes the `size` bytes that were read into room(), counts the replies in `tally`, and if
    // `go_on`, puts as many requests into `out`, which has room for all. Returns how many replies
    // it were.
    // Errors: as set_up(). The dialogue is over then.
    virtual Result<std::uint64_t, Failure> received(std::size_t size, std::uint64_t now_ns,
                                                    bool go_on, ByteWriter& out, Tally& tally) = 0;

protected:
    // Puts the next request with this tag into `out`.
    virtual void ask(std::uint16_t tag, std::uint64_t now_ns, ByteWriter& out) = 0;
    [[nodiscard]] virtual std::uint16_t depth() const = 0;
};

std::unique_ptr<Dialogue> make_echo_dialogue(std::uint16_t depth);

// Allocates one ID with each request until it holds `hold_count` of them; then each second request
// releases the oldest. Takes `pool` of the daemon at the other end of `socket`, which outlives it.
std::unique_ptr<Dialogue> make_inod_dialogue(int socket, std::string pool, std::uint16_t depth,
                                             std::size_t hold_count);

}  // namespace inod::bench
