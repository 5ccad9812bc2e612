#include "daemon/descriptor_store.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "lib/base/owned_fd.h"

namespace inod::daemon {
namespace {

// How long a stop waits for a service manager that is busy.
constexpr std::chrono::milliseconds read_patience{5'000};

class Message {
public:
    Message(const char* what, const char* name) noexcept {
        std::snprintf(text_.data(), text_.size(), "%s=1\nFDNAME=%s", what, name);
    }
    [[nodiscard]] const char* text() const noexcept { return text_.data(); }

private:
    std::array<char, 64> text_{};
};

}  // namespace

std::optional<DescriptorStore> DescriptorStore::find() {
    const char* const value = std::getenv("FDSTORE");
    const std::string_view count = value != nullptr ? value : "";
    std::uint64_t count_max = 0;
    const auto parsed = std::from_chars(count.data(), count.data() + count.size(), count_max);
    if (parsed.ec != std::errc() || count_max == 0) return std::nullopt;
    auto socket = NotifySocket::find();
    if (!socket) return std::nullopt;
    return DescriptorStore(*std::move(socket), count_max);
}

bool DescriptorStore::put(const char* name, int descriptor, Patience patience) const noexcept {
    return socket_.send(Message("FDSTORE", name).text(), patience, descriptor);
}

bool DescriptorStore::remove(const char* name, Patience patience) const noexcept {
    return socket_.send(Message("FDSTOREREMOVE", name).text(), patience);
}

// Whoever reads it closes its end of the pipe. Not by sd_notify_barrier(3), which waits without end to send it.
void DescriptorStore::await_read(Patience patience) const noexcept {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return;
    const OwnedFd read_end(ends[0]);
    OwnedFd write_end(ends[1]);
    if (!socket_.send("BARRIER=1", patience, write_end.get())) return;
    write_end = OwnedFd();
    pollfd closed{.fd = read_end.get(), .events = 0, .revents = 0};
    ::poll(&closed, 1, static_cast<int>(read_patience.count()));
}

}  // namespace inod::daemon
