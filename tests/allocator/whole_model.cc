#include "tests/allocator/whole_model.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace inod {
namespace {

std::string text(const Error& error) {
    return std::string(name(error.code)) + " " + std::to_string(error.detail);
}

std::string text(const std::optional<Error>& error) {
    return error ? text(*error) : "granted";
}

std::string not_as_expected(const std::optional<Error>& expected,
                            const std::optional<Error>& said) {
    return expected == said ? "" : "said " + text(said) + ", to be " + text(expected);
}

bool has_name_to_be_found_by(const ModelHolder& holder) {
    return holder.binding == Binding::persistent ||
           (holder.binding == Binding::ttl && !holder.name.empty());
}

}  // namespace

WholeModel::WholeModel(const std::vector<PoolSpec>& specs, const TokenOptions& tokens_kept)
    : token_options_(tokens_kept) {
    for (const PoolSpec& spec : specs) {
        const auto above = std::find_if(specs.begin(), specs.end(), [&](const PoolSpec& other) {
            return other.name == spec.parent;
        });
        const bool has_parent = above != specs.end();
        parents_.push_back(has_parent ? static_cast<PoolIndex>(above - specs.begin()) : no_pool);
        pools.emplace_back(spec);
        for (const Range band : spec.reserved)
            pools.back().reserve(band);
    }
}

std::vector<PoolIndex> WholeModel::path(PoolIndex pool) const {
    std::vector<PoolIndex> path;
    for (PoolIndex at = pool; at != no_pool; at = parents_[at])
        path.insert(path.begin(), at);
    return path;
}

// Tokens.

ModelToken WholeModel::token_of(const HandOutRequest& request) {
    const auto& claim = request.claim;
    const HolderId holder = request.asker.acts_as ? request.asker.acts_as->id : 0;
    return {.pool = request.pool,
            .asked = {claim ? 2U : 1U, claim ? claim->first : request.wish.count,
                      claim ? claim->last : request.wish.align, holder},
            .reply = {},
            .at = 0};
}

// What the token says; nothing if the request is to be carried out.
std::optional<Result<Lease>> WholeModel::token_answer(const HandOutRequest& request) const {
    const std::uint32_t uid = request.asker.uid;
    const auto [number, of_epoch] =
        std::pair(request.asker.token->number, request.asker.token->epoch);
    const Result<Lease> expired = Error{Errc::token_expired, token_epoch()};
    const auto epoch =
        std::find_if(epochs_.begin(), epochs_.end(),
                     [&, e = of_epoch](const Epoch& one) { return one.number == e; });
    if (epoch == epochs_.end()) return expired;
    const auto known = tokens.find({uid, of_epoch, number});
    if (known == tokens.end()) {
        if (!epoch->is_open) return expired;
        const bool has_room = token_count(uid) < request.asker.tokens_max;
        return has_room ? std::nullopt : std::optional<Result<Lease>>(Errc::token_quota);
    }
    const ModelToken asked = token_of(request);
    const bool is_same = asked.pool == known->second.pool && asked.asked == known->second.asked;
    return is_same ? Result<Lease>(known->second.reply) : Result<Lease>(Errc::token_mismatch);
}

void WholeModel::note_token(const HandOutRequest& request, const Lease& lease) {
    if (!request.asker.token) return;
    ModelToken token = token_of(request);
    token.reply = lease;
    token.at = elapsed;
    const RequestToken& key = *request.asker.token;
    tokens[{request.asker.uid, key.epoch, key.number}] = token;
}

std::uint64_t WholeModel::token_count(std::optional<std::uint32_t> uid) const {
    if (!uid) return tokens.size();
    const auto first = tokens.lower_bound({*uid, 0, 0});
    const auto last = tokens.lower_bound({*uid + 1, 0, 0});
    return static_cast<std::uint64_t>(std::distance(first, last));
}

bool WholeModel::is_token_epoch_due() const {
    if (epochs_.empty()) return true;
    return !tokens.empty() && now >= epoch_began_ && now - epoch_began_ > token_options_.keep_ms;
}

std::string WholeModel::begin_token_epoch(std::uint64_t number) {
    std::string wrong;
    while (!epochs_.empty() && !epochs_.back().is_open) {
        for (auto it = tokens.begin(); it != tokens.end();) {
            const auto here = it++;
            if (std::get<1>(here->first) != epochs_.back().number) continue;
            const bool is_old = elapsed - here->second.at >= token_options_.keep_ms;
            if (!is_old) wrong = "a token is forgotten early";
            tokens.erase(here);
        }
        epochs_.pop_back();
    }
    for (std::size_t i = 1; i < epochs_.size(); ++i)
        epochs_[i].is_open = false;
    epochs_.insert(epochs_.begin(), Epoch{number, true});
    epoch_began_ = now;
    return wrong;
}

// Hand-outs.

std::string WholeModel::hand_out(const HandOutRequest& request, const HandOutAnswer& answer,
                                 std::vector<std::string>& notes) {
    if (request.asker.token) {
        if (const auto expected = token_answer(request)) {
            if (*expected && answer.result) {
                notes.emplace_back("token known");
                return **expected == *answer.result ? "" : "another answer than the first time";
            }
            const auto error_of = [](const Result<Lease>& result) {
                return result ? std::nullopt : std::optional(result.error());
            };
            return not_as_expected(error_of(*expected), error_of(answer.result));
        }
    }
    if (!answer.result) return refused(request, answer.result.error());
    return granted(request, answer, notes);
}

std::optional<Error> WholeModel::quota_refusal(PoolIndex pool, const Asker& asker,
                                               std::uint64_t count, const Quota& quota) const {
    if (quota.ids == Quota().ids && quota.leases == Quota().leases) return std::nullopt;
    const TagCount has = pools[pool].account(asker.uid);
    if (has.ids + count > quota.ids) return Error{Errc::quota_exceeded, quota.ids};
    if (has.runs >= quota.leases) return Error{Errc::quota_exceeded, quota.leases};
    return std::nullopt;
}

// What is refused for who asks, and what he has.
std::optional<Error> WholeModel::admission_refusal(const HandOutRequest& request) const {
    const Asker& asker = request.asker;
    const PoolModel& asked = pools[request.pool];
    if (!asked.spec.tracking && !request.claim) return std::nullopt;
    const ModelHolder* const known = acting(asker);
    if (known == nullptr && asker.acts_as) return Errc::holder_ended;
    const auto count = std::min<std::uint64_t>(request.count(), asked.spec.lease_count_max);
    if (auto error = quota_refusal(request.pool, asker, count, asker.quota)) return error;
    const auto own = std::count_if(holders.begin(), holders.end(), [&](const auto& entry) {
        return entry.second.uid == asker.uid;
    });
    if (known == nullptr && static_cast<std::uint64_t>(own) >= asker.holders_max) {
        return Error{Errc::quota_exceeded, asker.holders_max};
    }
    for (const PoolIndex level : path(request.pool)) {
        if (level == request.pool || level >= asker.quotas_above.size()) continue;
        auto error = quota_refusal(level, asker, count, asker.quotas_above[level]);
        if (error) return error;
    }
    return std::nullopt;
}

// What a level refuses whatever is free there. Of a claim in the pool that is asked: nothing here.
std::optional<Error> WholeModel::form_refusal(const HandOutRequest& request,
                                              PoolIndex level) const {
    const bool is_asked = level == request.pool;
    if (is_asked && request.claim) return std::nullopt;
    const PoolSpec& spec = pools[level].spec;
    if (request.count() == 0) return Errc::count_zero;
    if (request.count() > spec.lease_count_max) {
        return Error{Errc::lease_too_large, spec.lease_count_max};
    }
    const std::uint64_t wished = is_asked ? request.wish.align : 1;
    if (wished == 0 || wished > align_limit) return Error{Errc::align_invalid, align_limit};
    const std::uint64_t align = std::lcm(wished, spec.align);
    if (align > align_limit) return Error{Errc::align_invalid, align_limit};
    const auto burned_max = std::max<std::uint64_t>(spec.lease_count_max, spec.align);
    if (spec.policy != Policy::unique || align <= burned_max) return std::nullopt;
    return Error{Errc::align_invalid, burned_max};
}

PoolModel::Wanted WholeModel::wanted_at(const HandOutRequest& request, PoolIndex level) const {
    const std::uint64_t wished = level == request.pool ? request.wish.align : 1;
    return {.count = request.count(), .align = pools[level].next_align(wished)};
}

std::string WholeModel::refused(const HandOutRequest& request, const Error& error) {
    if (auto expected = admission_refusal(request)) return not_as_expected(expected, error);
    std::vector<PoolIndex> passed;
    std::optional<Error> expected;
    bool is_explained = false;
    for (const PoolIndex level : path(request.pool)) {
        expected = form_refusal(request, level);
        if (expected) break;
        if (level == request.pool && request.claim) {
            expected =
                pools[level].claim_refusal(*request.claim, request.asker.takes_reserved, error);
            if (request.count() <= pools[level].spec.lease_count_max)
                pools[level].look_for_claim(*request.claim);
            break;
        }
        const PoolModel::Wanted wanted = wanted_at(request, level);
        is_explained = pools[level].can_refuse(wanted, error);
        if (is_explained) break;
        if (!pools[level].can_grant(wanted))
            return "said " + text(error) + ", nothing is free there";
        passed.push_back(level);
    }
    for (const PoolIndex level : passed)
        pools[level].may_have_yielded(wanted_at(request, level));
    return is_explained ? "" : not_as_expected(expected, error);
}

std::string WholeModel::granted(const HandOutRequest& request, const HandOutAnswer& answer,
                                std::vector<std::string>& notes) {
    if (auto refusal = admission_refusal(request)) return "granted, to be " + text(refusal);
    const std::vector<PoolIndex> levels = path(request.pool);
    if (answer.levels.size() != levels.size()) return "granted at other levels";
    const LevelNumber& asked = answer.levels.back();
    const LevelNumber told{request.pool, answer.result->range.first, answer.result->generation};
    if (asked != told) return "what was told is not what can be looked up";
    if (answer.result->range.count() != request.count()) return "not as many as were asked for";
    for (std::size_t i = 0; i < levels.size(); ++i) {
        if (answer.levels[i].pool != levels[i]) return "granted in another pool";
        if (auto wrong = wrong_at(request, answer.levels[i], notes); !wrong.empty()) {
            return pools[levels[i]].spec.name + " hands out " +
                   std::to_string(answer.levels[i].id) + ": " + wrong;
        }
    }
    if (auto wrong = note_holder(request, answer.holder); !wrong.empty()) return wrong;
    for (std::size_t i = 0; i < levels.size(); ++i)
        if (auto wrong = hold_at(request, answer, i); !wrong.empty()) return wrong;
    note_token(request, *answer.result);
    return "";
}

std::string WholeModel::wrong_at(const HandOutRequest& request, const LevelNumber& at,
                                 std::vector<std::string>& notes) const {
    const PoolModel& pool = pools[at.pool];
    if (auto refusal = form_refusal(request, at.pool)) return "to be " + text(refusal);
    if (request.claim && at.pool == request.pool) {
        if (request.claim->first != at.id) return "another claim";
        const auto refusal =
            pool.claim_refusal(*request.claim, request.asker.takes_reserved, std::nullopt);
        if (pool.reserved.count(at.id) != 0) notes.emplace_back("claim of reserved");
        return refusal ? "to be " + text(refusal) : "";
    }
    const Range range{at.id, at.id + (request.count() - 1)};
    if (pool.spec.policy == Policy::cyclic && pool.wraps(range)) notes.emplace_back("wrap");
    if (pool.spec.wrap_to && pool.wraps(range)) notes.emplace_back("wrap to wrap_to");
    if (pool.yields(range)) notes.emplace_back("yield");
    return pool.wrong_place(wanted_at(request, at.pool), range);
}

std::string WholeModel::hold_at(const HandOutRequest& request, const HandOutAnswer& answer,
                                std::size_t level) {
    const LevelNumber& at = answer.levels[level];
    const bool is_asked = at.pool == request.pool;
    const bool is_claim = is_asked && request.claim.has_value();
    PoolModel& pool = pools[at.pool];
    const Range range{at.id, at.id + (request.count() - 1)};
    const std::uint64_t generation = pool.take(range, is_claim);
    if (generation != at.generation) {
        return pool.spec.name + " has generation " + std::to_string(at.generation) + ", to be " +
               std::to_string(generation);
    }
    const bool is_block = pool.spec.durability == Durability::block;
    ModelNumber number{.holder = answer.holder.id,
                       .uid = request.asker.uid,
                       .generation = generation,
                       .is_recorded = !is_block || is_claim || request.asker.token.has_value()};
    if (!is_asked) {
        number.via = answer.levels[level + 1].pool;
        number.below = answer.levels[level + 1].id;
    }
    if (level > 0) number.above = answer.levels[level - 1].id;
    pool.hold(range, number, is_claim);
    return "";
}

std::string WholeModel::note_holder(const HandOutRequest& request, const HolderRef& ref) {
    if (!pools[request.pool].spec.tracking) return "";
    if (const ModelHolder* const known = acting(request.asker)) {
        return known->ref == ref ? "" : "another holder has it";
    }
    if (!holders.empty() && ref.id <= holders.rbegin()->first)
        return "a holder's number comes again";
    holders[ref.id] = ModelHolder{.ref = ref, .uid = request.asker.uid};
    return "";
}

std::optional<Error> WholeModel::release_refusal(PoolIndex pool, Range range,
                                                 std::uint64_t generation,
                                                 const Asker& asker) const {
    std::optional<HolderId> whose;
    if (!asker.releases_for_others) {
        const ModelHolder* const own = acting(asker);
        whose = own != nullptr ? own->ref.id : 0;
    }
    return pools[pool].release_refusal(range, generation, whose);
}

// At all levels.
void WholeModel::release(PoolIndex pool, Range range) {
    for (Id id = range.first;; ++id) {
        Id at = id;
        for (PoolIndex level = pool; level != no_pool; level = parents_[level]) {
            const Id above = pools[level].numbers.at(at).above;
            pools[level].release(at);
            at = above;
        }
        if (id == range.last) return;
    }
}

std::vector<LevelNumber> WholeModel::levels(PoolIndex pool, Id id) const {
    const ModelNumber* number = &pools[pool].numbers.at(id);
    while (number->via != no_pool) {
        pool = number->via;
        id = number->below;
        number = &pools[pool].numbers.at(id);
    }
    std::vector<LevelNumber> levels;
    for (; pool != no_pool; pool = parents_[pool]) {
        const ModelNumber& at = pools[pool].numbers.at(id);
        levels.insert(levels.begin(), LevelNumber{pool, id, at.generation});
        id = at.above;
    }
    return levels;
}

// Holders.

const ModelHolder* WholeModel::holder(const HolderRef& ref) const {
    const auto it = holders.find(ref.id);
    return it != holders.end() && it->second.ref == ref ? &it->second : nullptr;
}

const ModelHolder* WholeModel::acting(const Asker& asker) const {
    if (asker.acts_as) return holder(*asker.acts_as);
    return found(asker, BindRequest{});
}

// The one that is there already.
const ModelHolder* WholeModel::found(const Asker& asker, const BindRequest& request) const {
    const auto is_it = [&](const ModelHolder& one) {
        if (one.uid != asker.uid || one.binding != request.binding) return false;
        if (!request.key.is_none()) return one.key == request.key;
        if (one.binding == Binding::process) return one.process == request.process.inode;
        return has_name_to_be_found_by(one) && one.name == request.name;
    };
    const auto it = std::find_if(holders.begin(), holders.end(),
                                 [&](const auto& entry) { return is_it(entry.second); });
    return it != holders.end() ? &it->second : nullptr;
}

std::optional<Error> WholeModel::bind_refusal(const Asker& asker,
                                              const BindRequest& request) const {
    const bool can_have_name =
        request.binding == Binding::persistent || request.binding == Binding::ttl;
    if (!request.name.empty() && !can_have_name) return Errc::holder_invalid;
    if ((request.ttl_ms != 0) != (request.binding == Binding::ttl)) return Errc::holder_invalid;
    const ModelHolder* const known = found(asker, request);
    if (!request.key.is_none()) {
        const bool is_taken =
            known != nullptr && known->binding == Binding::connection && !known->deadline;
        return known == nullptr || is_taken ? std::optional<Error>(Errc::holder_unknown)
                                            : std::nullopt;
    }
    if (known != nullptr) return std::nullopt;
    const auto own = std::count_if(holders.begin(), holders.end(), [&](const auto& entry) {
        return entry.second.uid == asker.uid;
    });
    if (static_cast<std::uint64_t>(own) < asker.holders_max) return std::nullopt;
    return Error{Errc::quota_exceeded, asker.holders_max};
}

std::string WholeModel::bound(const Asker& asker, const BindRequest& request, const Bound& answer) {
    const ModelHolder* const known = found(asker, request);
    if (answer.is_new != (known == nullptr)) return "a holder is new, or is not";
    HolderId id = answer.ref.id;
    if (known == nullptr) {
        if (!holders.empty() && id <= holders.rbegin()->first)
            return "a holder's number comes again";
        holders[id] = ModelHolder{.ref = answer.ref,
                                  .binding = request.binding,
                                  .uid = asker.uid,
                                  .name = std::string(request.name),
                                  .key = answer.key,
                                  .process = request.process.inode,
                                  .ttl_ms = request.ttl_ms};
    } else if (known->ref != answer.ref || known->key != answer.key) {
        return "another holder is bound";
    }
    ModelHolder& holder = holders.at(id);
    holder.deadline.reset();
    if (holder.binding == Binding::ttl) holder.deadline = now + holder.ttl_ms;
    return "";
}

void WholeModel::renew(const HolderRef& ref) {
    ModelHolder& holder = holders.at(ref.id);
    if (holder.binding == Binding::ttl) holder.deadline = now + holder.ttl_ms;
}

void WholeModel::end(const HolderRef& ref) {
    if (holder(ref) == nullptr) return;
    for (PoolModel& pool : pools)
        pool.end(ref.id);
    holders.erase(ref.id);
}

std::uint64_t WholeModel::holdings(const HolderRef& ref) const {
    std::uint64_t count = 0;
    for (const PoolModel& pool : pools)
        for (const auto& [id, number] : pool.numbers)
            if (number.is_live() && number.holder == ref.id) ++count;
    return count;
}

void WholeModel::set_clock(BootTime to) {
    now = to;
    for (PoolModel& pool : pools)
        pool.now = to;
}

void WholeModel::set_time(BootTime to) {
    elapsed += to - now;
    set_clock(to);
    const std::map<HolderId, ModelHolder> before = holders;
    for (const auto& [id, holder] : before)
        if (holder.deadline && *holder.deadline <= now) end(holder.ref);
}

std::optional<BootTime> WholeModel::next_deadline() const {
    std::optional<BootTime> next;
    for (const auto& [id, holder] : holders)
        if (holder.deadline) next = std::min(next.value_or(*holder.deadline), *holder.deadline);
    return next;
}

void WholeModel::wait_for_clients(std::uint32_t grace_ms) {
    for (auto& [id, holder] : holders) {
        const bool waits = holder.binding == Binding::connection || holder.binding == Binding::ttl;
        if (!waits) continue;
        const bool has_time = holder.binding == Binding::ttl;
        holder.deadline = std::max(has_time ? *holder.deadline : 0, now + grace_ms);
    }
}

void WholeModel::restart(bool was_clean, std::uint32_t grace_ms) {
    for (PoolModel& pool : pools)
        pool.restart(was_clean);
    wait_for_clients(grace_ms);
}

void WholeModel::reboot(bool was_clean, std::uint32_t grace_ms, BootTime now_there) {
    for (PoolModel& pool : pools) {
        pool.restart(was_clean);
        pool.reboot(now_there);
    }
    set_clock(now_there);
    epoch_began_ = now_there;
    const std::map<HolderId, ModelHolder> before = holders;
    for (const auto& [id, holder] : before) {
        const bool is_gone =
            holder.binding == Binding::connection || holder.binding == Binding::process;
        if (is_gone) end(holder.ref);
        if (holder.binding == Binding::ttl) holders.at(id).deadline = now + holder.ttl_ms;
    }
    wait_for_clients(grace_ms);
}

}  // namespace inod
