// Requests under way on one connection: gives them tags, writes them, and finds the request that a
// reply belongs to. What Client is built on; programs use Client.
//
// Every request that send() took comes back exactly once: as the daemon's reply, or, when the
// connection is lost, as an ErrorReply with
//   in_doubt       it was handed to the socket: it may have been carried out, or not
//   not_connected  it was not, at least not all of it: it surely was not carried out
//
// A connection can outlive the daemon (proto/resume.h). Then is_resumed() says that the one who has it now is to be
// greeted; until that is done nothing else is sent. What it leaves unanswered is asked again by itself, but for what is
// in doubt and cannot be repeated, which comes back so.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/owned_fd.h"
#include "lib/base/result.h"
#include "lib/client/request_log.h"
#include "lib/client/socket.h"
#include "proto/frame.h"
#include "proto/reply.h"
#include "proto/request.h"
#include "proto/resume.h"

namespace inod {

// Thread safety: none of its own. Allocates; std::bad_alloc passes through and leaves it lost.
class Pipeline {
public:
    Pipeline();

    // Starts anew on `socket`. Requires that there is no connection. Replies not received yet stay.
    void attach(Socket socket);
    [[nodiscard]] bool connected() const { return socket_.is_open(); }

    // How many requests may be under way at once, those that came back and were not received yet
    // included.
    void limit(std::uint32_t under_way_max);
    [[nodiscard]] std::size_t under_way_max() const { return under_way_max_; }
    [[nodiscard]] std::size_t under_way() const { return under_way_; }

    // Queues a request under a tag of our choice, which it returns. With a `descriptor`, that goes
    // along, and is closed here once it is sent or surely never will be. Errors, nothing queued
    // then: not_connected; frame_too_long (a hello); timed_out if under_way_max() requests are under
    // way, none of which was answered in time; descriptor_unexpected if the daemon takes none.
    Result<std::uint16_t> send(const proto::Request& request, OwnedFd descriptor = {});

    // Has the daemon said that it takes descriptors? Not on a new connection, until it has.
    void let_descriptors_pass(bool passes) { passes_descriptors_ = passes; }
    [[nodiscard]] bool passes_descriptors() const { return passes_descriptors_; }

    // Does the connection go on with another daemon? Not on a new connection, until it has said so.
    void let_it_resume(bool resumes) { resumes_ = resumes; }
    // Another daemon has it, and is to be greeted. Then flush(), receive() and await() return at once, whatever else.
    [[nodiscard]] bool is_resumed() const { return resumed_.has_value(); }
    // It will be, by ask(), and nothing else is sent before end_greeting(). Requires is_resumed().
    void begin_greeting();
    // It is: all that is unanswered is sent.
    void end_greeting();

    // Hands all that is queued to the socket, keeping the replies that come meanwhile, since a
    // daemon whose replies nobody reads does not read requests either.
    // Errors: timed_out (the rest stays queued), not_connected.
    Result<> flush(Deadline deadline);

    // The next reply to any request, after flushing. What it points to is valid until the next
    // call.
    // Errors: timed_out (at once if nothing is under way); protocol_violation, once: the connection
    //   is closed and what was under way comes back as in doubt.
    Result<proto::Reply> receive(Deadline deadline);

    // Waits for the reply to a request that was sent, keeping the replies to others. Errors: those of receive(). After
    // timed_out the reply is passed over when it comes.
    Result<proto::Reply> await(std::uint16_t tag, Deadline deadline);
    // What a greeting asks: sends it, and waits for the reply. Errors: those of send() and await(). It is not asked
    // again of another daemon: then it comes back as not_connected.
    Result<proto::Reply> ask(const proto::Request& request, Deadline deadline,
                             OwnedFd descriptor = {});

    // Closes the connection. What is under way comes back as when it is lost.
    void close();

    // Closes the connection because the peer does not speak this protocol, which `text` explains.
    void violation(std::string text);

    // Why the connection was lost, or why the daemon said it would close: for people.
    [[nodiscard]] const std::string& loss_text() const { return loss_text_; }
    // What the daemon said it would close for, if it did.
    [[nodiscard]] const std::optional<Error>& farewell() const { return farewell_; }

private:
    enum class State : std::uint8_t { free, waited_for, passed_over, kept };
    struct Tagged {
        State state = State::free;
        proto::Operation operation = proto::Operation::none;
        bool may_be_done = false;  // The whole of it was handed to the socket.
        bool is_in_doubt = false;  // An earlier daemon may have carried it out.
    };
    struct Unsent {
        std::uint16_t tag;
        std::uint64_t
            begin;  // of its frame, in bytes since output_ was empty and nothing was written
        std::uint64_t end;
    };

    Result<std::uint16_t> take(const proto::Request& request, OwnedFd descriptor,
                               bool is_of_greeting);
    std::uint16_t free_tag();
    void queue(std::uint16_t tag, std::span<const std::byte> frame);
    void forget_output();
    void on_resumed(const proto::Frame& frame);
    void come_back(std::uint16_t tag, Errc code, std::string_view text);
    void settle(std::uint16_t tag);
    void answered(std::uint16_t tag);
    void keep(const proto::Reply& reply);
    std::optional<proto::Reply> take_kept(std::optional<std::uint16_t> tag);
    std::optional<proto::Reply> take_frame();
    void keep_frames();
    bool accept(const proto::Reply& reply);
    std::optional<proto::Frame> next_frame();
    bool move(Deadline deadline);
    void write_some();
    Socket::Moved write_piece();
    void read_some();
    void lost(int error);
    void give_up();

    Socket socket_;
    std::vector<std::byte> input_memory_;
    proto::FrameSplitter input_;
    std::vector<std::byte> output_;
    std::size_t output_begin_ = 0;  // of what is not yet written
    std::uint64_t queued_ = 0;      // bytes, counted as Unsent does
    std::uint64_t written_ = 0;     // likewise
    std::deque<Unsent> unsent_;
    std::map<std::uint16_t, OwnedFd> descriptors_;  // by the tag of the request that they go with
    bool passes_descriptors_ = false;

    bool resumes_ = false;
    bool is_left_ = false;                   // by a daemon that will carry out nothing more
    std::optional<proto::Resumed> resumed_;  // and nobody has begun to greet it
    RequestLog unanswered_;                  // but for those of a greeting

    std::vector<Tagged> tagged_;  // by tag; as many as were needed so far, and some
    std::size_t under_way_ = 0;
    std::size_t under_way_max_;
    std::uint16_t last_tag_ = 0;

    std::deque<std::vector<std::byte>> kept_;  // frames of replies that wait for receive()
    std::vector<std::byte> current_;           // the one that receive() gave out
    bool violated_ = false;                    // and receive() has not said so yet
    std::string loss_text_;
    std::optional<Error> farewell_;
};

}  // namespace inod
