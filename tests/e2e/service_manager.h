// What systemd is to a daemon, for a test: hears what it says (sd_notify(3)), and keeps descriptors for it.
//
// Thread safety: none.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/owned_fd.h"

namespace inod::e2e {

class ServiceManager {
public:
    // Its socket is at `path`.
    explicit ServiceManager(std::string path);

    [[nodiscard]] const std::string& path() const { return path_; }
    // Readable when something was said.
    [[nodiscard]] int fd() const { return socket_.get(); }

    // The next of what was said, without waiting; nothing if there is none.
    std::optional<std::string> hear();
    // All that was said is passed over, but what it does to the store is done.
    void hear_all();

    struct Kept {
        std::string name;
        OwnedFd descriptor;
    };
    // What it keeps, but for connections whose peers have closed them, which are dropped here.
    std::vector<Kept>& kept();
    // How many of them are connections of clients.
    std::size_t kept_connections();

private:
    void keep(const std::string& said, OwnedFd descriptor);

    std::string path_;
    OwnedFd socket_;
    std::vector<Kept> kept_;
};

}  // namespace inod::e2e
