#include <algorithm>
#include <cstring>

#include "tests/bench/dialogue.h"
#include "tests/bench/echo.h"

namespace inod::bench {
namespace {

// A request's number is its tag and how many went before it, so that a reply says to which request
// it belongs and comes once.
class EchoDialogue final : public Dialogue {
public:
    explicit EchoDialogue(std::uint16_t depth) : under_way_(depth), memory_(buffer_size) {}

    std::span<std::byte> room() noexcept override { return std::span(memory_).subspan(size_); }

    [[nodiscard]] std::size_t request_size_max() const override { return echo_request_size; }
    Result<std::uint64_t, Failure> received(std::size_t size, std::uint64_t now_ns, bool go_on,
                                            ByteWriter& out, Tally& tally) override;

protected:
    void ask(std::uint16_t tag, std::uint64_t now_ns, ByteWriter& out) override;
    [[nodiscard]] std::uint16_t depth() const override {
        return static_cast<std::uint16_t>(under_way_.size());
    }

private:
    static constexpr std::size_t buffer_size = std::size_t{64} << 10U;

    struct Request {
        std::uint64_t number = 0;
        std::uint64_t start_ns = 0;
    };

    std::vector<Request> under_way_;  // by tag - 1
    std::uint64_t sent_ = 0;
    std::vector<std::byte> memory_;
    std::size_t size_ = 0;  // bytes of a reply not yet whole
};

void EchoDialogue::ask(std::uint16_t tag, std::uint64_t now_ns, ByteWriter& out) {
    const std::uint64_t number = (sent_++ << 16U) | tag;
    under_way_[tag - 1U] = {.number = number, .start_ns = now_ns};
    out.put(number);
    out.put(std::uint64_t{0});
}

Result<std::uint64_t, Failure> EchoDialogue::received(std::size_t size, std::uint64_t now_ns,
                                                      bool go_on, ByteWriter& out, Tally& tally) {
    size_ += size;
    const std::uint64_t count = size_ / echo_reply_size;
    ByteReader in{std::span(memory_).first(size_)};
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto number = in.get<std::uint64_t>();
        in.get_bytes(echo_reply_size - sizeof(number));
        const auto tag = static_cast<std::uint16_t>(number);
        if (tag == 0 || tag > depth() || under_way_[tag - 1U].number != number) {
            return Failure{Errc::protocol_violation, "the echo of nothing that was said"};
        }
        tally.latency.add(now_ns - under_way_[tag - 1U].start_ns);
        if (go_on) ask(tag, now_ns, out);
    }
    tally.requests += count;
    size_ = in.left();
    std::memmove(memory_.data(), memory_.data() + count * echo_reply_size, size_);
    return count;
}

}  // namespace

void Dialogue::start(std::uint64_t now_ns, ByteWriter& out) {
    for (std::uint16_t tag = 1; tag <= depth(); ++tag)
        ask(tag, now_ns, out);
}

std::unique_ptr<Dialogue> make_echo_dialogue(std::uint16_t depth) {
    return std::make_unique<EchoDialogue>(depth);
}

}  // namespace inod::bench
