// The load: so many connections, so many requests under way on each, from one thread. It prints
// what came of it as one line of JSON.
//
// Whatever the server, each wake-up costs one read and one write for every connection that has
// replies, so that what differs between two servers is theirs.
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "lib/base/assert.h"
#include "tests/bench/dialogue.h"
#include "tests/bench/socket.h"

namespace inod::bench {
namespace {

struct Options {
    std::string mode = "echo";
    std::string socket;
    std::string pool;
    std::string work = "hold";
    std::uint64_t count = 1;
    std::size_t connections = 1;
    std::uint16_t depth = 1;
    std::size_t hold = 1000;
    unsigned spin_us = 0;
    double warm_up_s = 0.2;
    double seconds = 1;
};

// A server that says nothing for so long is taken for stuck.
constexpr int patience_ms = 10'000;

std::uint64_t now_ns() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

// Leases of 1,000 for those who release alone: while one is allocated, the other is there to be released.
constexpr std::uint64_t stock_count = 1000;
constexpr std::size_t stock_lease_count = 2;

// An echo server does the same whatever it is asked.
bool is_sensible(const Options& options) {
    if (options.mode == "echo" || options.work == "hold") return true;
    const bool is_of_redis = options.work == "increment" || options.work == "record";
    return is_of_redis == (options.mode == "redis");
}

std::unique_ptr<Dialogue> make_dialogue(const Options& options, int socket) {
    const auto depth = options.depth;
    if (options.mode == "echo") return make_echo_dialogue(depth);
    if (options.mode == "redis") {
        const RedisWork work = options.work == "increment" ? RedisWork::increment
                               : options.work == "record"  ? RedisWork::record
                                                           : RedisWork::hold;
        return make_redis_dialogue(socket, depth, work, options.hold);
    }
    InodWork work{.count = options.count, .hold_count = options.hold};
    work.looks_up = options.work == "lookup";
    work.is_scattered = options.work == "scattered";
    if (options.work == "release") {
        work = {.count = stock_count, .hold_count = stock_lease_count, .releases_singly = true};
    }
    return make_inod_dialogue(socket, options.pool, depth, work);
}

struct Connection {
    OwnedFd fd;
    std::unique_ptr<Dialogue> dialogue;
    std::vector<std::byte> unsent = {};  // what did not fit into the socket
};

class Load {
public:
    explicit Load(const Options& options)
        : options_(options), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

    Result<void, Failure> set_up();
    // Measures, after warming up, and lets all that is under way come back.
    Result<void, Failure> run();
    Result<void, Failure> clean_up();

    [[nodiscard]] nlohmann::ordered_json report() const;

private:
    enum class Phase : std::uint8_t { warm_up, measure, finish };

    Result<void, Failure> start();
    Result<void, Failure> await();
    Result<void, Failure> spin();
    Result<void, Failure> converse(Connection& connection);
    Result<void, Failure> send(Connection& connection, std::span<const std::byte> bytes);
    Result<void, Failure> watch(int operation, std::size_t index, std::uint32_t events);
    void step_on(std::uint64_t now);

    const Options& options_;
    OwnedFd epoll_;
    std::vector<Connection> connections_;
    std::vector<std::byte> out_;  // of the connection at hand
    Phase phase_ = Phase::warm_up;
    std::uint64_t phase_start_ns_ = 0;
    std::uint64_t under_way_ = 0;  // requests
    std::uint64_t last_reply_ns_ = 0;
    Tally tally_;
    Tally measured_;
    std::uint64_t measured_ns_ = 0;
};

Result<void, Failure> Load::set_up() {
    for (std::size_t i = 0; i < options_.connections; ++i) {
        auto fd = connect_to(options_.socket);
        if (!fd) return fd.error();
        auto dialogue = make_dialogue(options_, fd->get());
        out_.resize(options_.depth * dialogue->request_size_max());
        connections_.push_back({.fd = std::move(*fd), .dialogue = std::move(dialogue)});
        if (auto done = connections_.back().dialogue->set_up(); !done) return done;
        if (auto done = watch(EPOLL_CTL_ADD, i, EPOLLIN); !done) return done;
    }
    return {};
}

Result<void, Failure> Load::clean_up() {
    for (Connection& connection : connections_) {
        if (auto done = connection.dialogue->clean_up(); !done) return done;
    }
    return {};
}

Result<void, Failure> Load::watch(int operation, std::size_t index, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = index;
    if (::epoll_ctl(epoll_.get(), operation, connections_[index].fd.get(), &event) != 0) {
        return failed("epoll_ctl");
    }
    return {};
}

Result<void, Failure> Load::run() {
    if (auto started = start(); !started) return started;
    while (under_way_ > 0) {
        if (options_.spin_us > 0) {
            if (auto spun = spin(); !spun) return spun;
            if (under_way_ == 0) break;
        }
        if (auto awaited = await(); !awaited) return awaited;
    }
    return {};
}

// Sleeps until there are replies, and goes on with each connection that has some.
Result<void, Failure> Load::await() {
    std::array<epoll_event, 256> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), int{events.size()}, patience_ms);
    if (count < 0 && errno != EINTR) return failed("epoll_wait");
    if (count == 0) return Failure{Errc::timed_out, "no reply in 10 s"};
    for (int i = 0; i < count; ++i) {
        Connection& connection = connections_[events[static_cast<std::size_t>(i)].data.u64];
        if (auto done = converse(connection); !done) return done;
    }
    return {};
}

// Looks at each connection in turn, and goes on with those that have replies, until none has had one for
// spin_us.
Result<void, Failure> Load::spin() {
    const std::uint64_t patience_ns = std::uint64_t{options_.spin_us} * 1000;
    last_reply_ns_ = now_ns();
    while (under_way_ > 0 && now_ns() - last_reply_ns_ < patience_ns) {
        for (Connection& connection : connections_) {
            if (auto done = converse(connection); !done) return done;
        }
    }
    return {};
}

Result<void, Failure> Load::start() {
    phase_start_ns_ = now_ns();
    for (Connection& connection : connections_) {
        ByteWriter out(out_);
        connection.dialogue->start(now_ns(), out);
        under_way_ += options_.depth;
        if (auto sent = send(connection, out.written()); !sent) return sent;
    }
    return {};
}

Result<void, Failure> Load::converse(Connection& connection) {
    const auto room = connection.dialogue->room();
    const ssize_t size = ::recv(connection.fd.get(), room.data(), room.size(), MSG_DONTWAIT);
    if (size == 0) return Failure{Errc::io_error, "the server has closed a connection"};
    if (size < 0) {
        if (errno != EAGAIN && errno != EINTR) return failed("recv");
        return send(connection, {});
    }
    const std::uint64_t now = now_ns();
    last_reply_ns_ = now;
    step_on(now);
    ByteWriter out(out_);
    const bool go_on = phase_ != Phase::finish;
    const auto replies =
        connection.dialogue->received(static_cast<std::size_t>(size), now, go_on, out, tally_);
    if (!replies) return replies.error();
    INOD_ASSERT(!out.overflowed());
    if (!go_on) under_way_ -= *replies;
    return send(connection, out.written());
}

// Sends what could not be sent before and then `bytes`. Reading goes on meanwhile: the server may
// be waiting for that.
Result<void, Failure> Load::send(Connection& connection, std::span<const std::byte> bytes) {
    auto& unsent = connection.unsent;
    const bool was_blocked = !unsent.empty();
    if (was_blocked) {
        unsent.insert(unsent.end(), bytes.begin(), bytes.end());
        bytes = unsent;
    }
    if (bytes.empty()) return {};
    const ssize_t sent =
        ::send(connection.fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return failed("send");
    const auto rest = bytes.subspan(sent < 0 ? 0 : static_cast<std::size_t>(sent));
    if (!was_blocked && rest.empty()) return {};  // as nearly always
    unsent = std::vector<std::byte>(rest.begin(), rest.end());
    if (was_blocked == !unsent.empty()) return {};
    const auto index = static_cast<std::size_t>(&connection - connections_.data());
    return watch(EPOLL_CTL_MOD, index, unsent.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

// Goes to the next phase if the present one is over.
void Load::step_on(std::uint64_t now) {
    const double passed_s = static_cast<double>(now - phase_start_ns_) * 1e-9;
    if (phase_ == Phase::warm_up && passed_s >= options_.warm_up_s) {
        phase_ = Phase::measure;
    } else if (phase_ == Phase::measure && passed_s >= options_.seconds) {
        measured_ = tally_;
        measured_ns_ = now - phase_start_ns_;
        phase_ = Phase::finish;
    } else {
        return;
    }
    tally_ = {};
    phase_start_ns_ = now;
}

nlohmann::ordered_json Load::report() const {
    const double seconds = static_cast<double>(measured_ns_) * 1e-9;
    const auto per_second = [&](std::uint64_t count) {
        return static_cast<double>(count) / seconds;
    };
    return {
        {"mode", options_.mode},
        {"connections", options_.connections},
        {"depth", options_.depth},
        {"seconds", seconds},
        {"requests", measured_.requests},
        {"requests_per_second", per_second(measured_.requests)},
        {"allocations_per_second", per_second(measured_.allocations)},
        {"p50_us", static_cast<double>(measured_.latency.quantile(0.5)) * 1e-3},
        {"p99_us", static_cast<double>(measured_.latency.quantile(0.99)) * 1e-3},
        {"p999_us", static_cast<double>(measured_.latency.quantile(0.999)) * 1e-3},
        {"max_us", static_cast<double>(measured_.latency.quantile(1)) * 1e-3},
    };
}

Result<void, Failure> put_load(const Options& options) {
    Load load(options);
    auto done = load.set_up();
    if (done) done = load.run();
    if (done) done = load.clean_up();
    if (done) std::printf("%s\n", load.report().dump().c_str());
    return done;
}

}  // namespace
}  // namespace inod::bench

int main(int argc, char** argv) {
    inod::bench::Options options;
    CLI::App app{"Puts load on a server and prints, as JSON, how it went"};
    app.add_option("--mode", options.mode,
                   "echo: 16 bytes there, 32 back; inod, redis: their protocols")
        ->check(CLI::IsMember({"echo", "inod", "redis"}))
        ->capture_default_str();
    app.add_option("--work", options.work,
                   "hold: allocate, and release the oldest of --hold; inod: lookup, or release, of "
                   "leases of 1,000; redis: increment, or record, which keeps all")
        ->check(CLI::IsMember({"hold", "scattered", "lookup", "release", "increment", "record"}))
        ->capture_default_str();
    app.add_option("--socket", options.socket, "Where the server listens")->required();
    app.add_option("--pool", options.pool, "inod: the pool, a unique one");
    app.add_option("--connections", options.connections, "How many")
        ->check(CLI::Range(1, 60'000))
        ->capture_default_str();
    app.add_option("--depth", options.depth, "Requests under way on each connection")
        ->check(CLI::Range(1, 65'535))
        ->capture_default_str();
    app.add_option("--count", options.count, "inod: IDs in an allocation")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
    app.add_option("--spin-us", options.spin_us,
                   "Microseconds of looking for replies before it sleeps")
        ->check(CLI::Range(0, 1'000'000))
        ->capture_default_str();
    app.add_option("--hold", options.hold, "Allocations that a connection holds")
        ->check(CLI::Range(1, 10'000'000))
        ->capture_default_str();
    app.add_option("--warm-up", options.warm_up_s, "Seconds before the measured ones")
        ->capture_default_str();
    app.add_option("--seconds", options.seconds, "Seconds measured")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    if (!inod::bench::is_sensible(options)) {
        std::fprintf(stderr, "load: %s has no --work %s\n", options.mode.c_str(),
                     options.work.c_str());
        return 2;
    }
    const auto done = inod::bench::put_load(options);
    if (!done) {
        std::fprintf(stderr, "load: %s\n", done.error().message.c_str());
        return 1;
    }
    return 0;
}
