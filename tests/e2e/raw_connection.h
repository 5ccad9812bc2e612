// A connection on which a test sends whatever bytes it likes, and sees the frames that come back.
//
// Thread safety: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lib/base/owned_fd.h"
#include "proto/frame.h"
#include "proto/reply.h"
#include "proto/request.h"
#include "tests/proto/encoded.h"

namespace inod::e2e {

using Bytes = std::vector<std::byte>;

// A frame as it came from the daemon.
struct Answer {
    proto::FrameHeader header;
    Bytes bytes;  // all of it

    [[nodiscard]] Errc code() const { return header.code(); }
    // Throws if it is no sound reply. Lists and texts in it point into `bytes`.
    [[nodiscard]] proto::Reply reply() const;
    // Of an error reply; throws if it is none.
    [[nodiscard]] std::uint64_t detail() const;
    [[nodiscard]] std::string text() const;
};

// A frame with this header, its size filled in, and this body.
Bytes frame(std::uint8_t operation, std::uint16_t pool, std::uint16_t tag, const Bytes& body = {},
            std::uint8_t flags = 0);

class RawConnection {
public:
    // Connects; throws where it cannot. All waiting ends after `patience` with an exception.
    explicit RawConnection(const std::string& socket_path);

    // Says hello as `tag` and reads the answer, which it expects to be good, with these features.
    void greet(std::uint16_t tag = 1, std::uint64_t features = 0);

    // False if the daemon has closed the connection meanwhile.
    bool send(const Bytes& bytes);
    bool send(const proto::Request& request) { return send(encoded(request)); }
    // The same with these descriptors.
    bool send(const Bytes& bytes, const std::vector<int>& descriptors);
    // As much as the socket takes without waiting; says how much.
    std::size_t send_some(std::span<const std::byte> bytes);

    // No more will be sent.
    void finish_sending();

    // The next frame; nothing if the daemon closed the connection.
    std::optional<Answer> receive();
    // send() and receive(). Throws if the daemon closed the connection.
    Answer ask(const Bytes& bytes);
    Answer ask(const proto::Request& request) { return ask(encoded(request)); }
    // Has the daemon closed the connection? Waits for it; throws if a frame comes instead.
    bool closed() { return !receive(); }

    [[nodiscard]] int fd() const { return socket_.get(); }

private:
    bool read_more();

    OwnedFd socket_;
    Bytes input_;
    std::size_t begin_ = 0;
};

}  // namespace inod::e2e
