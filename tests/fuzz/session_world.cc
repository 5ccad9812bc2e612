#include "tests/fuzz/session_world.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/boot_time.h"
#include "lib/base/assert.h"
#include "tests/allocator/levels.h"

namespace inod::daemon {
namespace {

constexpr std::uint32_t administrator = 4242;
constexpr std::uint32_t granted_gid = 77;
constexpr BootTime first_time = 1'000'000;

std::atomic<BootTime> time_now{first_time};

}  // namespace

// Linked instead of the daemon's.
BootTime boot_time() noexcept {
    return time_now;
}

namespace {

std::vector<PoolSpec> pools() {
    PoolSpec rests = cyclic_pool("rests", {2, 40});
    rests.quarantine_ms = 100;
    rests.quarantine_yields = true;
    PoolSpec counter = unique_pool("counter");
    counter.tracking = false;
    return {unique_pool("inode"),
            lowest_pool("port", {1, 60}),
            std::move(rests),
            unique_pool("block", {1, id_max}, Durability::block),
            std::move(counter),
            cyclic_pool("host", {300, 400}),
            below("host", lowest_pool("box", {1, 50}))};
}

// One that has done nothing but start. It stays, so that the pages which nodes lie in are not taken anew for
// each world.
const Allocator& started() {
    static Machine machine(pools());
    static const bool is_started = machine.start().has_value();
    INOD_ASSERT(is_started);
    return *machine.allocator;
}

// One for all worlds, as it waits for nobody when it goes.
Closer& closer() {
    static Closer closer;
    return closer;
}

void set_small_buffer(int socket) {
    const int size = 1;  // the kernel makes it the least there is
    INOD_ASSERT(setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0);
}

}  // namespace

World::World(const WorldOptions& options) : machine_(pools()), options_(options) {
    spdlog::set_level(spdlog::level::off);
    time_now = first_time;
    const std::uint64_t little = started().memory().used() + 3 * Session::memory_size(started());
    if (options_.little_memory) machine_.memory_max = little;
    machine_.now = first_time;
    machine_.holders_max = 8;
    machine_.tokens.count_max = 8;
    machine_.fresh_token_epoch = 99;
    INOD_ASSERT(machine_.start().has_value());
    flusher_.emplace(loop_, *machine_.allocator, std::chrono::seconds(3600),
                     [this](const Failure& /*the disk is full*/) { stop(Errc::journal_sealed); });
    processes_ = ProcessHolders::create(*machine_.allocator, closer(), 2).value();
    config_ = config_of(machine_.specs);
    waiters_.emplace(loop_, *flusher_);
    connections_.emplace(
        loop_,
        SharedByConnections{
            .allocator = *machine_.allocator,
            .flusher = *flusher_,
            .config = config_,
            .processes = processes_.get(),
            .closer = closer(),
            .kept = nullptr,
            .numbers = [] { return DaemonNumbers{}; },
            .end_the_gone = [this]() INOD_REQUIRES(flusher_lock) { return look_for_the_gone(); },
            .now_us = [this] { return now_us_ += options_.us_per_look; },
            .on_end = [](std::uint32_t) {}});
}

World::~World() {
    INOD_ASSERT(session_count() == 0);
    flusher_->stop();
    const Flusher::Guard guard(*flusher_);
    news_.unlink();
}

Config World::config_of(const std::vector<PoolSpec>& specs) {
    Config config;
    config.user_limits = {{.limits = {.connections = 4, .holders = 3, .tokens = 4}}};
    for (const PoolSpec& spec : specs) {
        PoolConfig pool{.spec = spec, .grants = {{.to = Grant::To::gid, .id = granted_gid}}};
        pool.limits = {{.limits = {.ids = 1'000, .leases = 10}}};
        if (spec.policy != Policy::unique) {
            pool.grants.push_back(
                {.to = Grant::To::uid, .id = administrator, .rights = Rights::all()});
        }
        config.pools.push_back(std::move(pool));
    }
    return config;
}

Peer World::user(std::size_t number) {
    switch (number) {
        case 0: return {.uid = geteuid(), .gid = getegid(), .groups = {}};
        case 1: return {.uid = administrator, .gid = administrator, .groups = {granted_gid}};
        case 2: return {.uid = administrator + 1, .gid = granted_gid, .groups = {}};
        default: return {.uid = administrator + 2, .gid = administrator, .groups = {}};
    }
}

OwnedFd World::connect(std::size_t user) {
    int ends[2];
    INOD_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    OwnedFd client(ends[0]);
    OwnedFd server(ends[1]);
    if (options_.small_buffers) set_small_buffer(server.get());
    MemoryBudget& memory = machine_.allocator->memory();
    if (!memory.take(Session::memory_size(*machine_.allocator))) return {};
    const std::uint64_t before = session_count();
    connections_->open({.socket = std::move(server), .peer = World::user(user)});
    INOD_ASSERT(session_count() == before + 1);
    return client;
}

void World::await_event() {
    loop_.run_once(std::chrono::milliseconds(1));
}

void World::settle() {
    for (turn_all(); !is_quiet(); turn_all())
        await_event();
    turn_all();
}

bool World::is_quiet() {
    const Flusher::Guard guard(*flusher_);
    const Allocator& allocator = *machine_.allocator;
    const Journal& journal = allocator.journal();
    if (flusher_->is_telling()) return false;
    if (journal.sealed()) return true;
    const bool wants_space = journal.wants_space() && journal.has_space();
    const bool is_quiet = !allocator.has_work() && !allocator.wants_sweep() && !wants_space &&
                          journal.durable_lsn() == journal.last_lsn();
    if (!is_quiet) waiters_->await(news_);
    return is_quiet;
}

// As the flusher does when its wait is over.
void World::pass_time(std::uint64_t ms) {
    time_now += ms;
    Flusher::Guard guard(*flusher_);
    machine_.allocator->set_time(boot_time());
    flusher_->notify(std::move(guard));
}

Dispatcher::Gone World::look_for_the_gone() {
    connections_->end_the_gone();
    return {.looked_at = session_count(), .may_be_more = false};
}

void World::end_the_gone() {
    Flusher::Guard guard(*flusher_);
    look_for_the_gone();
    flusher_->notify(std::move(guard));
}

void World::fill_disk() {
    machine_.disk.set_capacity(machine_.disk.used());
}

void World::stop(Errc reason) {
    if (std::exchange(is_stopping_, true)) return;
    connections_->finish_all(reason);
}

bool World::is_at_rest() {
    if (has_holder_of_connection()) return false;
    const Flusher::Guard guard(*flusher_);
    return !machine_.allocator->is_token_epoch_due() && !machine_.allocator->journal().sealed();
}

bool World::has_holder_of_connection() {
    const Flusher::Guard guard(*flusher_);
    const Holders& holders = machine_.allocator->holders();
    for (HolderIndex index = 0; index < holders.index_end(); ++index) {
        if (holders.contains(index) && holders[index].binding == Binding::connection) return true;
    }
    return false;
}

std::optional<std::string> World::verify() {
    settle();
    if (session_count() != 0) return "a session has not ended";
    if (!is_stopping() && has_holder_of_connection()) return "a holder outlived its connection";
    flusher_->stop();
    const Journal& journal = machine_.allocator->journal();
    if (!journal.sealed() && journal.durable_lsn() != journal.last_lsn())
        return "not all is durable";
    const std::string found = soundness(machine_);
    return found == "sound" ? std::nullopt : std::optional(found);
}

std::size_t open_descriptors() {
    std::array<pollfd, 256> asked{};
    for (std::size_t i = 0; i < asked.size(); ++i)
        asked[i].fd = static_cast<int>(i);
    INOD_ASSERT(poll(asked.data(), asked.size(), 0) >= 0);
    const auto is_open = [](const pollfd& one) { return (one.revents & POLLNVAL) == 0; };
    return static_cast<std::size_t>(std::count_if(asked.begin(), asked.end(), is_open));
}

bool come_down_to(std::size_t descriptors) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (open_descriptors() > descriptors) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::yield();
    }
    return true;
}

}  // namespace inod::daemon
