#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <random>
#include <utility>

#include "lib/base/assert.h"
#include "tests/bench/dialogue.h"
#include "tests/bench/socket.h"

namespace inod::bench {
namespace {

using proto::Request;

Failure refusal(std::span<const std::byte> frame) {
    const auto reply = proto::decode_reply(frame);
    if (!reply) return {reply.error().code, "a reply that no daemon sends"};
    const auto* const error = std::get_if<proto::ErrorReply>(&reply->body);
    if (error == nullptr) return {Errc::protocol_violation, "a reply of another operation"};
    return {error->error.code, std::string(name(error->error.code)) + ": " +
                                   std::string(explanation(error->error.code))};
}

// A frame's first eight bytes as one integer. The tag is in the highest bits of it.
constexpr unsigned tag_shift = 48;
constexpr std::uint64_t head_of(std::size_t size, proto::Operation operation) {
    return std::uint64_t{size} | std::uint64_t(operation) << 16U |
           std::uint64_t{proto::flag_reply} << 24U;
}

// Where a lease, a release and a lookup have their first ID, and what of it has the last.
constexpr std::size_t first_offset = proto::frame_header_size;
constexpr std::size_t last_offset = first_offset + sizeof(Id);

std::uint64_t integer_at(std::span<const std::byte> bytes, std::size_t offset) {
    std::uint64_t little = 0;
    std::memcpy(&little, bytes.data() + offset, sizeof(little));
    return to_little_endian(little);
}

// Requests are copied from ones that were encoded once, and of a reply no more is decoded than it takes to
// know what it is: what the load spends on a request, inod seems to.
class InodDialogue final : public Dialogue {
public:
    InodDialogue(int socket, std::string pool, std::uint16_t depth, const InodWork& work)
        : socket_(socket),
          pool_name_(std::move(pool)),
          work_(work),
          held_((work.is_scattered ? 2 : 1) * work.hold_count +
                std::max<std::size_t>(depth, bulk_max)),
          under_way_(std::max<std::size_t>(depth, bulk_max)),
          depth_(depth),
          memory_(2 * proto::reply_size_max) {}

    // Says hello and allocates hold_count leases; releases all that are held.
    Result<void, Failure> set_up() override;
    Result<void, Failure> clean_up() override;

    std::span<std::byte> room() noexcept override { return std::span(memory_).subspan(size_); }
    Result<std::uint64_t, Failure> received(std::size_t size, std::uint64_t now_ns, bool go_on,
                                            ByteWriter& out, Tally& tally) override;

protected:
    void ask(std::uint16_t tag, std::uint64_t now_ns, ByteWriter& out) override;
    [[nodiscard]] std::uint16_t depth() const override { return depth_; }
    [[nodiscard]] std::size_t request_size_max() const override { return long_request_size; }

private:
    // Bytes of the longest that is asked for: a release of several IDs.
    static constexpr std::size_t long_request_size = 32;

    // Requests sent at once by set_up() and clean_up().
    static constexpr std::size_t bulk_max = 512;

    enum class Kind : std::uint8_t { none, allocate, release, lookup };
    static constexpr std::array wanted_heads = {std::uint64_t{0},  // to none
                                                head_of(32, proto::Operation::allocate),
                                                head_of(8, proto::Operation::release),
                                                head_of(32, proto::Operation::lookup)};

    // A request whose tag and IDs are still to be put in.
    struct Template {
        std::array<std::byte, long_request_size> bytes{};
        std::size_t size = 0;
    };

    struct UnderWay {
        Kind kind = Kind::none;
        std::uint64_t start_ns = 0;
    };

    Result<void, Failure> say_hello();
    Result<void, Failure> ask_in_bulk(Kind kind, std::size_t count);
    Result<void, Failure> hold_apart();
    Result<void, Failure> take(std::span<const std::byte> frame, std::uint64_t now_ns,
                               Tally& tally);
    void make_templates();
    // The first frame of what was read, if all of it is there.
    [[nodiscard]] std::span<const std::byte> frame_at(std::size_t offset) const;
    void put(Kind kind, std::uint16_t tag, std::uint64_t now_ns, ByteWriter& out);
    [[nodiscard]] Kind next_kind() const;
    [[nodiscard]] std::uint64_t release_count() const {
        return work_.releases_singly ? 1 : work_.count;
    }
    void make_any_the_oldest();
    Range take_oldest();
    Id next_to_look_up();

    int socket_;
    std::string pool_name_;
    std::uint16_t pool_ = 0;
    InodWork work_;
    std::array<Template, wanted_heads.size()> templates_;  // by Kind

    // The first IDs of the leases that it holds, the oldest first: a ring.
    std::vector<Id> held_;
    std::size_t first_held_ = 0;
    std::size_t held_count_ = 0;
    std::uint64_t given_back_count_ = 0;  // IDs of the oldest that were released
    std::size_t allocating_count_ = 0;    // allocations under way
    bool is_set_up_ = false;
    std::minstd_rand random_;    // the same numbers in each run
    std::size_t looked_up_ = 0;  // position in the ring, of the next

    std::vector<UnderWay> under_way_;  // by tag - 1
    std::uint16_t depth_;
    std::vector<std::byte> memory_;
    std::size_t size_ = 0;  // bytes of a frame not yet whole
};

void InodDialogue::make_any_the_oldest() {
    const std::size_t position = (first_held_ + random_() % held_count_) % held_.size();
    std::swap(held_[first_held_], held_[position]);
}

Range InodDialogue::take_oldest() {
    const Id first = held_[first_held_] + given_back_count_;
    given_back_count_ += release_count();
    if (given_back_count_ == work_.count) {
        given_back_count_ = 0;
        first_held_ = (first_held_ + 1) % held_.size();
        --held_count_;
    }
    return {first, first + (release_count() - 1)};
}

Id InodDialogue::next_to_look_up() {
    looked_up_ = (looked_up_ + 1) % held_count_;
    return held_[(first_held_ + looked_up_) % held_.size()];
}

void InodDialogue::make_templates() {
    const auto make = [&](Kind kind, const Request::Body& body) {
        Template& made = templates_[static_cast<std::size_t>(kind)];
        ByteWriter out(made.bytes);
        const bool fits = proto::encode_request(out, {.pool = pool_, .tag = 1, .body = body});
        INOD_ASSERT(fits);
        made.size = out.size();
    };
    make(Kind::allocate, proto::AllocateRequest{.count = work_.count});
    make(Kind::release, proto::ReleaseRequest{.range = {1, release_count()}});
    make(Kind::lookup, proto::LookupRequest{.id = 1});
}

void InodDialogue::put(Kind kind, std::uint16_t tag, std::uint64_t now_ns, ByteWriter& out) {
    under_way_[tag - 1U] = {.kind = kind, .start_ns = now_ns};
    Template request = templates_[static_cast<std::size_t>(kind)];
    const auto write = [&](std::size_t offset, auto value) {
        value = to_little_endian(value);
        std::memcpy(request.bytes.data() + offset, &value, sizeof(value));
    };
    write(proto::frame_header_size - sizeof(tag), tag);
    if (kind == Kind::allocate) {
        ++allocating_count_;
    } else if (kind == Kind::lookup) {
        write(first_offset, next_to_look_up());
    } else {
        if (work_.is_scattered && is_set_up_) make_any_the_oldest();
        const Range oldest = take_oldest();
        write(first_offset, oldest.first);
        if (request.size > last_offset) write(last_offset, oldest.last);
    }
    out.put_bytes(std::span(request.bytes).first(request.size));
}

InodDialogue::Kind InodDialogue::next_kind() const {
    if (work_.looks_up) return Kind::lookup;
    const bool enough = held_count_ > 0 && held_count_ + allocating_count_ >= work_.hold_count;
    return enough ? Kind::release : Kind::allocate;
}

void InodDialogue::ask(std::uint16_t tag, std::uint64_t now_ns, ByteWriter& out) {
    put(next_kind(), tag, now_ns, out);
}

Result<void, Failure> InodDialogue::take(std::span<const std::byte> frame, std::uint64_t now_ns,
                                         Tally& tally) {
    const std::uint64_t head = integer_at(frame, 0);
    const std::uint64_t tag = head >> tag_shift;
    if (tag == 0 || tag > under_way_.size()) return refusal(frame);
    UnderWay& request = under_way_[tag - 1U];
    const std::uint64_t wanted = wanted_heads[static_cast<std::size_t>(request.kind)];
    if (head != (wanted | tag << tag_shift)) return refusal(frame);
    if (request.kind == Kind::allocate) {
        const Id first = integer_at(frame, first_offset);
        if (integer_at(frame, last_offset) - first != work_.count - 1) {
            return Failure{Errc::protocol_violation, "a lease of another size"};
        }
        --allocating_count_;
        held_[(first_held_ + held_count_) % held_.size()] = first;
        ++held_count_;
        ++tally.allocations;
    }
    request.kind = Kind::none;
    ++tally.requests;
    tally.latency.add(now_ns - request.start_ns);
    return {};
}

// Empty if it is not there yet. A size that no frame has comes as it is: its header alone.
std::span<const std::byte> InodDialogue::frame_at(std::size_t offset) const {
    const auto bytes = std::span(memory_).first(size_).subspan(offset);
    if (bytes.size() < proto::frame_header_size) return {};
    const std::size_t size =
        std::max<std::size_t>(proto::decode_header(bytes).size, proto::frame_header_size);
    return bytes.size() < size ? std::span<const std::byte>() : bytes.first(size);
}

Result<std::uint64_t, Failure> InodDialogue::received(std::size_t size, std::uint64_t now_ns,
                                                      bool go_on, ByteWriter& out, Tally& tally) {
    size_ += size;
    std::size_t at = 0;
    std::uint64_t count = 0;
    for (auto frame = frame_at(at); !frame.empty(); frame = frame_at(at)) {
        if (const auto taken = take(frame, now_ns, tally); !taken) return taken.error();
        at += frame.size();
        ++count;
        if (go_on) ask(static_cast<std::uint16_t>(integer_at(frame, 0) >> tag_shift), now_ns, out);
    }
    size_ -= at;
    std::memmove(memory_.data(), memory_.data() + at, size_);
    return count;
}

Result<void, Failure> InodDialogue::set_up() {
    auto done = say_hello();
    if (done)
        done = work_.is_scattered ? hold_apart() : ask_in_bulk(Kind::allocate, work_.hold_count);
    is_set_up_ = true;
    return done;
}

// Twice as many, of which those that are odd go. A connection sets up while no other does, so its IDs follow
// each other.
Result<void, Failure> InodDialogue::hold_apart() {
    if (auto done = ask_in_bulk(Kind::allocate, 2 * work_.hold_count); !done) return done;
    std::partition(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(held_count_),
                   [](Id id) { return id % 2 != 0; });
    return ask_in_bulk(Kind::release, work_.hold_count);
}

Result<void, Failure> InodDialogue::clean_up() {
    return ask_in_bulk(Kind::release,
                       (held_count_ * work_.count - given_back_count_) / release_count());
}

Result<void, Failure> InodDialogue::say_hello() {
    std::array<std::byte, 2 + proto::pool_name_size_max> names;
    const auto pools =
        proto::Packed<std::string_view>::pack(std::array{std::string_view(pool_name_)}, names);
    if (!pools) return Failure{Errc::pool_unknown, "too long for a pool's name: " + pool_name_};
    std::array<std::byte, 256> memory;
    ByteWriter out(memory);
    const Request request{.pool = 0, .tag = 1, .body = proto::HelloRequest{.pools = *pools}};
    const bool fits = proto::encode_request(out, request);
    INOD_ASSERT(fits);
    if (auto sent = send_all(socket_, out.written()); !sent) return sent;
    std::span<const std::byte> frame;
    for (; frame.empty(); frame = frame_at(0)) {
        const auto size = receive_some(socket_, room());
        if (!size) return size.error();
        size_ += *size;
    }
    size_ = 0;  // nothing follows: nothing else was asked for
    const auto reply = proto::decode_reply(frame);
    const auto* const hello = reply ? std::get_if<proto::HelloReply>(&reply->body) : nullptr;
    if (hello == nullptr) return refusal(frame);
    auto table = hello->table.pools;
    const auto entry = table.take();
    if (!entry) return Failure{Errc::pool_unknown, pool_name_};
    pool_ = entry->index;
    make_templates();
    return {};
}

// Sends `count` requests of one kind, as many at a time as there are tags.
Result<void, Failure> InodDialogue::ask_in_bulk(Kind kind, std::size_t count) {
    std::array<std::byte, bulk_max * long_request_size> memory;
    Tally ignored;
    while (count > 0) {
        ByteWriter out(memory);
        std::uint64_t left = std::min(count, bulk_max);
        count -= left;
        for (std::uint64_t tag = 1; tag <= left; ++tag)
            put(kind, static_cast<std::uint16_t>(tag), 0, out);
        if (auto sent = send_all(socket_, out.written()); !sent) return sent;
        while (left > 0) {
            const auto size = receive_some(socket_, room());
            if (!size) return size.error();
            const auto replies = received(*size, 0, false, out, ignored);
            if (!replies) return replies.error();
            left -= *replies;
        }
    }
    return {};
}

}  // namespace

std::unique_ptr<Dialogue> make_inod_dialogue(int socket, std::string pool, std::uint16_t depth,
                                             const InodWork& work) {
    return std::make_unique<InodDialogue>(socket, std::move(pool), depth, work);
}

}  // namespace inod::bench
