// A daemon for the client's tests that does what the test says, at the level of frames: a listening
// Unix socket in a folder of its own, and a thread that runs the test's script.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "lib/base/owned_fd.h"
#include "lib/client/client.h"
#include "proto/frame.h"
#include "proto/reply.h"
#include "proto/request.h"
#include "proto/resume.h"

namespace inod {

// One accepted connection.
class FakePeer {
public:
    explicit FakePeer(int fd);
    FakePeer(const FakePeer&) = delete;
    FakePeer& operator=(const FakePeer&) = delete;
    ~FakePeer();

    // The next request; what it points to is valid until the next call. Fails the test if the
    // client closed or sent something else.
    proto::Request read();
    // Passes over what comes up to the client's word that it goes on, with this mark, and that word.
    void skip_past(const proto::ResumeMark& mark);
    // Waits until the client has closed. Returns how many bytes it sent before.
    std::size_t read_to_end();

    void send(const proto::Reply& reply);
    void send_bytes(std::span<const std::byte> bytes);
    void close();

    // The last file descriptor that came so far and was not taken yet; not open if none did.
    OwnedFd take_descriptor();

    // Answers the hello with the pools inode (unique, of this index) and pid (cyclic, index 7), and
    // grants the features that it wishes for.
    void greet(std::uint16_t inode_index = 0, std::uint64_t token_epoch = 0);

private:
    bool fill();

    int fd_;
    OwnedFd descriptor_;
    std::vector<std::byte> memory_;
    proto::FrameSplitter splitter_;
};

class FakeDaemon {
public:
    using Accept = std::function<int()>;
    // Starts `script` on a thread; its argument accepts the next connection.
    explicit FakeDaemon(std::function<void(const Accept&)> script);
    FakeDaemon(const FakeDaemon&) = delete;
    FakeDaemon& operator=(const FakeDaemon&) = delete;
    // Waits until the script has ended.
    ~FakeDaemon();

    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string folder_;
    std::string path_;
    int fd_;
    std::thread thread_;
};

std::vector<std::byte> bytes_of(const proto::Reply& reply);

// A client that has been greeted, whose calls wait for 10 s at most.
Client connected_to(const FakeDaemon& daemon);

}  // namespace inod
