// RESP, as much of it as the load says and hears: https://redis.io/docs/reference/protocol-spec.
//
//   a request:  *<count> and then each word as $<size> and its bytes; every line ends with CR LF
//   a reply:    :<integer>, or $<size> and its bytes, +<text>, -<error>
#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "lib/base/assert.h"
#include "tests/bench/dialogue.h"
#include "tests/bench/socket.h"

namespace inod::bench {
namespace {

constexpr std::string_view script =
    "local n = redis.call('INCR', KEYS[1]) redis.call('HSET', KEYS[2], n, ARGV[1]) return n";
constexpr std::string_view counter = "number";
constexpr std::string_view holders = "holders";
constexpr std::string_view holder = "1000";  // as long as a user's or a process's number

std::string resp(std::initializer_list<std::string_view> words) {
    std::string out = "*" + std::to_string(words.size()) + "\r\n";
    for (const std::string_view word : words) {
        out += "$" + std::to_string(word.size()) + "\r\n";
        out += word;
        out += "\r\n";
    }
    return out;
}

class RedisDialogue final : public Dialogue {
public:
    RedisDialogue(int socket, std::uint16_t depth, RedisWork work, std::size_t hold_count)
        : socket_(socket),
          work_(work),
          held_(hold_count + std::max<std::size_t>(depth, bulk_max)),
          hold_count_(hold_count),
          under_way_(std::max<std::size_t>(depth, bulk_max)),
          depth_(depth),
          allocate_(resp({"INCR", counter})),
          memory_(buffer_size) {}

    // Gives Redis the script, and has hold_count numbers, where it will delete some. Clears everything
    // that the server has.
    Result<void, Failure> set_up() override;
    Result<void, Failure> clean_up() override;

    [[nodiscard]] std::size_t request_size_max() const override { return size_max; }
    std::span<std::byte> room() noexcept override { return std::span(memory_).subspan(size_); }
    Result<std::uint64_t, Failure> received(std::size_t size, std::uint64_t now_ns, bool go_on,
                                            ByteWriter& out, Tally& tally) override;

protected:
    void ask(std::uint16_t tag, std::uint64_t now_ns, ByteWriter& out) override;
    [[nodiscard]] std::uint16_t depth() const override { return depth_; }

private:
    static constexpr std::size_t buffer_size = std::size_t{64} << 10U;
    static constexpr std::size_t size_max = 160;  // of a request
    static constexpr std::size_t bulk_max = 512;  // numbers asked for at once by set_up()

    enum class Kind : std::uint8_t { allocate, forget };

    struct UnderWay {
        Kind kind = Kind::allocate;
        std::uint64_t start_ns = 0;
    };

    // Sends the request and returns its one reply, without what says its size.
    Result<std::string, Failure> converse(const std::string& request);
    Result<void, Failure> take(std::string_view line, std::uint64_t now_ns, Tally& tally);
    void put(Kind kind, std::uint64_t now_ns, ByteWriter& out);

    int socket_;
    RedisWork work_;

    // The numbers that it holds, the oldest first: a ring.
    std::vector<std::uint64_t> held_;
    std::size_t first_held_ = 0;
    std::size_t held_count_ = 0;
    std::size_t allocating_count_ = 0;  // under way
    std::size_t hold_count_;

    // Replies come in the order of the requests: a ring.
    std::vector<UnderWay> under_way_;
    std::size_t first_under_way_ = 0;
    std::size_t under_way_count_ = 0;

    std::uint16_t depth_;
    std::string allocate_;  // the request that gets a number
    std::uint64_t last_ = 0;
    std::vector<std::byte> memory_;
    std::size_t size_ = 0;  // bytes of a reply not yet whole
};

void RedisDialogue::put(Kind kind, std::uint64_t now_ns, ByteWriter& out) {
    under_way_[(first_under_way_ + under_way_count_) % under_way_.size()] = {.kind = kind,
                                                                             .start_ns = now_ns};
    ++under_way_count_;
    if (kind == Kind::allocate) {
        ++allocating_count_;
        out.put_text(allocate_);
        return;
    }
    const std::string oldest = std::to_string(held_[first_held_]);
    first_held_ = (first_held_ + 1) % held_.size();
    --held_count_;
    out.put_text(resp({"HDEL", holders, oldest}));
}

void RedisDialogue::ask(std::uint16_t /*tag*/, std::uint64_t now_ns, ByteWriter& out) {
    const bool enough = work_ == RedisWork::hold && held_count_ > 0 &&
                        held_count_ + allocating_count_ >= hold_count_;
    put(enough ? Kind::forget : Kind::allocate, now_ns, out);
}

// One reply's line. A number is above all that this connection was told before; what is deleted was there.
Result<void, Failure> RedisDialogue::take(std::string_view line, std::uint64_t now_ns,
                                          Tally& tally) {
    std::uint64_t number = 0;
    const bool is_number =
        line.starts_with(':') &&
        std::from_chars(line.data() + 1, line.data() + line.size(), number).ec == std::errc();
    if (!is_number || under_way_count_ == 0) {
        return Failure{Errc::protocol_violation, "Redis answers " + std::string(line)};
    }
    const UnderWay request = under_way_[first_under_way_];
    first_under_way_ = (first_under_way_ + 1) % under_way_.size();
    --under_way_count_;
    if (request.kind == Kind::forget ? number != 1 : number <= last_) {
        return Failure{Errc::protocol_violation, "Redis answers " + std::string(line)};
    }
    if (request.kind == Kind::allocate) {
        last_ = number;
        --allocating_count_;
        ++tally.allocations;
        if (work_ == RedisWork::hold) {
            held_[(first_held_ + held_count_) % held_.size()] = number;
            ++held_count_;
        }
    }
    ++tally.requests;
    tally.latency.add(now_ns - request.start_ns);
    return {};
}

Result<std::uint64_t, Failure> RedisDialogue::received(std::size_t size, std::uint64_t now_ns,
                                                       bool go_on, ByteWriter& out, Tally& tally) {
    size_ += size;
    const std::string_view all(reinterpret_cast<const char*>(memory_.data()), size_);
    std::size_t at = 0;
    std::uint64_t count = 0;
    for (std::size_t end = 0; (end = all.find("\r\n", at)) != all.npos; at = end + 2) {
        if (const auto taken = take(all.substr(at, end - at), now_ns, tally); !taken) {
            return taken.error();
        }
        ++count;
        if (go_on) ask(0, now_ns, out);
    }
    size_ -= at;
    std::memmove(memory_.data(), memory_.data() + at, size_);
    if (room().empty()) return Failure{Errc::protocol_violation, "a reply without an end"};
    return count;
}

Result<std::string, Failure> RedisDialogue::converse(const std::string& request) {
    if (auto sent = send_all(socket_, std::as_bytes(std::span(request))); !sent) {
        return sent.error();
    }
    std::string reply;
    std::array<char, 256> part;
    for (std::size_t size = 0; size == 0 || reply.size() < size;) {
        const auto got = receive_some(socket_, std::as_writable_bytes(std::span(part)));
        if (!got) return got.error();
        reply.append(part.data(), *got);
        const auto end = reply.find("\r\n");
        if (end == reply.npos) continue;
        size = end + 2;
        std::size_t body = 0;
        if (reply.starts_with('$')) {
            std::from_chars(reply.data() + 1, reply.data() + end, body);
            size += body + 2;
        }
    }
    if (reply.starts_with('-')) return Failure{Errc::io_error, "Redis answers " + reply};
    const auto start = reply.starts_with('$') ? reply.find("\r\n") + 2 : 1;
    return reply.substr(start, reply.size() - start - 2);
}

Result<void, Failure> RedisDialogue::set_up() {
    if (work_ == RedisWork::increment) return {};
    const auto sha = converse(resp({"SCRIPT", "LOAD", script}));
    if (!sha) return sha.error();
    allocate_ = resp({"EVALSHA", *sha, "2", counter, holders, holder});
    INOD_ASSERT(allocate_.size() <= size_max);
    if (work_ == RedisWork::record) return {};
    std::vector<std::byte> memory(bulk_max * size_max);
    Tally ignored;
    while (held_count_ < hold_count_) {
        ByteWriter out(memory);
        const std::size_t wanted = std::min(hold_count_ - held_count_, bulk_max);
        for (std::size_t i = 0; i < wanted; ++i)
            put(Kind::allocate, 0, out);
        if (auto sent = send_all(socket_, out.written()); !sent) return sent;
        while (under_way_count_ > 0) {
            const auto size = receive_some(socket_, room());
            if (!size) return size.error();
            const auto replies = received(*size, 0, false, out, ignored);
            if (!replies) return replies.error();
        }
    }
    return {};
}

Result<void, Failure> RedisDialogue::clean_up() {
    const auto done = converse(resp({"FLUSHALL"}));
    if (!done) return done.error();
    return {};
}

}  // namespace

std::unique_ptr<Dialogue> make_redis_dialogue(int socket, std::uint16_t depth, RedisWork work,
                                              std::size_t hold_count) {
    return std::make_unique<RedisDialogue>(socket, depth, work, hold_count);
}

}  // namespace inod::bench
