#include "tests/systemd/load.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace inod {
namespace {

using Clock = std::chrono::steady_clock;

// Whatever takes longer is a failure.
constexpr std::chrono::seconds patience{60};

Client connected() {
    return Client::connect({.pools = {}, .timeout = patience}).value();
}

bool is_lost(Errc code) {
    return code == Errc::in_doubt || code == Errc::not_connected;
}

}  // namespace

LoadedClient::LoadedClient(const LoadOptions& options, Observed& observed)
    : options_(options),
      observed_(observed),
      client_(connected()),
      pool_(client_.find_pool(options.pool)->index),
      last_reply_(Clock::now()),
      thread_([this] { run(); }) {}

LoadedClient::~LoadedClient() {
    ends_ = true;
    thread_.join();
}

void LoadedClient::run() {
    try {
        while (!ends_) {
            while (under_way_.size() < options_.depth)
                send_next();
            receive();
        }
        while (!under_way_.empty())
            receive();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "a client ended: %s\n", error.what());
        ++observed_.failed;
    }
}

void LoadedClient::send_next() {
    if (options_.gives_back && !to_release_.empty()) {
        const Id id = to_release_.back();
        to_release_.pop_back();
        send({.request = {.pool = pool_, .body = proto::ReleaseRequest{.range = {id, id}}},
              .released = id});
        return;
    }
    proto::Request allocate{.pool = pool_, .body = proto::AllocateRequest{}};
    if (options_.has_tokens) allocate.token = new_token();
    send({.request = allocate});
}

proto::Token LoadedClient::new_token() {
    for (;;) {
        if (const auto token = client_.new_token()) return *token;
        connect_again();
    }
}

void LoadedClient::send(const UnderWay& what) {
    const auto tag = client_.send(what.request);
    if (tag) {
        under_way_.emplace(*tag, what);
        return;
    }
    connect_again();
    under_way_.emplace(client_.send(what.request).value(), what);
}

void LoadedClient::receive() {
    const auto reply = client_.receive(Clock::now() + patience).value();
    auto found = under_way_.extract(reply.tag);
    const UnderWay what = found.mapped();
    const auto* const error = std::get_if<proto::ErrorReply>(&reply.body);
    if (error != nullptr && options_.has_tokens && is_lost(error->error.code)) {
        send(what);
        return;
    }
    note_reply();
    if (error == nullptr) {
        take(reply, what);
        return;
    }
    if (++observed_.failed < 10) {
        std::fprintf(stderr, "refused: %s %s\n", std::string(name(error->error.code)).c_str(),
                     std::string(error->text).c_str());
    }
}

void LoadedClient::note_reply() {
    const auto now = Clock::now();
    const auto pause =
        std::chrono::duration_cast<std::chrono::microseconds>(now - last_reply_).count();
    last_reply_ = now;
    std::int64_t longest = longest_pause_us_;
    while (pause > longest && !longest_pause_us_.compare_exchange_weak(longest, pause)) {
    }
    ++answered_;
    ++observed_.answered;
}

void LoadedClient::take(const proto::Reply& reply, const UnderWay& what) {
    if (what.released != 0) return;
    const Id id = std::get<proto::LeaseReply>(reply.body).range.first;
    if (!observed_.ever.insert(id)) ++observed_.repeated;
    if (options_.gives_back) {
        to_release_.push_back(id);
    } else {
        observed_.live.insert(id);
    }
}

// What is under way comes back by itself.
void LoadedClient::connect_again() {
    const auto deadline = Clock::now() + patience;
    ++observed_.reconnects;
    while (!client_.reconnect()) {
        if (Clock::now() >= deadline) throw std::runtime_error(client_.error_text());
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

}  // namespace inod
