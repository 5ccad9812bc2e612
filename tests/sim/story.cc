#include "tests/sim/story.h"

#include <unistd.h>

namespace inod::sim {

void Story::add(std::string line) {
    if (descriptor_ >= 0) {
        line += '\n';
        // A story that cannot be written has nobody to tell.
        static_cast<void>(!::write(descriptor_, line.data(), line.size()));
        return;
    }
    // Twice as many as are wanted are kept, so that making room is rare.
    if (lines_->size() >= 2 * line_count_) {
        lines_->erase(lines_->begin(), lines_->begin() + static_cast<std::ptrdiff_t>(line_count_));
    }
    lines_->push_back(std::move(line));
}

void Story::on_call(const DiskCall& call) {
    // Reading changes nothing, and a start reads a lot.
    const bool is_reading = call.call == "read" || call.call == "size" || call.call == "open";
    if (is_reading && call.result == Errc::ok) return;
    std::string text = text_of("disk: ", call.call, call.name.empty() ? "" : " ", call.name);
    if (!call.to.empty()) text += text_of(" to ", call.to);
    if (call.size > 0) text += text_of(" at ", call.offset, ", ", call.size, " bytes");
    if (call.result != Errc::ok) text += text_of(": FAILS, ", call.result);
    if (call.result != Errc::ok && call.call == "write") {
        text += text_of(", the first ", call.kept, " bytes are there");
    }
    detail(text);
}

}  // namespace inod::sim
