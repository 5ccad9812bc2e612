#include "daemon/reload.h"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include <spdlog/spdlog.h>

#include "daemon/log.h"
#include "lib/base/assert.h"
#include "lib/base/random_id.h"

namespace inod::daemon {
namespace {

std::string in_one_line(const std::vector<std::string>& said) {
    std::string line;
    for (const std::string& one : said)
        line += (line.empty() ? "" : "; ") + one;
    return line.empty() ? "nothing has changed" : line;
}

void log_success(const std::string& said) {
    spdlog::info("configuration reloaded: {}", said);
}

}  // namespace

Reload::Change::Change(Allocator& allocator, Config new_config, ConfigChanges changes)
    : config(std::move(new_config)),
      said(in_one_line(changes.said)),
      pools(allocator, std::move(changes.new_pools)) {}

Reload::Reload(const Reloadable& parts, const Config& running, LoadConfig load)
    : parts_(parts),
      running_(running),
      load_(std::move(load)),
      waiters_(parts.loop, parts.flusher) {}

Reload::~Reload() {
    abandon();
}

void Reload::begin() {
    if (is_over_) return;
    if (change_) {
        is_wanted_again_ = true;
    } else {
        begin_one();
    }
}

void Reload::abandon() noexcept {
    is_over_ = true;
    drop();
}

void Reload::begin_one() {
    parts_.heartbeat.tell_reloading();
    try {
        if (auto begun = read(); !begun) {
            end_refused(begun.error());
            return;
        }
    } catch (const std::bad_alloc&) {
        end_refused({Errc::out_of_memory, {}});
        return;
    }
    go_on();
}

// What there is to change, or why nothing does.
Result<void, Failure> Reload::read() {
    auto wanted = load_();
    if (!wanted) return wanted.error();
    auto changes = changes_between(running_, *wanted);
    if (!changes) return changes.error();
    change_.emplace(parts_.allocator, *std::move(wanted), *std::move(changes));
    change_->shares = share_descriptors(parts_.shares.limit, change_->config.connections_max,
                                        change_->config.threads);
    return {};
}

void Reload::on_durable() {
    go_on();
}

void Reload::go_on() noexcept {
    try {
        const auto done = take_step();
        if (!done) {
            end_refused(done.error());
        } else if (*done) {
            end_done();
        }
    } catch (const std::bad_alloc&) {
        end_refused({Errc::out_of_memory, {}});
    }
}

// True if it is over, false if it is to wait for the next group, or for space on disk.
Result<bool, Failure> Reload::take_step() {
    Flusher::Guard guard(parts_.flusher);
    if (!change_->is_prepared) {
        auto prepared = prepare();
        if (!prepared && prepared.error().code != Errc::block_pending) return prepared.error();
        change_->is_prepared = prepared.has_value();
    }
    // With no step between: who comes now takes room for these pools, too.
    if (change_->is_prepared && !change_->is_recorded)
        change_->is_recorded = change_->pools.record();
    const bool is_done = change_->is_recorded && change_->pools.is_durable();
    if (is_done) {
        commit();
    } else {
        waiters_.await(*this);
    }
    parts_.flusher.notify(std::move(guard));
    return is_done;
}

// All that can be refused.
Result<void, Failure> Reload::prepare() {
    Change& change = *change_;
    if (auto prepared = change.pools.prepare(); !prepared) return prepared;
    change.terms = make_terms();
    const auto make_room = [&](auto& of) INOD_REQUIRES(flusher_lock) {
        return of.make_room_for_pools(change.terms->pool_count());
    };
    Result<> room = make_room(parts_.connections);
    for (const auto& thread : parts_.threads) {
        if (room) room = make_room(*thread);
    }
    if (!room) {
        return Failure{room.error().code, "for what connections may do in new pools: " +
                                              std::string(explanation(room.error().code))};
    }
    return limit_processes();
}

std::shared_ptr<const Terms> Reload::make_terms() const {
    const PoolAddition& pools = change_->pools;
    return std::make_shared<const Terms>(
        change_->config, pools.index_end(),
        [&](std::string_view name) { return pools.index_of(name); }, terms_number_ + 1);
}

// More connections have of the descriptors what processes could have had.
Result<void, Failure> Reload::limit_processes() {
    DescriptorShares& shares = change_->shares;
    shares.processes = std::min(shares.processes, parts_.shares.processes);
    if (parts_.processes == nullptr || parts_.processes->set_count_max(shares.processes)) return {};
    return Failure{Errc::config_invalid,
                   "connections_max from " + std::to_string(running_.connections_max) + " to " +
                       std::to_string(change_->config.connections_max) +
                       " takes a restart: holders' processes have the file descriptors that it "
                       "would take"};
}

// Cannot fail.
void Reload::commit() noexcept {
    Change& change = *change_;
    const Config& config = change.config;
    change.pools.serve();
    parts_.connections.set_terms(change.terms);
    for (const auto& thread : parts_.threads)
        thread->set_terms(change.terms);
    terms_number_ = change.terms->number();
    Allocator& allocator = parts_.allocator;
    allocator.set_holders_max(config.holders_max);
    allocator.set_tokens(std::uint64_t{config.token_keep} * 1000, config.token_count_max);
    if (allocator.is_token_epoch_due()) allocator.begin_token_epoch(random_word());
    parts_.flusher.set_snapshot_age_max(std::chrono::seconds(config.snapshot_age_max));
    parts_.shares = change.shares;
}

void Reload::end_done() noexcept {
    Change& change = *change_;
    const bool is_logged = spdlog::should_log(spdlog::level::info);
    if (is_logged) log_success(change.said);
    if (change.config.log_level != running_.log_level) set_log_level(change.config.log_level);
    if (!is_logged) log_success(change.said);
    warn_of_few_descriptors(change.shares, change.config.connections_max);
    running_ = std::move(change.config);
    drop();
    parts_.heartbeat.tell_reloaded(running_.pools.size());
    if (std::exchange(is_wanted_again_, false)) begin_one();
}

void Reload::end_refused(const Failure& why) noexcept {
    drop();
    const std::string_view reason =
        why.message.empty() ? explanation(why.code) : std::string_view(why.message);
    spdlog::error("reload refused, nothing has changed: {}: {}", name(why.code), reason);
    parts_.heartbeat.tell_not_reloaded(why.code, reason);
    if (std::exchange(is_wanted_again_, false)) begin_one();
}

void Reload::drop() noexcept {
    const Flusher::Guard guard(parts_.flusher);
    unlink();
    change_.reset();
}

}  // namespace inod::daemon
