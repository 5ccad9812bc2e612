#include "daemon/server.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/acceptor.h"
#include "daemon/boot_time.h"
#include "daemon/closer.h"
#include "daemon/connections.h"
#include "daemon/descriptor_limit.h"
#include "daemon/event_loop.h"
#include "daemon/file_system.h"
#include "daemon/flusher.h"
#include "daemon/handed_over.h"
#include "daemon/heartbeat.h"
#include "daemon/io_thread.h"
#include "daemon/kept_connections.h"
#include "daemon/listener.h"
#include "daemon/machine_identity.h"
#include "daemon/memory_limit.h"
#include "daemon/process_holders.h"
#include "daemon/service_manager.h"
#include "daemon/signals.h"
#include "daemon/timer.h"
#include "daemon/user_connections.h"
#include "lib/allocator/allocator.h"
#include "lib/base/bytes.h"
#include "lib/base/posix_storage.h"
#include "lib/base/random_id.h"
#include "lib/journal/segment.h"
#include "lib/journal/stale_copy.h"
#include "lib/journal/witness_directory.h"

namespace inod::daemon {
namespace {

// How long clients that do not read their replies can hold up a stop.
constexpr std::chrono::seconds stop_patience{5};

// How long a stop may go on serving, to have the next start be quick: together it is less than the ten seconds after which
// others than systemd kill whom they stop.
constexpr std::chrono::seconds snapshot_patience{4};

std::uint64_t steady_us() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

// Tells a client why it gets no session. It has sent nothing that would have to be read first, and
// the frame fits any socket's buffer.
void send_refusal(const OwnedFd& socket, Errc code) {
    std::array<std::byte, 256> memory;
    ByteWriter out(memory);
    Dispatcher::encode_refusal(code, out);
    ::send(socket.get(), out.written().data(), out.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

// What an earlier daemon left, and where this one leaves the like.
struct Inheritance {
    std::unique_ptr<KeptConnections> kept;  // null: no connection outlives the daemon
    std::vector<ReturnedConnection> returned;
};

class Server final : private Polled {
public:
    // `shares` are kept within.
    Server(const Config& config, const LoadConfig& load, Allocator& allocator, Listener listener,
           Inheritance inheritance, const DescriptorShares& shares, std::uint64_t run);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server() override;

    // Serves until the end. True if everything is on stable storage. Throws only before it is ready.
    bool run();

private:
    std::unique_ptr<ProcessHolders> find_processes();
    // Processes that the daemon watches have ended.
    void on_ready(Readiness ready) override;
    void stop_watching() noexcept;
    Dispatcher::Gone end_the_gone() INOD_REQUIRES(flusher_lock);
    void on_accept_failure(int error);
    void on_signal(int signal);
    bool serve_and_stop();
    bool run_events();
    [[nodiscard]] bool take_memory_for_session();
    void open_session(OwnedFd socket, std::optional<KeptSlot> slot = std::nullopt);
    void resume_all(std::vector<ReturnedConnection> returned);
    void refuse(const OwnedFd& socket, Errc code);
    void serve(Newcomer newcomer);
    [[nodiscard]] SharedByConnections shared_by_connections(std::uint64_t run);
    void start_threads(std::uint64_t run);
    void on_connection_end();
    void begin_stop(Errc reason);
    [[nodiscard]] bool shorten_next_start();
    void on_patience_lost();
    void end_threads() noexcept;
    void on_journal_failure(const Failure& failure);

    const Config& config_;
    DescriptorShares shares_;  // what connections have of it follows a reload
    Allocator& allocator_;
    EventLoop loop_;
    Signals signals_;  // before there is another thread
    Listener listener_;
    const std::unique_ptr<KeptConnections> kept_;  // or null
    Timer patience_;                               // of a stop
    Task snapshot_written_;
    bool is_shortening_ = false;  // the next start, before it stops
    Flusher flusher_;
    Closer closer_;
    UserConnections connected_;
    std::unique_ptr<ProcessHolders> processes_;
    bool is_watching_ = false;  // the ends of processes
    Connections connections_;   // of this thread
    Heartbeat::Threads threads_;
    Heartbeat heartbeat_;
    Reload reload_;
    Task connection_ended_;  // on another thread
    Task thread_failed_;
    std::atomic<bool> has_failed_ = false;  // a thread
    Acceptor acceptor_;
    bool stopping_ = false;
    bool refusing_ = false;
    bool journal_failed_ = false;
};

Server::Server(const Config& config, const LoadConfig& load, Allocator& allocator,
               Listener listener, Inheritance inheritance, const DescriptorShares& shares,
               std::uint64_t run)
    : config_(config),
      shares_(shares),
      allocator_(allocator),
      loop_(std::chrono::microseconds(config.poll_us)),
      signals_(loop_, [this](int signal) { on_signal(signal); }),
      listener_(std::move(listener)),
      kept_(std::move(inheritance.kept)),
      patience_(loop_, [this] { on_patience_lost(); }),
      snapshot_written_([this] { begin_stop(Errc::shutting_down); }),
      flusher_(loop_, allocator, std::chrono::seconds(config.snapshot_age_max),
               [this](const Failure& failure) { on_journal_failure(failure); }),
      processes_(find_processes()),
      connections_(loop_, shared_by_connections(run)),
      heartbeat_(loop_, flusher_, allocator, connected_, threads_),
      reload_({.loop = loop_,
               .allocator = allocator,
               .flusher = flusher_,
               .heartbeat = heartbeat_,
               .connections = connections_,
               .threads = threads_,
               .processes = processes_.get(),
               .shares = shares_},
              config, load),
      connection_ended_([this] { on_connection_end(); }),
      thread_failed_([this] { loop_.stop(); }),
      acceptor_(
          loop_, OwnedFd(listener_.release_socket()),
          [this](OwnedFd socket) { open_session(std::move(socket)); },
          [this](int error) { on_accept_failure(error); }) {
    start_threads(run);
    resume_all(std::move(inheritance.returned));
    if (!processes_) return;
    is_watching_ =
        loop_.add(processes_->descriptor(), *this, EventLoop::Trigger::level).has_value();
    if (!is_watching_)
        spdlog::warn("ends of processes are only noticed late: no memory to wait for them");
}

void Server::resume_all(std::vector<ReturnedConnection> returned) {
    if (returned.empty()) return;
    const std::size_t count = returned.size();
    for (ReturnedConnection& connection : returned)
        open_session(std::move(connection.socket), std::move(connection.slot));
    spdlog::info("connections of the daemon before are resumed: count={} of={}", connected_.count(),
                 count);
}

// Of those of this thread; those of the others only tell it in another way when one is over.
SharedByConnections Server::shared_by_connections(std::uint64_t run) {
    return {.allocator = allocator_,
            .flusher = flusher_,
            .config = config_,
            .processes = processes_.get(),
            .closer = closer_,
            .kept = kept_.get(),
            .numbers =
                [this, run] {
                    return DaemonNumbers{.connections = connected_.count(),
                                         .groups_synced = flusher_.groups_synced(),
                                         .run = run};
                },
            .end_the_gone = [this]() INOD_REQUIRES(flusher_lock) { return end_the_gone(); },
            .now_us = steady_us,
            .on_end =
                [this](std::uint32_t uid) {
                    connected_.remove(uid);
                    on_connection_end();
                }};
}

void Server::start_threads(std::uint64_t run) {
    SharedByConnections shared = shared_by_connections(run);
    shared.on_end = [this](std::uint32_t uid) {
        connected_.remove(uid);
        loop_.post_from_any_thread(connection_ended_);
    };
    const auto on_failure = [this](std::string_view what) {
        spdlog::critical("stopped in the middle: {}", what);
        has_failed_ = true;
        loop_.post_from_any_thread(thread_failed_);
    };
    while (threads_.size() + 1 < config_.threads) {
        threads_.push_back(std::make_unique<IoThread>(std::chrono::microseconds(config_.poll_us),
                                                      shared, on_failure));
    }
}

Server::~Server() {
    stop_watching();
}

void Server::stop_watching() noexcept {
    if (std::exchange(is_watching_, false)) loop_.remove(processes_->descriptor(), *this);
}

bool Server::run() {
    try {
        heartbeat_.begin(config_.pools.size());
        return serve_and_stop();
    } catch (const std::exception& error) {
        spdlog::critical("stopped in the middle: {}", error.what());
        return false;
    }
}

// Those of the life before too. Null if the kernel does not let us.
std::unique_ptr<ProcessHolders> Server::find_processes() {
    auto made = ProcessHolders::create(allocator_, closer_, shares_.processes);
    if (!made) {
        spdlog::warn("no holder can be bound to a process: {}", made.error().message);
        return nullptr;
    }
    Flusher::Guard guard(flusher_);
    const std::size_t unproven = (*made)->reopen_all();
    flusher_.notify(std::move(guard));
    if (unproven > 0) {
        spdlog::warn(
            "holders are kept whose processes could not be found, nor be proven to have ended, or "
            "not be "
            "watched, for lack of file descriptors or memory: count={}; 'inoctl holders' lists "
            "them, 'inoctl release --all' ends one",
            unproven);
    }
    return std::move(*made);
}

void Server::on_ready(Readiness /*ready*/) {
    Flusher::Guard guard(flusher_);
    processes_->end_some();
    flusher_.notify(std::move(guard));
}

void Server::on_signal(int signal) {
    if (signal == SIGHUP) {
        reload_.begin();
        return;
    }
    spdlog::info("stopping: signal={}", signal == SIGTERM ? "SIGTERM" : "SIGINT");
    if (stopping_ || shorten_next_start()) return;
    begin_stop(Errc::shutting_down);
}

// True if the stop begins when that is done. Asked again it is not waited for.
bool Server::shorten_next_start() {
    if (std::exchange(is_shortening_, true)) return false;
    Flusher::Guard guard(flusher_);
    const bool waits = flusher_.shorten_next_start(snapshot_written_);
    flusher_.notify(std::move(guard));
    if (!waits) return false;
    spdlog::info("serving on until a snapshot is written, for a quick start");
    patience_.set_after(snapshot_patience);
    return true;
}

// Of many processes that have ended some come first, and the connections at the end.
Dispatcher::Gone Server::end_the_gone() {
    const auto ended = processes_ ? processes_->end_some() : ProcessHolders::Ended();
    if (ended.may_be_more) return {.looked_at = ended.count, .may_be_more = true};
    connections_.end_the_gone();
    for (const auto& thread : threads_)
        thread->end_the_gone();
    return {.looked_at = ended.count + connected_.count(), .may_be_more = false};
}

bool Server::serve_and_stop() {
    const bool ended = run_events();
    end_threads();
    connections_.abort_all();
    flusher_.stop();
    if (!ended || has_failed_) return false;
    if (!allocator_.journal().sealed()) return true;
    if (!journal_failed_)
        spdlog::critical("journal: a write failed during the stop; check the disk");
    return false;
}

// Until there are none left. False if something went wrong that nobody was prepared for, the lack of
// memory most of all; then the journal is left as after a crash, which is what recovery is for.
bool Server::run_events() {
    try {
        loop_.run();
        return true;
    } catch (const std::exception& error) {
        spdlog::critical("stopped in the middle: {}", error.what());
        return false;
    }
}

void Server::on_accept_failure(int error) {
    spdlog::warn("accept failed, trying again until it works: error='{}' connections={}",
                 std::system_category().message(error), connected_.count());
}

// Not without what released numbers took, which nobody has given back yet.
bool Server::take_memory_for_session() {
    const std::size_t size = Session::memory_size(allocator_);
    if (allocator_.memory().take(size)) return true;
    const Flusher::Guard guard(flusher_);
    allocator_.trim();
    return allocator_.memory().take(size);
}

void Server::open_session(OwnedFd socket, std::optional<KeptSlot> slot) {
    try {
        auto peer = peer_of(socket.get());
        if (!peer) {
            spdlog::warn("connection closed: {}", peer.error().message);
        } else if (connected_.count() >= shares_.connections) {
            refuse(socket, Errc::too_many_connections);
        } else if (connected_.count_of(peer->uid) >=
                   connections_.limits_of_user(peer->uid).connections) {
            send_refusal(socket, Errc::quota_exceeded);
        } else {
            connected_.add(peer->uid);
            if (take_memory_for_session()) {
                serve({.socket = std::move(socket),
                       .peer = std::move(*peer),
                       .slot = std::move(slot)});
            } else {
                connected_.remove(peer->uid);
                refuse(socket, Errc::out_of_memory);
            }
        }
    } catch (const std::bad_alloc&) {
        spdlog::warn("connection closed: the system has no memory, connections={}",
                     connected_.count());
    }
    // Of one that came back and is not served the peer is to see the end, though others may have it open.
    if (socket && slot) ::shutdown(socket.get(), SHUT_RDWR);
}

// On the thread that has the fewest connections.
void Server::serve(Newcomer newcomer) {
    refusing_ = false;
    std::uint64_t fewest = connections_.count();
    IoThread* on = nullptr;
    for (const auto& thread : threads_) {
        const std::uint64_t count = thread->count();
        if (count >= fewest) continue;
        fewest = count;
        on = thread.get();
    }
    if (on == nullptr) {
        connections_.open(std::move(newcomer));
    } else {
        on->open(std::move(newcomer));
    }
}

void Server::on_connection_end() {
    acceptor_.try_again();
    if (stopping_ && connected_.count() == 0) loop_.stop();
}

// Says so in the log once, until a connection is taken again.
void Server::refuse(const OwnedFd& socket, Errc code) {
    if (!refusing_) {
        spdlog::warn("connections are refused: {}, connections={}", name(code), connected_.count());
    }
    refusing_ = true;
    send_refusal(socket, code);
}

// Answers what was read, then closes; whoever does not read is left behind after a while.
void Server::begin_stop(Errc reason) {
    if (stopping_) return;
    stopping_ = true;
    service_manager::tell_stopping();
    reload_.abandon();
    acceptor_.stop();
    stop_watching();
    // Before anybody is told: who then leaves on another thread may be seen there before it ends.
    for (const auto& thread : threads_)
        thread->announce_end();
    for (const auto& thread : threads_)
        thread->finish_all(reason);
    connections_.finish_all(reason);
    patience_.set_after(stop_patience);
    if (connected_.count() == 0) loop_.stop();
}

void Server::on_patience_lost() {
    if (!stopping_) {
        begin_stop(Errc::shutting_down);
        return;
    }
    spdlog::warn("stopping without those who do not read their replies: connections={}",
                 connected_.count());
    loop_.stop();
}

void Server::end_threads() noexcept {
    for (const auto& thread : threads_)
        thread->stop();
}

void Server::on_journal_failure(const Failure& failure) {
    spdlog::critical(
        "journal: {}. Nothing is handed out or taken back any more; check the disk, then start "
        "again: {}",
        name(failure.code), failure.message);
    service_manager::tell_failed(failure);
    journal_failed_ = true;
    begin_stop(Errc::journal_sealed);
    loop_.stop();
}

// --- the start ---------------------------------------------------------------------------------

void log_recovery(const Recovery& recovery, const Allocator& allocator, const Config& config) {
    if (recovery.torn_tail) {
        spdlog::warn("journal: torn tail cut, segment={} offset={} lsn={}",
                     recovery.torn_tail->segment, recovery.torn_tail->offset,
                     recovery.torn_tail->lsn);
    }
    for (const std::string& pool : allocator.dormant_pools()) {
        spdlog::warn("pool kept but not served, since the configuration lacks it: pool={}", pool);
    }
    spdlog::info("serving: socket={} state={} run={} pools={} lsn={} last_stop={}", config.socket,
                 config.state_dir, recovery.run, config.pools.size(), recovery.last_lsn,
                 recovery.created ? "none" : (recovery.clean ? "clean" : "unclean"));
}

// What the configuration lets through, the journal takes.
static_assert(configured_segment_size_min == segment_size_min);
static_assert(configured_segment_size_max == segment_size_max);

// None where the kernel has no boot ID: then nothing that ends with a process or a connection
// outlasts this life. Where it has one that cannot be read just now, that would take from the
// living what they hold.
Result<BootId, Failure> present_boot() {
    const auto id = boot_id();
    if (!id) {
        return Failure{id.error().code, "which start of the machine this is could not be read: " +
                                            id.error().message};
    }
    if (!*id) {
        spdlog::warn("the kernel has no boot ID: holders of processes and connections end here");
        return BootId{};
    }
    ByteReader in(**id);
    BootId boot;
    for (std::uint64_t& word : boot.words)
        word = in.get<std::uint64_t>();
    return boot;
}

// A start takes as long as the journal is long. As long as it gets somewhere the service manager is told, now and then, to
// wait on.
std::function<void(std::uint64_t)> recovery_progress() {
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::seconds period{1};
    static constexpr std::chrono::seconds extension{60};
    return [next = Clock::now()](std::uint64_t records) mutable {
        const auto now = Clock::now();
        if (now < next) return;
        next = now + period;
        service_manager::tell_recovering(records, extension);
    };
}

Result<AllocatorOptions, Failure> options_of(const Config& config) {
    AllocatorOptions options;
    for (const PoolConfig& pool : config.pools)
        options.pools.push_back(pool.spec);
    options.journal.segment_size = config.segment_size;
    options.memory_max = config.memory_max != 0 ? config.memory_max : default_memory_max();
    const auto id = random_id();
    if (!id) return id.error();
    options.journal.fresh_id = *id;
    const auto boot = present_boot();
    if (!boot) return boot.error();
    options.boot = *boot;
    options.restart_grace_ms = config.restart_grace * 1000;
    options.holders_max = config.holders_max;
    options.now = boot_time();
    options.tokens = {.keep_ms = std::uint64_t{config.token_keep} * 1000,
                      .count_max = config.token_count_max,
                      .hash_key = {random_word(), random_word()}};
    options.hash_key = {random_word(), random_word()};
    options.fresh_token_epoch = random_word();
    options.on_progress = recovery_progress();
    return options;
}

// What the journal says names the file; an administrator also needs its directory, and a remedy.
// What the witness says has both.
Failure not_recovered(Failure failure, const Surroundings& here) {
    const bool is_of_witness = failure.message.starts_with("witness directory ");
    if (failure.code == Errc::state_stale || is_of_witness) return failure;
    failure.message = "state directory " + here.state_dir + ": " + failure.message;
    if (failure.code == Errc::journal_damaged) {
        failure.message += ". Move what is in it away, bring a backup back and go on with that: " +
                           restore_command(here);
    }
    return failure;
}

// What the daemon may open, and a warning where that is less than is configured.
Result<DescriptorShares, Failure> find_descriptors(const Config& config) {
    const DescriptorShares shares =
        share_descriptors(raise_descriptor_limit(), config.connections_max, config.threads);
    if (shares.connections == 0) {
        return Failure{Errc::out_of_memory,
                       "of " + std::to_string(shares.limit) +
                           " file descriptors none are left for connections: raise LimitNOFILE of "
                           "the service (ulimit -n)" +
                           (config.threads > 1 ? ", or lower threads" : "")};
    }
    spdlog::info("file descriptors: limit={} connections={} processes={}", shares.limit,
                 shares.connections, shares.processes);
    warn_of_few_descriptors(shares, config.connections_max);
    return shares;
}

Surroundings surroundings_of(const Config& config) {
    const std::string by_default = default_witness_dir(config.state_dir);
    const bool is_default = config.witness_dir.empty() || config.witness_dir == by_default;
    return {.machine = machine_identity(),
            .state_dir = config.state_dir,
            .witness_dir = is_default ? by_default : config.witness_dir,
            .witness_dir_is_default = is_default};
}

// --- the whole life ----------------------------------------------------------------------------

// True if everything is on stable storage. Where it is not, the journal is as after a crash.
bool close(Allocator& allocator) {
    try {
        const auto closed = allocator.close();
        if (closed) return true;
        spdlog::critical("journal: {}: {}", name(closed.error().code), closed.error().message);
    } catch (const std::bad_alloc&) {
        spdlog::critical("journal: not closed, the system has no memory");
    }
    return false;
}

void warn_of_file_system(const std::string& state_dir) {
    const auto copying = copies_on_write(state_dir);
    if (!copying) return;
    spdlog::warn(
        "state directory on {}, which writes elsewhere what is rewritten: with a full disk "
        "releases "
        "can fail; put it on ext4, xfs or tmpfs: state={}",
        *copying, state_dir);
}

// Whoever keeps them open, too: their peers are to see the end.
void end_all(const HandedOver& handed_over) {
    if (handed_over.connections.empty()) return;
    spdlog::warn("connections of the daemon before end, since none can be kept: count={}",
                 handed_over.connections.size());
    for (const auto& connection : handed_over.connections)
        ::shutdown(connection.socket.get(), SHUT_RDWR);
}

// The connections that an earlier daemon had, and where this one puts its own. Those that nobody can go on with come to
// their end here.
Inheritance inherit(HandedOver handed_over) {
    auto store = DescriptorStore::find();
    if (!store) {
        end_all(handed_over);
        return {};
    }
    auto kept = KeptConnections::create(*std::move(store), std::move(handed_over.table));
    if (!kept) {
        spdlog::warn("connections end with this daemon: {}", kept.error().message);
        end_all(handed_over);
        return {};
    }
    Inheritance inheritance{.kept = *std::move(kept), .returned = {}};
    std::size_t dropped = 0;
    for (auto& [number, socket] : handed_over.connections) {
        if (auto slot = inheritance.kept->take_back(number)) {
            inheritance.returned.push_back({.socket = std::move(socket), .slot = *std::move(slot)});
        } else {
            ::shutdown(socket.get(), SHUT_RDWR);
            ++dropped;
        }
    }
    if (dropped > 0) {
        spdlog::warn("connections of the daemon before cannot be gone on with, and end: count={}",
                     dropped);
    }
    inheritance.kept->begin();
    return inheritance;
}

Result<bool, Failure> live(const Config& config, const LoadConfig& load, const OpenStorage& open) {
    auto handed_over = take_handed_over();
    if (!handed_over) return handed_over.error();
    auto state_lock = lock_state(config.state_dir);
    if (!state_lock) return state_lock.error();
    // Clients may connect from here on; they are served once the state is there.
    auto listener = listen_at(std::move(handed_over->listening), config.socket, config.socket_mode);
    if (!listener) return listener.error();
    auto storage = open(config.state_dir);
    if (!storage) return storage.error();
    warn_of_file_system(config.state_dir);
    const Surroundings here = surroundings_of(config);
    const auto witness = open_witness_directory(here.witness_dir, config.state_dir);
    if (!witness) return witness.error();
    const auto descriptors = find_descriptors(config);
    if (!descriptors) return descriptors.error();
    auto options = options_of(config);
    if (!options) return options.error();
    options->witness = WitnessPlace{.storage = witness->storage.get(), .here = here};
    Allocator allocator(**storage, std::move(*options));
    const auto recovery = allocator.recover();
    if (!recovery) return not_recovered(recovery.error(), here);
    log_recovery(*recovery, allocator, config);
    {
        Server server(config, load, allocator, std::move(*listener),
                      inherit(*std::move(handed_over)), *descriptors, recovery->run);
        if (!server.run()) return false;
    }
    return close(allocator);
}

}  // namespace

Result<std::unique_ptr<Storage>, Failure> open_on_disk(const std::string& directory) {
    auto storage = PosixStorage::open_directory(directory);
    if (!storage) return storage.error();
    return std::unique_ptr<Storage>(*std::move(storage));
}

ExitStatus serve(const Config& config, const LoadConfig& load, const OpenStorage& open) {
    const auto lived = live(config, load, open);
    if (!lived) {
        spdlog::critical("not started: {}: {}", name(lived.error().code), lived.error().message);
        return ExitStatus::refused;
    }
    if (!*lived) return ExitStatus::failed;
    spdlog::info("stopped");
    return ExitStatus::ok;
}

}  // namespace inod::daemon
