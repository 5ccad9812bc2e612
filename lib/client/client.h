// What a program links to get numbers from inod: a connection to the daemon's socket.
//
//     auto client = Client::connect({.pools = {"inode"}});
//     if (!client) die(client.error().message);
//     const auto lease = client->allocate("inode", 10);
//     if (!lease) warn(name(lease.error().code), client->error_text());
//
// Blocking calls send one request and wait for its reply. For more at once there is the pipelined
// interface: send() several, flush(), and receive() the replies in whatever order they come. The
// two mix: a blocking call keeps what comes for others until receive() asks for it.
//
// When the connection breaks, what was sent and not answered is *in doubt*: the daemon may have
// carried it out, or not, and only a look (lookup, list) tells. What surely was not sent fails with
// not_connected. The next blocking call connects again by itself and is sent once more only if it
// surely was not sent before; send() does not connect, reconnect() does. A request with a token is never in
// doubt for long: it is just sent again (allocate_once()).
//
// Where the service manager keeps connections (systemd does), a connection outlives the daemon: when that is started
// again the client goes on with the new one by itself, and asks it what was left unanswered, but for what has timed out
// meanwhile. After a stop nothing of it was carried out, so nothing fails; where no daemon follows it comes back as
// not_connected. After a crash a request that cannot be repeated, one that changes something and has no token, is in
// doubt: allocate_once() never is. All others are just asked again. A client that bound holders by send() closes the
// connection instead. A wait or a watch has its whole time anew.
//
// A connection acts as its user's own holder until bind() says otherwise. What was bound is bound again by
// itself when the client connects again. Where that has ended meanwhile there is no connection: each call
// fails with holder_ended (process_unknown of a process that has), until bind() says what to act as instead.
//
// Thread safety: none. One Client per thread, or a lock around it. A Client does not survive a
// fork(): parent and child would share the stream.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "lib/base/owned_fd.h"
#include "lib/base/range.h"
#include "lib/base/result.h"
#include "lib/client/socket.h"
#include "proto/reply.h"
#include "proto/request.h"
#include "proto/stats.h"

namespace inod {

class Pipeline;

inline constexpr const char* default_socket_path = "/run/inod/inod.sock";

struct ClientOptions {
    std::string socket_path = default_socket_path;
    std::vector<std::string> pools;            // Names of those needed; none: all that there are.
    std::chrono::milliseconds timeout{5'000};  // Of connecting and of each blocking call.
    bool passes_descriptors = false;           // send() is to take file descriptors.
};

// A pool as the daemon describes it.
struct PoolInfo {
    std::uint16_t index = 0;  // what stands for it in a request
    proto::PoolPolicy policy = proto::PoolPolicy::unique;
    proto::PoolDurability durability = proto::PoolDurability::lease;
    std::uint32_t lease_count_max = 0;
    Range range{};  // the pool's `min` and `max`
    std::string name;

    friend bool operator==(const PoolInfo&, const PoolInfo&) = default;
};

// A pool in a call: its name, or its index, which spares the search.
class PoolRef {
public:
    PoolRef(std::uint16_t index) : pool_(index) {}        // NOLINT(google-explicit-constructor)
    PoolRef(std::string_view name) : pool_(name) {}       // NOLINT(google-explicit-constructor)
    PoolRef(const char* name) : pool_(name) {}            // NOLINT(google-explicit-constructor)
    PoolRef(const std::string& name) : pool_(name) {}     // NOLINT(google-explicit-constructor)
    PoolRef(const PoolInfo& pool) : pool_(pool.index) {}  // NOLINT(google-explicit-constructor)

private:
    friend class Client;

    std::variant<std::uint16_t, std::string_view> pool_;
};

// What a client may act as: proto::BindRequest, with what it knows of it already.
struct HolderWish {
    proto::Binding binding = proto::Binding::persistent;
    std::string name{};  // of a persistent one, or of one with a time limit; may be empty
    std::chrono::milliseconds ttl{0};  // of one with a time limit, from 1 ms to 49 days
    proto::HolderKey key{};            // of one that is there already; all zero: none
};

// A page of holders, by ascending index.
struct HolderPage {
    struct Entry {
        proto::HolderRecord record;  // but for its name
        std::string name;
    };
    std::vector<Entry> holders;
    bool more = false;  // There are further ones behind the last here.
};

// A page of leases, ascending.
struct LeasePage {
    std::vector<proto::LeaseRecord> leases;
    bool more = false;  // There are further ones above the last here.
};

// What happened in a pool, by ascending LSN.
struct EventPage {
    std::vector<proto::Event> events;
    std::uint64_t next = 0;    // the LSN from which the next page goes on
    std::uint64_t missed = 0;  // Events up to this LSN are missing, before those here; 0: none.
    bool more = false;         // There are further ones already.
};

// How long to wait for something to happen: as long as the daemon is there.
inline constexpr std::chrono::milliseconds for_ever = std::chrono::milliseconds::max();

class Client {
public:
    // Connects and says hello. Errors: not_connected, timed_out, protocol_violation, or what the
    // daemon refused the hello with (pool_unknown, version_unsupported, too_many_connections ...).
    // The message says it all, for people.
    static Result<Client, Failure> connect(ClientOptions options);

    Client(Client&&) noexcept;
    Client& operator=(Client&&) noexcept;
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client();

    // Blocking calls. Errors of each: what PROTOCOL.md lists for the operation; pool_unknown for a
    // name that is not in pool_table(); not_connected, timed_out, in_doubt, protocol_violation as
    // above. After timed_out the request may still be carried out.
    Result<> ping();
    // The first of them is a multiple of `align`.
    Result<proto::LeaseReply> allocate(PoolRef pool, std::uint64_t count = 1,
                                       std::uint64_t align = 1);
    Result<proto::LeaseReply> allocate_at(PoolRef pool, Range range);
    // The same, carried out once however often it is asked for: the first that succeeded is the answer to
    // all that have its token. Where the connection breaks, or the daemon is away for a moment, the client
    // connects anew and asks again, until the timeout: then they fail with timed_out, and the caller may ask
    // again, with the same token. Further errors: token_expired (it is not known whether the request was
    // carried out, and it was not now; new_token() is of the present epoch again), token_mismatch,
    // token_quota. What a holder got is told to no other: acting as one, ask again as the same.
    Result<proto::LeaseReply> allocate_once(PoolRef pool, const proto::Token& token,
                                            std::uint64_t count = 1, std::uint64_t align = 1);
    Result<proto::LeaseReply> allocate_at_once(PoolRef pool, const proto::Token& token,
                                               Range range);
    // A token that no request has had yet, also for send(). It is good for at least as long as the daemon
    // keeps tokens (`token_keep`, an hour by default). Connects, if there is no connection. Error:
    // not_offered if the daemon keeps none.
    Result<proto::Token> new_token();
    // `generation` 0 means none, which only a unique pool accepts.
    Result<> release(PoolRef pool, Range range, std::uint64_t generation = 0);
    // The same of whoever holds it, for those who may.
    Result<> release_of_others(PoolRef pool, Range range, std::uint64_t generation = 0);

    // From here on the client acts as this holder. The answer has its number, and its key if it has
    // one, which proves later, and from another connection, that it is one's own. A holder bound to
    // a process is that of `pidfd`, which stays the caller's, and takes
    // ClientOptions::passes_descriptors; without one it is the process that connected. Where it is
    // refused, the client acts as before. After timed_out the connection is closed, since nobody
    // knows as what it acts.
    Result<proto::BindReply> bind(const HolderWish& wish, std::optional<int> pidfd = std::nullopt);
    // The holder with a time limit that the client acts as lasts its time again; any other stays.
    Result<> renew();
    // A holder gives back all it has, and is at its end: the one that the connection acts as, or any
    // of the same user. Says how many IDs that were.
    Result<std::uint64_t> release_all(std::uint64_t holder = 0);
    // One page from this index on: one's own holders; root sees all.
    Result<HolderPage> holders(std::uint32_t from = 0, std::uint32_t limit = 0);
    // For administrators.
    Result<> reserve(PoolRef pool, Range range);
    Result<> unreserve(PoolRef pool, Range range);
    Result<> advance(PoolRef pool, Id last);
    Result<proto::LookupReply> lookup(PoolRef pool, Id id);
    // The whole run of IDs of that holder; `generation` 0 means any.
    Result<proto::LeaseRecord> lookup_lease(PoolRef pool, Id id, std::uint64_t generation = 0);
    // The numbers at all levels of pools, from the one without a parent down to where it was asked for.
    Result<std::vector<proto::LevelRecord>> lookup_levels(PoolRef pool, Id id,
                                                          std::uint64_t generation = 0);
    Result<proto::LeaseRecord> next(PoolRef pool, Id id);
    // One page: `limit` leases at most, 0 for as many as the daemon puts into one.
    Result<LeasePage> list(PoolRef pool, Id from, std::uint32_t limit = 0);

    // Blocks until the ID is not live any more: released, or its holder has ended. True at once if it is
    // not; false if it still is when `timeout` has passed. `generation` 0 means the present one. What
    // never was handed out is never_allocated.
    Result<bool> wait(PoolRef pool, Id id, std::uint64_t generation = 0,
                      std::chrono::milliseconds timeout = for_ever);
    // Blocks until something has happened in the pool after this LSN, or `timeout` has passed; or where
    // `from` is proto::from_now not at all: the page has no event then, and says where to begin. One
    // page: `limit` events at most, 0 for as many as the daemon puts into one.
    Result<EventPage> watch(PoolRef pool, std::uint64_t from = proto::from_now,
                            std::chrono::milliseconds timeout = for_ever, std::uint32_t limit = 0);

    // Asks the daemon for all pools that this client may use; pool_table() stays what it was.
    Result<std::vector<PoolInfo>> pools();
    Result<std::vector<proto::Stat>> stats(PoolRef pool);
    Result<std::vector<proto::Stat>> daemon_stats();

    // The pools that the hello asked for, by ascending index. New with each connection.
    [[nodiscard]] const std::vector<PoolInfo>& pool_table() const { return table_; }
    // The pool of that name in pool_table(), or null.
    [[nodiscard]] const PoolInfo* find_pool(std::string_view name) const;

    // The pipelined interface. Every request that send() took comes back once from receive(), as
    // the daemon's reply or as an ErrorReply with in_doubt or not_connected.

    // Queues `request`, whose tag is chosen here and returned. Errors, nothing queued then:
    // not_connected; timed_out if under_way_max() requests are under way and unanswered.
    Result<std::uint16_t> send(const proto::Request& request);
    // The same with a file descriptor for the daemon, which stays the caller's. Further errors:
    // descriptor_unexpected if ClientOptions::passes_descriptors was not set, or the daemon is too
    // old for it; io_error if this process can open no more (error_text() says why).
    Result<std::uint16_t> send(const proto::Request& request, int descriptor);
    // Writes all that is queued. Errors: timed_out (the rest stays queued), not_connected.
    Result<> flush(Deadline deadline);
    // The next reply. Flushes first. Lists and texts in it are valid until the next call here.
    // Errors: timed_out, at once if nothing is under way; protocol_violation, once, and then what
    // was under way comes back as in doubt.
    Result<proto::Reply> receive(Deadline deadline);
    [[nodiscard]] std::size_t under_way() const;
    [[nodiscard]] std::size_t under_way_max() const;

    [[nodiscard]] bool connected() const;
    // Connects anew if there is no connection. What was in doubt stays to be received.
    Result<void, Failure> reconnect();

    // About the last call that failed, a sentence for people: the daemon's own, if it sent one.
    [[nodiscard]] const std::string& error_text() const { return error_text_; }

private:
    explicit Client(ClientOptions options);

    using AskForPage = std::function<Result<proto::Reply>(const proto::Request&)>;

    Result<void, Failure> open(Deadline deadline);
    Result<void, Failure> open_once(Deadline deadline);
    void resume(Deadline deadline);
    bool greet_anew(Deadline deadline);
    Result<void, Failure> greet(Deadline deadline);
    Result<> read_table(const proto::PoolsReply& first, std::vector<PoolInfo>& table,
                        const AskForPage& ask);
    Result<proto::Reply> call(const proto::Request& request, Deadline deadline, OwnedFd descriptor,
                              std::chrono::milliseconds waits);
    Result<proto::Reply> exchange(PoolRef pool, const proto::Request& request, Deadline deadline,
                                  std::optional<int> descriptor, std::chrono::milliseconds waits);
    Result<proto::LeaseReply> ask_once(PoolRef pool, const proto::Request& request);
    Result<OwnedFd> duplicate(int descriptor);
    Result<OwnedFd> for_sending(std::optional<int> descriptor);
    Result<proto::Reply> checked(Result<proto::Reply> reply);
    Error failed(Error error, std::string_view text);
    [[nodiscard]] std::optional<std::uint16_t> index_of(PoolRef pool) const;
    Result<std::uint16_t> queue(const proto::Request& request, std::optional<int> descriptor);
    Result<> done(PoolRef pool, const proto::Request::Body& body);
    Result<void, Failure> bind_again(Deadline deadline);
    template <class Body>
    Result<Body> ask(PoolRef pool, const proto::Request::Body& body,
                     std::optional<int> descriptor = std::nullopt,
                     std::chrono::milliseconds waits = std::chrono::milliseconds(0));

    ClientOptions options_;
    std::unique_ptr<Pipeline> pipeline_;
    std::vector<PoolInfo> table_;
    // What each connection is to act as, once bind() has said so.
    struct ActsAs {
        HolderWish wish;  // with its key
        OwnedFd pidfd;    // none: the process that connects
    };
    std::optional<ActsAs> acts_as_;
    std::uint64_t connections_ = 0;  // so far; one that goes on with another daemon counts twice
    bool binds_by_itself_ = false;   // by send(): nobody here knows what the connection acts as
    std::uint64_t token_epoch_ = 0;  // the present one; 0: the daemon keeps no tokens
    std::chrono::steady_clock::time_point token_epoch_told_;
    std::string error_text_;
};

}  // namespace inod
