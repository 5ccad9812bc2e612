#include "proto/resume.h"

#include <algorithm>

namespace inod::proto {

void encode_resumed(ByteWriter& out, const Resumed& resumed) noexcept {
    encode_header(out, {.size = static_cast<std::uint16_t>(resumed_size),
                        .operation = Operation::resume,
                        .flags = flag_reply,
                        .pool = 0,
                        .tag = 0});
    out.put_bytes(resumed.mark);
    out.put(std::uint64_t{static_cast<std::uint8_t>(resumed.unanswered)});
}

Result<Resumed> decode_resumed(const Frame& frame) noexcept {
    const FrameHeader& header = frame.header;
    if (header.operation != Operation::resume) return Errc::operation_unknown;
    const bool fits = header.flags == flag_reply && header.code() == Errc::ok && header.tag == 0 &&
                      frame.bytes.size() == resumed_size;
    if (!fits) return Errc::body_malformed;
    ByteReader in(frame.bytes.subspan(frame_header_size));
    Resumed resumed;
    const auto mark = in.get_bytes(resumed.mark.size());
    std::copy(mark.begin(), mark.end(), resumed.mark.begin());
    const auto unanswered = in.get<std::uint8_t>();
    if (unanswered > static_cast<std::uint8_t>(Unanswered::in_doubt)) return Errc::body_malformed;
    resumed.unanswered = static_cast<Unanswered>(unanswered);
    return resumed;
}

std::array<std::byte, resume_size> encode_resume(const ResumeMark& mark) noexcept {
    std::array<std::byte, resume_size> frame{};
    ByteWriter out(frame);
    encode_header(out, {.size = static_cast<std::uint16_t>(resume_size),
                        .operation = Operation::resume,
                        .flags = 0,
                        .pool = 0,
                        .tag = 0});
    out.put_bytes(mark);
    return frame;
}

}  // namespace inod::proto
