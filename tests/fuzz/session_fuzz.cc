// Promise: whatever bytes a client sends, in whatever pieces, with whatever descriptors, and however it
// reads or ends, it gets no answer that is none, its session ends when it does, and all else is sound.
// Method: an input is what several clients do at once, each with a session of its own in one World. Every
// frame that comes back is checked as it comes (session_client.h); at the end all sessions are closed, and
// what they took must be given back. A broken promise ends the process. INOD_FUZZ_TRACE=1 prints what is asked
// and answered.
//
//   byte 0    bit 0: nothing but a stream of bytes on one connection; bit 1: each begins with a hello;
//             bit 2: with descriptors; bit 3: little memory; bit 4: small buffers; bits 5 and 6: how long
//             requests take
//   byte 1    of a stream: how it is split
//   then      the stream; or steps: a byte that says which, on which connection (bits 4 and 5), whether all
//             is sent behind it (bit 6) and everything that is ready then goes on (bit 7); and as many as
//             that step takes; 0 where the input ends
#include <array>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "lib/base/assert.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/session_client.h"
#include "tests/fuzz/session_requests.h"
#include "tests/fuzz/session_world.h"

namespace inod::daemon {
namespace {

constexpr std::size_t everything = std::size_t{1} << 20U;

class Program {
public:
    explicit Program(Input input) : input_(input), how_(input_.byte()), world_(options_of(how_)) {}

    void run() {
        if ((how_ & 1U) != 0) {
            stream();
        } else {
            while (!input_.empty())
                step();
        }
        end_all();
        if (const auto wrong = world_.verify()) {
            std::cerr << *wrong << '\n';
            INOD_UNREACHABLE("verify() found something");
        }
    }

private:
    static WorldOptions options_of(std::uint8_t how) {
        constexpr std::uint64_t us_per_look[] = {0, 1, 10, 40};
        return {.little_memory = (how & 8U) != 0,
                .small_buffers = (how & 16U) != 0,
                .us_per_look = us_per_look[how / 32U % 4U]};
    }

    // Null if there is no session to be had.
    SessionClient* client(std::size_t number) {
        auto& client = clients_[number];
        if (client) return &*client;
        if (world_.is_stopping()) return nullptr;
        OwnedFd socket = world_.connect(user_of_[number]);
        if (!socket) return nullptr;
        client.emplace(std::move(socket), learnt_);
        const std::uint64_t features = (how_ & 4U) != 0 ? proto::feature_descriptors : 0;
        if ((how_ & 2U) != 0) client->put(hello_frame(features));
        return &*client;
    }

    void stream() {
        const std::uint8_t split = input_.byte();
        const std::size_t piece_max = split < 128 ? 1U + split : std::size_t{1} << (split % 16U);
        SessionClient* const sender = client(0);
        if (sender == nullptr) return;
        sender->send(everything);
        for (std::size_t i = 1; !input_.empty(); ++i) {
            sender->put(input_.bytes(1 + 7 * i % piece_max));
            sender->send(everything);
            world_.turn_all();
            sender->receive(everything);
        }
    }

    // Steps.

    void step() {
        const std::uint8_t what = input_.byte();
        const std::size_t number = what / 16U % 4U;
        SessionClient* const at = client(number);
        if (at == nullptr) {
            // It may be there later; until then other things go on.
            world_.turn_all();
            return;
        }
        act(what % 16U, *at, number);
        if (!clients_[number]) return;
        if ((what & 64U) != 0) at->send(everything);
        if ((what & 128U) != 0) world_.turn_all();
    }
    void act(unsigned what, SessionClient& at, std::size_t number) {
        switch (what) {
            case 8: at.put(input_.bytes(input_.byte() % 64U)); break;
            case 9: at.put(damaged(request_frame(input_, learnt_))); break;
            case 10: at.send(1U + input_.byte()); break;
            case 11: pass_descriptors(at); break;
            case 12: turn(input_.byte() % 16U); break;
            case 13: at.receive(std::size_t{16} * (1U + input_.byte())); break;
            case 14: end(number, input_.byte()); break;
            case 15: rare(input_.byte()); break;
            default: at.put(request_frame(input_, learnt_)); break;
        }
    }
    std::vector<std::byte> damaged(std::vector<std::byte> frame) {
        const std::size_t at = input_.byte() % frame.size();
        frame[at] ^= static_cast<std::byte>(input_.byte());
        return frame;
    }
    void pass_descriptors(SessionClient& at) {
        const std::uint8_t how = input_.byte();
        at.pass_descriptors(1U + how / 2U % 2U, how % 2U == 0);
    }
    void turn(unsigned handlers) {
        while (handlers-- > 0 && world_.turn()) {
        }
    }
    // In the middle of whatever it is; or only its side of it. The next is another user's.
    void end(std::size_t number, std::uint8_t how) {
        if (how % 4U == 0) {
            clients_[number]->finish_sending();
            return;
        }
        clients_[number].reset();
        user_of_[number] = how / 4U % World::user_count;
    }
    void rare(std::uint8_t what) {
        switch (what % 8U) {
            case 0: world_.pass_time(std::uint64_t{1} << (what / 8U)); break;
            case 1: world_.end_the_gone(); break;
            case 2: world_.settle(); break;
            case 3: world_.await_event(); break;
            case 4: world_.fill_disk(); break;
            case 5:
                if (what >= 248) world_.stop(Errc::shutting_down);
                break;
            default: receive_all(); break;
        }
    }
    bool receive_all() {
        bool has_received = false;
        for (auto& client : clients_) {
            while (client && client->receive(everything))
                has_received = true;
        }
        return has_received;
    }

    // The end: everybody sends the rest, reads all, and closes.

    void end_all() {
        for (auto& client : clients_) {
            if (client) send_rest(*client);
        }
        for (auto& client : clients_) {
            if (client) await_answers(*client);
        }
        for (auto& client : clients_) {
            if (client) end(*client);
            client.reset();
        }
        await([this] { return world_.session_count() == 0; });
    }
    // Turns until it is so. What comes meanwhile is read.
    template <class Condition>
    void await(Condition condition) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        while (!condition()) {
            INOD_ASSERT(std::chrono::steady_clock::now() < deadline);
            world_.turn_all();
            receive_all();
            if (!condition()) world_.await_event();
        }
    }
    void send_rest(SessionClient& client) {
        // What comes last is answered last, of all that is answered at once.
        if (client.is_in_step() && client.has_asked()) client.put(ping_frame());
        await([&client] {
            while (client.send(everything)) {
            }
            return !client.has_more_to_send() || client.has_ended() || !client.is_sending();
        });
    }
    // Who was not refused has an answer to everything but what may wait for ever.
    void await_answers(const SessionClient& client) {
        await([this, &client] {
            return client.others_unanswered() == 0 || client.has_ended() || client.is_refused() ||
                   client.is_broken() || world_.is_stopping();
        });
    }
    void end(SessionClient& client) {
        settle();
        const std::uint64_t used = world_.memory_used();
        const std::size_t parked = parked_requests();
        const bool is_counted = is_at_rest(client);
        client.finish_sending();
        await([&client] { return client.has_ended(); });
        const bool is_answered = client.is_broken() || client.is_refused() ||
                                 world_.is_stopping() || client.others_unanswered() == 0;
        INOD_ASSERT(is_answered);
        if (!is_counted || client.is_broken()) return;
        settle();
        const std::uint64_t given_back = Session::memory_size(world_.allocator()) +
                                         (parked - parked_requests()) * sizeof(LongRequest);
        INOD_ASSERT(world_.memory_used() == used - given_back);
    }
    // Does nothing go with it but what the session itself took? A holder may end with the connection.
    bool is_at_rest(const SessionClient& client) {
        return !client.has_ended() && !client.is_refused() && client.is_in_step() &&
               !world_.is_stopping() && world_.is_at_rest();
    }
    // Of all sessions. Requires settle().
    std::size_t parked_requests() const {
        std::size_t count = 0;
        for (const auto& client : clients_) {
            if (client && !client->has_ended()) count += client->long_unanswered();
        }
        return count;
    }
    // And all replies are read.
    void settle() {
        do {
            world_.settle();
        } while (receive_all());
    }

    Input input_;
    const std::uint8_t how_;
    World world_;
    Learnt learnt_;
    std::array<std::size_t, 4> user_of_{0, 1, 2, 3};
    std::array<std::optional<SessionClient>, 4> clients_;
};

void run(Input input) {
    // What is made once is there.
    static const bool is_warm = [] {
        Program(Input({})).run();
        return true;
    }();
    INOD_ASSERT(is_warm);
    const std::size_t descriptors = open_descriptors();
    Program(input).run();
    INOD_ASSERT(come_down_to(descriptors));
}

}  // namespace
}  // namespace inod::daemon

// The name is libFuzzer's. NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    inod::daemon::run(inod::Input({data, size}));
    return 0;
}
