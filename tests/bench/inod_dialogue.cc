#include <algorithm>
#include <array>
#include <utility>

#include "lib/base/assert.h"
#include "tests/bench/dialogue.h"
#include "tests/bench/socket.h"

namespace inod::bench {
namespace {

using proto::Reply;
using proto::Request;

Failure refusal(const Reply& reply) {
    const auto* const error = std::get_if<proto::ErrorReply>(&reply.body);
    if (error == nullptr) return {Errc::protocol_violation, "a reply of another operation"};
    return {error->error.code, std::string(name(error->error.code)) + ": " +
                                   std::string(explanation(error->error.code))};
}

class InodDialogue final : public Dialogue {
public:
    InodDialogue(int socket, std::string pool, std::uint16_t depth, const InodWork& work)
        : socket_(socket),
          pool_name_(std::move(pool)),
          work_(work),
          held_(work.hold_count + std::max<std::size_t>(depth, bulk_max)),
          under_way_(std::max<std::size_t>(depth, bulk_max)),
          depth_(depth),
          memory_(2 * proto::reply_size_max),
          splitter_(memory_, proto::reply_size_max) {}

    // Says hello and allocates hold_count leases; releases all that are held.
    Result<void, Failure> set_up() override;
    Result<void, Failure> clean_up() override;

    std::span<std::byte> room() noexcept override { return splitter_.prepare(); }
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

    struct UnderWay {
        Kind kind = Kind::none;
        std::uint64_t start_ns = 0;
    };

    Result<void, Failure> say_hello();
    Result<void, Failure> ask_in_bulk(Kind kind, std::size_t count);
    Result<void, Failure> take(const proto::Frame& frame, std::uint64_t now_ns, Tally& tally);
    void put(Kind kind, std::uint16_t tag, std::uint64_t now_ns, ByteWriter& out);
    [[nodiscard]] Kind next_kind() const;
    [[nodiscard]] std::uint64_t release_count() const {
        return work_.releases_singly ? 1 : work_.count;
    }
    Range take_oldest();
    Id next_to_look_up();

    int socket_;
    std::string pool_name_;
    std::uint16_t pool_ = 0;
    InodWork work_;

    // The first IDs of the leases that it holds, the oldest first: a ring.
    std::vector<Id> held_;
    std::size_t first_held_ = 0;
    std::size_t held_count_ = 0;
    std::uint64_t given_back_count_ = 0;  // IDs of the oldest that were released
    std::size_t allocating_count_ = 0;    // allocations under way
    std::size_t looked_up_ = 0;           // position in the ring, of the next

    std::vector<UnderWay> under_way_;  // by tag - 1
    std::uint16_t depth_;
    std::vector<std::byte> memory_;
    proto::FrameSplitter splitter_;
};

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

void InodDialogue::put(Kind kind, std::uint16_t tag, std::uint64_t now_ns, ByteWriter& out) {
    under_way_[tag - 1U] = {.kind = kind, .start_ns = now_ns};
    Request request{
        .pool = pool_, .tag = tag, .body = proto::AllocateRequest{.count = work_.count}};
    if (kind == Kind::allocate) {
        ++allocating_count_;
    } else if (kind == Kind::lookup) {
        request.body = proto::LookupRequest{.id = next_to_look_up()};
    } else {
        request.body = proto::ReleaseRequest{.range = take_oldest()};
    }
    const bool fits = proto::encode_request(out, request);
    INOD_ASSERT(fits);
}

InodDialogue::Kind InodDialogue::next_kind() const {
    if (work_.looks_up) return Kind::lookup;
    const bool enough = held_count_ > 0 && held_count_ + allocating_count_ >= work_.hold_count;
    return enough ? Kind::release : Kind::allocate;
}

void InodDialogue::ask(std::uint16_t tag, std::uint64_t now_ns, ByteWriter& out) {
    put(next_kind(), tag, now_ns, out);
}

Result<void, Failure> InodDialogue::take(const proto::Frame& frame, std::uint64_t now_ns,
                                         Tally& tally) {
    const auto reply = proto::decode_reply(frame.bytes);
    if (!reply) return Failure{reply.error().code, "a reply that no daemon sends"};
    const auto* const lease = std::get_if<proto::LeaseReply>(&reply->body);
    const bool done = std::holds_alternative<proto::DoneReply>(reply->body);
    const bool was_found = std::holds_alternative<proto::LookupReply>(reply->body);
    if (reply->tag == 0 || reply->tag > under_way_.size()) return refusal(*reply);
    UnderWay& request = under_way_[reply->tag - 1U];
    if (lease != nullptr && request.kind == Kind::allocate) {
        --allocating_count_;
        held_[(first_held_ + held_count_) % held_.size()] = lease->range.first;
        ++held_count_;
        ++tally.allocations;
    } else if (!(done && request.kind == Kind::release) &&
               !(was_found && request.kind == Kind::lookup)) {
        return refusal(*reply);
    }
    request.kind = Kind::none;
    ++tally.requests;
    tally.latency.add(now_ns - request.start_ns);
    return {};
}

Result<std::uint64_t, Failure> InodDialogue::received(std::size_t size, std::uint64_t now_ns,
                                                      bool go_on, ByteWriter& out, Tally& tally) {
    splitter_.received(size);
    std::uint64_t count = 0;
    while (const auto frame = splitter_.next()) {
        if (const auto taken = take(*frame, now_ns, tally); !taken) return taken.error();
        ++count;
        if (go_on) ask(frame->header.tag, now_ns, out);
    }
    if (splitter_.error() != Errc::ok) {
        return Failure{splitter_.error(), "the stream of replies is out of step"};
    }
    return count;
}

Result<void, Failure> InodDialogue::set_up() {
    auto done = say_hello();
    if (done) done = ask_in_bulk(Kind::allocate, work_.hold_count);
    return done;
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
    for (;;) {
        const auto size = receive_some(socket_, room());
        if (!size) return size.error();
        splitter_.received(*size);
        const auto frame = splitter_.next();
        if (!frame) continue;
        const auto reply = proto::decode_reply(frame->bytes);
        if (!reply) return Failure{reply.error().code, "a reply that no daemon sends"};
        const auto* const hello = std::get_if<proto::HelloReply>(&reply->body);
        if (hello == nullptr) return refusal(*reply);
        auto table = hello->table.pools;
        const auto entry = table.take();
        if (!entry) return Failure{Errc::pool_unknown, pool_name_};
        pool_ = entry->index;
        return {};
    }
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
