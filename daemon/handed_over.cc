#include "daemon/handed_over.h"

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "daemon/kept_connections.h"

namespace inod::daemon {
namespace {

// The names, of which sd_listen_fds_with_names(3) gives the strings and the list away.
class Names {
public:
    Names() = default;
    Names(const Names&) = delete;
    Names& operator=(const Names&) = delete;
    ~Names() {
        for (int i = 0; i < count_; ++i)
            std::free(list_[i]);
        std::free(static_cast<void*>(list_));
    }
    int take() {
        const int taken = sd_listen_fds_with_names(1, &list_);
        count_ = taken > 0 && list_ != nullptr ? taken : 0;
        return taken;
    }
    [[nodiscard]] std::string_view of(int i) const { return i < count_ ? list_[i] : ""; }

private:
    char** list_ = nullptr;
    int count_ = 0;
};

bool is_unix_stream(int fd, int is_listening) {
    return sd_is_socket_unix(fd, SOCK_STREAM, is_listening, nullptr, 0) > 0;
}

}  // namespace

Result<HandedOver, Failure> take_handed_over() {
    Names names;
    const int count = names.take();
    HandedOver got;
    int listening = 0;
    bool is_foreign = false;
    for (int i = 0; i < count; ++i) {
        OwnedFd fd(SD_LISTEN_FDS_START + i);
        const std::string_view name = names.of(i);
        const auto slot = KeptConnections::slot_of(name);
        if (is_unix_stream(fd.get(), 1)) {
            ++listening;
            got.listening = std::move(fd);
        } else if (slot && is_unix_stream(fd.get(), 0)) {
            got.connections.push_back({.slot = *slot, .socket = std::move(fd)});
        } else if (name == KeptConnections::table_name) {
            got.table = std::move(fd);
        } else {
            is_foreign = true;
            spdlog::warn("the service manager passed what inod has no use for: name='{}'", name);
        }
    }
    if (listening > 1) {
        return Failure{Errc::io_error, "the service manager passed " + std::to_string(listening) +
                                           " sockets; inod listens on one"};
    }
    const bool is_ours = listening > 0 || got.table || !got.connections.empty();
    if (is_foreign && !is_ours) {
        return Failure{Errc::io_error,
                       "what the service manager passed is not a listening Unix stream socket "
                       "(ListenStream= with a path in the socket unit makes one)"};
    }
    return got;
}

}  // namespace inod::daemon
