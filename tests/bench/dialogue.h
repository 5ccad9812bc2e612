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

    // The most bytes of a request.
    [[nodiscard]] virtual std::size_t request_size_max() const = 0;

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

// What a connection asks of the daemon. It allocates leases of `count` IDs until it holds `hold_count`
// of them; then each second request releases the oldest.
struct InodWork {
    std::uint64_t count = 1;
    std::size_t hold_count = 1000;
    bool looks_up = false;         // instead, after that, one ID of each lease in turn
    bool releases_singly = false;  // one ID with each request, of the oldest lease
    // It releases any lease and not the oldest, and before that, of two neighbours one: so its leases lie apart.
    bool is_scattered = false;
};

// Takes `pool` of the daemon at the other end of `socket`, which outlives it.
std::unique_ptr<Dialogue> make_inod_dialogue(int socket, std::string pool, std::uint16_t depth,
                                             const InodWork& work);

// What a connection asks of Redis: numbers by INCR, or by a script that also records in a hash who has
// them; and then, each second time, that the oldest of `hold_count` is deleted there.
enum class RedisWork : std::uint8_t { increment, record, hold };
std::unique_ptr<Dialogue> make_redis_dialogue(int socket, std::uint16_t depth, RedisWork work,
                                              std::size_t hold_count);

}  // namespace inod::bench
