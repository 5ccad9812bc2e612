// Promise: whatever is asked of pools of all policies at once, rightly or wrongly, by holders of all kinds,
// with tokens or without, through restarts, crashes and reboots and while snapshots are taken, every answer
// is the one that a simple model has.
// Method: operations drawn from a seed beside the model, which knows every number (whole_model.h). A crash
// comes behind a group, before one, or in the middle of its writes; then what was durable is there, or the
// group with it, and nothing else. A seed repeats its run: INOD_WHOLE_SEED=N, INOD_WHOLE_OPERATIONS=N.
#include "tests/allocator/whole_model.h"

#include <array>
#include <cstdlib>
#include <iterator>
#include <map>
#include <set>
#include <string_view>
#include <tuple>

#include "tests/allocator/levels.h"
#include "tests/pool/spec_changes.h"

namespace inod {
namespace {

constexpr std::uint64_t keep_ms = 4'000;
constexpr std::uint32_t user_count = 4;

// Parents first, so that a pool's place is its index. Small, so that they are used up and begin anew.
std::vector<PoolSpec> pools() {
    return {
        limited(lowest_pool("root", {10, 400}), 12),
        below("root", resting(limited(cyclic_pool("mid", {1, 120}), 8), 3'000, true)),
        below("mid", banded(limited(lowest_pool("leaf", {1, 60}), 6), {{20, 24}, {50, 50}})),
        below("root", limited(unique_pool("side", {Id{1} << 40U, Id{1} << 41U}), 8)),
        below("root", resting(limited(lowest_pool("calm", {0, 80}), 10), 2'000, false)),
        wrapping(limited(cyclic_pool("pid", {2, 70}), 8), 21),
        aligned(banded(resting(limited(cyclic_pool("slow", {1, 60}), 8), 5'000, true), {{33, 40}}),
                4),
        aligned(resting(limited(lowest_pool("port", {0, 50}), 8), 2'500, false), 2),
        wrapping(resting(limited(cyclic_pool("thread", {1, 40}), 6), 1'500, true), 9),
        limited(unique_pool("inode", {1, Id{1} << 62U}), 16),
        banded(aligned(limited(unique_pool("small", {5, 1'500}), 8), 3), {{30, 60}, {900, 905}}),
        limited(unique_pool("fast", {1, Id{1} << 62U}, Durability::block), 16),
        untracked(wrapping(limited(cyclic_pool("count", {1, 90}), 9), 11)),
        untracked(limited(unique_pool("tally", {7, 4'000}), 5)),
        limited(cyclic_pool("edge", {id_max - 25, id_max}), 5),
    };
}

// How often each thing happened, of all seeds.
using Tally = std::map<std::string, std::uint64_t>;

class Walk {
public:
    Walk(std::uint64_t seed, Tally& tally)
        : random_(seed), tally_(tally), machine_(pools()), model_(machine_.specs, token_options()) {
        machine_.journal.snapshot_size_per_group = seed % 2 == 0 ? 512 : 8'192;
        machine_.boot = {{1, 1}};
        machine_.now = 1'000;
        machine_.restart_grace_ms = 700;
        machine_.tokens = token_options();
        machine_.fresh_token_epoch = next_epoch_;
    }

    void run(std::uint64_t operations) {
        ASSERT_STARTS(machine_);
        model_.set_time(machine_.now);
        begun_epoch();
        for (std::uint64_t i = 0; i < operations && !::testing::Test::HasFailure(); ++i) {
            SCOPED_TRACE("operation " + std::to_string(i));
            step();
            if (i % 500 == 499) compare();
        }
    }

private:
    static TokenOptions token_options() { return {.keep_ms = keep_ms, .count_max = 100'000}; }
    Allocator& allocator() { return *machine_.allocator; }
    void met(const std::string& what) { ++tally_[what]; }
    std::uint64_t draw(std::uint64_t end) { return random_() % end; }
    bool one_in(std::uint64_t n) { return draw(n) == 0; }

    void step() {
        if (!allocator().has_room()) flush();
        const std::uint64_t what = draw(1'000);
        if (what < 340) return hand_out(any_request());
        if (what < 420) return hand_out(any_claim());
        if (what < 440) return ask_again();
        if (what < 680) return release_held();
        if (what < 730) return release_anything();
        if (what < 800) return look();
        if (what < 830) return one_in(2) ? reserve() : unreserve();
        if (what < 833) return advance();
        if (what < 868) return bind();
        if (what < 880) return renew();
        if (what < 892) return end_holder();
        if (what < 910) return sweep();
        if (what < 960) return pass_time();
        if (what < 993) return flush_sometimes();
        return restart();
    }

    // Time, groups and snapshots.

    void flush() {
        ASSERT_TRUE(machine_.flush());
        if (durable_) durable_ = model_;
    }
    void flush_sometimes() {
        if (one_in(6)) allocator().request_snapshot();
        flush();
    }

    void pass_time() {
        // What comes to its end needs room in the journal.
        flush();
        const auto deadline = model_.next_deadline();
        const bool is_aimed = deadline && one_in(4) && *deadline > machine_.now;
        machine_.now =
            is_aimed ? *deadline - draw(2) : machine_.now + draw(one_in(8) ? 3'000 : 300);
        const std::size_t before = model_.holders.size();
        allocator().set_time(machine_.now);
        model_.set_time(machine_.now);
        if (model_.holders.size() < before) met("holder expired");
        ASSERT_EQ(allocator().is_token_epoch_due(), model_.is_token_epoch_due());
        if (!model_.is_token_epoch_due()) return;
        allocator().begin_token_epoch(next_epoch_);
        begun_epoch();
        sweep();
    }

    // The allocator has begun it, or must have.
    void begun_epoch() {
        if (!model_.is_token_epoch_due()) return;
        const std::uint64_t number = *allocator().token_epoch().result;
        ASSERT_EQ(model_.begin_token_epoch(number), "");
        ASSERT_EQ(number, next_epoch_++);
        met("token epoch");
    }

    void sweep() {
        for (int i = 0; allocator().wants_sweep(); ++i) {
            ASSERT_LT(i, 100) << "it never comes to an end";
            allocator().sweep();
        }
        observe();
    }

    // What is only a matter of when somebody looks: whether something is left behind, and whether rests
    // that are over have ended.
    void observe(bool at_start = false) {
        for (PoolIndex pool = 0; pool < model_.pools.size(); ++pool) {
            const Pool& real = allocator().any_pool(pool);
            PoolModel& model = model_.pools[pool];
            if (model.has_left() && !real.has_dead()) model.swept(at_start);
            if (model.spec.quarantine_ms > 0 && !real.has_rested()) model.rested();
        }
    }

    // Hand-outs.

    Asker any_asker() {
        Asker asker = user(static_cast<std::uint32_t>(draw(user_count)));
        if (!refs_.empty() && one_in(2)) {
            const auto& [uid, ref] =
                refs_[refs_.size() - 1 - draw(std::min<std::size_t>(refs_.size(), 12))];
            asker = user(uid);
            asker.acts_as = ref;
        }
        return asker;
    }

    HandOutRequest any_request() {
        HandOutRequest request;
        request.pool = any_pool();
        request.asker = any_asker();
        const std::uint32_t count_max = machine_.specs[request.pool].lease_count_max;
        request.wish.count = one_in(4) ? 1 + draw(count_max) : 1 + draw(2);
        if (one_in(60)) request.wish.count = one_in(3) ? 0 : count_max + 1 + draw(9);
        if (one_in(8)) request.wish.align = draw(7);
        add_limits(request);
        return request;
    }

    HandOutRequest any_claim() {
        HandOutRequest request;
        request.pool = any_pool();
        request.asker = any_asker();
        request.asker.takes_reserved = one_in(3);
        const Id first = any_id(request.pool);
        const Id last = first + draw(one_in(4) ? 5 : 2);
        request.claim = last < first ? Range{first, first} : Range{first, last};
        if (one_in(3)) request.claim = any_reserved(request.pool).value_or(*request.claim);
        add_limits(request);
        return request;
    }

    // Quotas, and tokens; a count of none is asked without them: whoever decodes it refuses it before.
    void add_limits(HandOutRequest& request) {
        Asker& asker = request.asker;
        if (request.count() == 0) return;
        const auto quota = [&] { return Quota{.ids = 10 + draw(60), .leases = 5 + draw(25)}; };
        if (one_in(6)) asker.quota = quota();
        if (one_in(6)) {
            quotas_.assign(machine_.specs.size(), quota());
            asker.quotas_above = quotas_;
        }
        if (one_in(20)) asker.holders_max = static_cast<std::uint32_t>(draw(6));
        if (one_in(4)) {
            const std::uint64_t epoch = one_in(20) ? 1 + draw(next_epoch_) : model_.token_epoch();
            asker.token = RequestToken{.epoch = epoch, .number = draw(4'000)};
            if (one_in(8)) asker.tokens_max = draw(200);
        }
    }

    // A request that came with a token comes again, with the same or something else.
    void ask_again() {
        if (sent_.empty()) return;
        HandOutRequest request =
            sent_[sent_.size() - 1 - draw(std::min<std::size_t>(sent_.size(), 300))];
        request.asker.quota = Quota();
        request.asker.quotas_above = {};
        if (one_in(6) && !request.claim) ++request.wish.count;
        if (one_in(10)) request.pool = any_pool();
        hand_out(request);
    }

    HandOutAnswer ask(const HandOutRequest& request) {
        NoGuard nobody_else;
        const auto ask_once = [&] {
            return request.claim ? allocator().allocate_at(nobody_else, request.pool,
                                                           *request.claim, request.asker)
                                 : allocator().allocate(nobody_else, request.pool, request.wish,
                                                        request.asker);
        };
        auto answer = ask_once();
        for (int turn = 0; turn < 4 && is_pending(answer.result); ++turn) {
            flush();
            answer = ask_once();
        }
        return {.result = answer.result};
    }
    static bool is_pending(const Result<Lease>& result) {
        return !result && result.error().code == Errc::block_pending;
    }

    // What has to be swept first may be so at each level.
    void hand_out(const HandOutRequest& request) {
        for (std::size_t i = 0; i <= levels_max; ++i) {
            const HandOutAnswer answer = ask_and_check(request);
            if (::testing::Test::HasFailure()) return;
            if (answer.result || answer.result.error().code != Errc::sweep_pending) return;
            sweep();
        }
        FAIL() << "it is told to ask again for ever";
    }

    HandOutAnswer ask_and_check(const HandOutRequest& request) {
        const bool is_new_holder = model_.acting(request.asker) == nullptr;
        HandOutAnswer answer = ask(request);
        complete(request, answer);
        std::vector<std::string> notes;
        EXPECT_EQ(model_.hand_out(request, answer, notes), "") << told(request, answer);
        for (const std::string& note : notes)
            met(note);
        const std::string kind = request.claim ? "claim " : "allocate ";
        met(kind + (answer.result ? "granted" : std::string(name(answer.result.error().code))));
        if (request.asker.token) sent_.push_back(request);
        observe();
        const bool is_known = !notes.empty() && notes.front() == "token known";
        if (answer.result && !is_known) note_told(request, answer, is_new_holder);
        return answer;
    }

    // What can be looked up of what was granted.
    void complete(const HandOutRequest& request, HandOutAnswer& answer) {
        if (!answer.result) return;
        const Lease lease = *answer.result;
        if (!machine_.specs[request.pool].tracking) {
            answer.levels = {{request.pool, lease.range.first, lease.generation}};
            return;
        }
        const auto levels = allocator().lookup_levels(request.pool, lease.range.first, 0);
        if (!levels.result) return;
        answer.levels = {levels.result->begin(), levels.result->end()};
        const HolderId id =
            allocator().lookup(request.pool, lease.range.first, 0).result->holder.id;
        answer.holder = {.index = *allocator().holders().find_id(id), .id = id};
    }

    // No number with its generation ever comes twice, be what told of it lost or not. In a small unique pool
    // it may, and so may a claim in any, if nobody can have heard of it.
    void note_told(const HandOutRequest& request, const HandOutAnswer& answer, bool is_new_holder) {
        if (is_new_holder && answer.holder.id != 0) {
            ASSERT_GT(answer.holder.id, holder_id_max_) << "a holder's number comes again";
        }
        holder_id_max_ = std::max(holder_id_max_, answer.holder.id);
        const std::uint64_t count = answer.result->range.count();
        for (const LevelNumber& at : answer.levels) {
            const PoolSpec& spec = machine_.specs[at.pool];
            const bool is_claim = request.claim && at.pool == request.pool;
            const bool may_return =
                spec.policy == Policy::unique && (is_claim || spec.range.last < stride_part);
            if (may_return) continue;
            for (Id id = at.id; id - at.id < count; ++id) {
                const bool is_new = seen_.insert({at.pool, id, at.generation}).second;
                ASSERT_TRUE(is_new) << spec.name << " " << id << " comes twice";
            }
        }
    }

    std::string told(const HandOutRequest& request, const HandOutAnswer& answer) const {
        std::string text = machine_.specs[request.pool].name + ": ";
        text += request.claim ? "claim of " + std::to_string(request.claim->first) + "-" +
                                    std::to_string(request.claim->last)
                              : std::to_string(request.wish.count) + " of align " +
                                    std::to_string(request.wish.align);
        text += " by UID " + std::to_string(request.asker.uid) + ", answered ";
        if (!answer.result) {
            return text + std::string(name(answer.result.error().code)) + " " +
                   std::to_string(answer.result.error().detail);
        }
        for (const LevelNumber& at : answer.levels)
            text += machine_.specs[at.pool].name + " " + std::to_string(at.id) + "@" +
                    std::to_string(at.generation) + ", ";
        return text;
    }

    // Numbers to ask for.

    PoolIndex any_pool() { return static_cast<PoolIndex>(draw(machine_.specs.size())); }

    // Near where something happens, and now and then outside.
    Id any_id(PoolIndex pool) {
        const Range range = machine_.specs[pool].range;
        const std::optional<Id> cursor = allocator().any_pool(pool).sequence().cursor;
        const bool is_near = cursor && range.span() > 1'000;
        if (one_in(30)) return one_in(2) ? range.last + 1 : range.first - 1;
        if (!is_near) return range.first + draw(range.count());
        const Id from = *cursor - std::min<Id>(20, *cursor - range.first);
        return from + draw(60);
    }

    std::optional<Range> any_reserved(PoolIndex pool) {
        const std::set<Id>& kept = model_.pools[pool].reserved;
        if (kept.empty()) return std::nullopt;
        const Id first = *std::next(kept.begin(), static_cast<std::ptrdiff_t>(draw(kept.size())));
        return Range{first, kept.count(first + 1) != 0 ? first + draw(2) : first};
    }

    // Something that is held, in a pool.
    std::optional<Id> any_live(PoolIndex pool) {
        const PoolModel& model = model_.pools[pool];
        if (model.numbers.empty()) return std::nullopt;
        const auto place = static_cast<std::ptrdiff_t>(draw(model.numbers.size()));
        const Id at = std::next(model.numbers.begin(), place)->first;
        const auto next = model.next_live(at);
        return next ? next : model.next_live(0);
    }

    // Releases.

    Asker holder_of(const ModelNumber& number) const {
        Asker asker = user(number.uid);
        const ModelHolder& holder = model_.holders.at(number.holder);
        const bool is_own = holder.binding == Binding::persistent && holder.name.empty();
        if (!is_own) asker.acts_as = holder.ref;
        return asker;
    }

    // Rightly, but where it was asked for below.
    void release_held() {
        const PoolIndex pool = any_pool();
        const auto id = any_live(pool);
        if (!id) return;
        const ModelNumber number = model_.pools[pool].numbers.at(*id);
        const Range run = model_.pools[pool].run_around(*id);
        const Range range{*id, *id + std::min(run.last - *id, draw(one_in(3) ? 8 : 2))};
        release(pool, range, number.generation, holder_of(number));
    }

    // Whatever it is.
    void release_anything() {
        const PoolIndex pool = any_pool();
        const Id first = any_live(pool).value_or(any_id(pool));
        const auto known = model_.pools[pool].numbers.find(first);
        const bool is_known = known != model_.pools[pool].numbers.end();
        Asker asker = is_known && known->second.is_live() && one_in(2) ? holder_of(known->second)
                                                                       : any_asker();
        asker.releases_for_others = one_in(3);
        const Id from = one_in(3) ? any_id(pool) : first;
        const Id last = from + draw(4);
        std::uint64_t generation = is_known ? known->second.generation : draw(5);
        if (one_in(8)) generation = one_in(2) ? 0 : generation - 1;
        release(pool, {from, one_in(40) ? from - 1 : last}, generation, asker);
    }

    void release(PoolIndex pool, Range range, std::uint64_t generation, const Asker& asker) {
        const auto refusal = model_.release_refusal(pool, range, generation, asker);
        const auto answer = allocator().release(pool, range, generation, asker);
        ASSERT_EQ(text_of(answer.result), text_of(refusal))
            << machine_.specs[pool].name << " " << range.first << "-" << range.last;
        met("release " + (refusal ? std::string(name(refusal->code)) : "done"));
        if (!refusal) model_.release(pool, range);
        observe();
    }

    template <class T>
    static std::string text_of(const Result<T>& result) {
        return result ? "done" : text_of(std::optional(result.error()));
    }
    static std::string text_of(const std::optional<Error>& error) {
        if (!error) return "done";
        return std::string(name(error->code)) + " " + std::to_string(error->detail);
    }

    // Lookups.

    void look() {
        const PoolIndex pool = any_pool();
        const bool is_any = one_in(3);
        const Id id = is_any ? any_id(pool) : any_live(pool).value_or(any_id(pool));
        const auto known = model_.pools[pool].numbers.find(id);
        const bool is_known = known != model_.pools[pool].numbers.end();
        const std::uint64_t generation =
            one_in(2) || !is_known ? 0 : known->second.generation + (one_in(4) ? 1 : 0);
        look_up(pool, id, generation);
        if (one_in(4)) look_for_next(pool, id);
    }

    void look_up(PoolIndex pool, Id id, std::uint64_t generation) {
        const auto refusal = model_.pools[pool].lookup_refusal(id, generation);
        const auto answer = allocator().lookup(pool, id, generation);
        const auto levels = allocator().lookup_levels(pool, id, generation);
        ASSERT_EQ(text_of(answer.result), text_of(refusal))
            << machine_.specs[pool].name << " " << id;
        ASSERT_EQ(text_of(levels.result), text_of(refusal));
        met("lookup " + (refusal ? std::string(name(refusal->code)) : "found"));
        if (refusal) return;
        compare_run(pool, id, *answer.result);
        const std::vector<LevelNumber> found(levels.result->begin(), levels.result->end());
        ASSERT_EQ(found, model_.levels(pool, id)) << machine_.specs[pool].name << " " << id;
    }

    void look_for_next(PoolIndex pool, Id id) {
        const auto answer = allocator().next(pool, id);
        const bool is_tracked = machine_.specs[pool].tracking;
        const auto live = model_.pools[pool].next_live(id);
        if (!live) {
            const Errc expected = is_tracked ? Errc::no_more_leases : Errc::not_tracked;
            ASSERT_EQ(text_of(answer.result), text_of(std::optional<Error>(expected)));
            return;
        }
        ASSERT_TRUE(answer.result);
        compare_run(pool, *live, *answer.result);
    }

    void compare_run(PoolIndex pool, Id id, const Held& held) const {
        const PoolModel& model = model_.pools[pool];
        const ModelNumber& number = model.numbers.at(id);
        const ModelHolder& holder = model_.holders.at(number.holder);
        ASSERT_EQ(held.range, model.run_around(id)) << model.spec.name << " " << id;
        ASSERT_EQ(held.generation, number.generation) << model.spec.name << " " << id;
        ASSERT_EQ(held.holder.id, number.holder) << model.spec.name << " " << id;
        ASSERT_EQ(held.holder.uid, holder.uid);
        ASSERT_EQ(held.holder.binding, holder.binding);
        ASSERT_EQ(held.holder.name, holder.name);
    }

    // What administrators do.

    void reserve() {
        const PoolIndex pool = any_pool();
        const Id first = any_id(pool);
        const Range range{first, std::max(first, first + draw(3))};
        NoGuard nobody_else;
        const auto answer = allocator().reserve(nobody_else, pool, range);
        const auto error = answer.result ? std::nullopt : std::optional(answer.result.error());
        const auto refusal = model_.pools[pool].reserve_refusal(range, error);
        ASSERT_EQ(text_of(error), text_of(refusal))
            << machine_.specs[pool].name << " " << range.first;
        met("reserve " + (refusal ? std::string(name(refusal->code)) : "done"));
        model_.pools[pool].look_for_claim(range);
        if (!refusal) model_.pools[pool].reserve(range);
        observe();
    }

    void unreserve() {
        const PoolIndex pool = any_pool();
        const Id any = any_id(pool);
        const auto kept = one_in(4) ? std::nullopt : any_reserved(pool);
        const Range range = kept.value_or(Range{any, any});
        NoGuard nobody_else;
        const auto answer = allocator().unreserve(nobody_else, pool, range);
        const auto refusal = model_.pools[pool].unreserve_refusal(range);
        ASSERT_EQ(text_of(answer.result), text_of(refusal))
            << machine_.specs[pool].name << " " << range.first;
        met("unreserve " + (refusal ? std::string(name(refusal->code)) : "done"));
        if (!refusal) model_.pools[pool].unreserve(range);
    }

    void advance() {
        const PoolIndex pool = any_pool();
        const Id last = any_id(pool);
        const auto answer = allocator().advance(pool, last);
        const auto refusal = model_.pools[pool].advance_refusal(last);
        ASSERT_EQ(text_of(answer.result), text_of(refusal))
            << machine_.specs[pool].name << " " << last;
        met("advance " + (refusal ? std::string(name(refusal->code)) : "done"));
        if (!refusal) model_.pools[pool].advance(last);
    }

    // Holders.

    void bind() {
        Asker asker = user(static_cast<std::uint32_t>(draw(user_count)));
        asker.holders_max = one_in(4) ? 4 : 12;
        BindRequest request{.binding = static_cast<Binding>(1 + draw(4)),
                            .secret = {{random_() | 1U, random_()}}};
        const bool has_name =
            request.binding == Binding::persistent || request.binding == Binding::ttl;
        const std::array<std::string_view, 4> names{"", "a", "b", "c"};
        if (has_name || one_in(10)) request.name = names[draw(names.size())];
        if (request.binding == Binding::process) request.process.inode = 1 + draw(5);
        if (request.binding == Binding::ttl)
            request.ttl_ms = static_cast<std::uint32_t>(1 + draw(2'500));
        if (one_in(3)) request.key = any_key();
        const auto refusal = model_.bind_refusal(asker, request);
        const auto answer = allocator().bind(asker, request);
        ASSERT_EQ(text_of(answer.result), text_of(refusal));
        met("bind " + (refusal ? std::string(name(refusal->code)) : "done"));
        if (refusal) return;
        const Bound& bound = *answer.result;
        ASSERT_EQ(model_.bound(asker, request, bound), "");
        if (bound.is_new) {
            ASSERT_GT(bound.ref.id, holder_id_max_) << "a holder's number comes again";
        } else {
            met("bind found");
        }
        holder_id_max_ = std::max(holder_id_max_, bound.ref.id);
        refs_.emplace_back(asker.uid, bound.ref);
    }

    HolderKey any_key() {
        std::vector<HolderKey> keys;
        for (const auto& [id, holder] : model_.holders)
            if (!holder.key.is_none()) keys.push_back(holder.key);
        return keys.empty() ? HolderKey{{1, 1}} : keys[draw(keys.size())];
    }

    HolderRef any_ref() {
        if (one_in(4) && !model_.holders.empty()) {
            const auto place = static_cast<std::ptrdiff_t>(draw(model_.holders.size()));
            return std::next(model_.holders.begin(), place)->second.ref;
        }
        return refs_.empty()
                   ? HolderRef{.index = 0, .id = 1}
                   : refs_[refs_.size() - 1 - draw(std::min<std::size_t>(refs_.size(), 20))].second;
    }

    void renew() {
        const HolderRef ref = any_ref();
        const bool is_there = model_.holder(ref) != nullptr;
        const auto answer = allocator().renew(ref);
        ASSERT_EQ(text_of(answer.result),
                  text_of(is_there ? std::nullopt : std::optional<Error>(Errc::holder_ended)));
        met(is_there ? "renew done" : "renew holder_ended");
        if (is_there) model_.renew(ref);
    }

    void end_holder() {
        const HolderRef ref = any_ref();
        const bool is_there = model_.holder(ref) != nullptr;
        if (one_in(2)) {
            allocator().end(ref);
            if (is_there) met("holder ended");
        } else {
            const auto answer = allocator().release_all(ref);
            met(is_there ? "release_all done" : "release_all holder_unknown");
            ASSERT_EQ(answer.result.has_value(), is_there);
            if (is_there) {
                ASSERT_EQ(*answer.result, model_.holdings(ref));
            }
        }
        model_.end(ref);
    }

    // All of it, either way.

    void compare() {
        ASSERT_EQ(soundness(machine_), "sound");
        for (PoolIndex pool = 0; pool < model_.pools.size(); ++pool) {
            SCOPED_TRACE(machine_.specs[pool].name);
            compare_live(pool);
            compare_rest(pool);
            if (::testing::Test::HasFailure()) return;
        }
        ASSERT_EQ(allocator().holders().size(), model_.holders.size());
        for (const auto& [id, holder] : model_.holders)
            ASSERT_TRUE(allocator().holders().contains(holder.ref)) << id;
        ASSERT_EQ(allocator().tokens().count(), model_.token_count());
        ASSERT_EQ(*allocator().token_epoch().result, model_.token_epoch());
        ASSERT_EQ(allocator().next_deadline(), model_.next_deadline());
    }

    void compare_live(PoolIndex pool) {
        const PoolModel& model = model_.pools[pool];
        std::optional<Id> live = model.next_live(0);
        allocator().any_pool(pool).for_each_run([&](const Run& run) {
            ASSERT_EQ(live, run.range.first);
            const auto held = allocator().lookup(pool, run.range.first, 0);
            ASSERT_TRUE(held.result);
            compare_run(pool, run.range.first, *held.result);
            live = run.range.last < id_max ? model.next_live(run.range.last + 1) : std::nullopt;
        });
        ASSERT_EQ(live, std::nullopt) << "is not there";
        for (const auto& [id, number] : model.numbers) {
            if (!number.is_live()) continue;
            const auto levels = allocator().lookup_levels(pool, id, 0);
            ASSERT_TRUE(levels.result);
            const std::vector<LevelNumber> found(levels.result->begin(), levels.result->end());
            ASSERT_EQ(found, model_.levels(pool, id));
        }
    }

    void compare_rest(PoolIndex pool) {
        const Pool& real = allocator().any_pool(pool);
        const PoolModel& model = model_.pools[pool];
        ASSERT_EQ(real.sequence().generation, model.generation());
        ASSERT_GE(real.resting_count(), model.surely_resting());
        ASSERT_LE(real.resting_count(), model.perhaps_resting());
        if (!model.is_left_open) {
            ASSERT_EQ(real.has_dead(), model.has_left());
        }
        for (std::uint32_t uid = 0; uid < user_count; ++uid)
            ASSERT_EQ(allocator().account(pool, uid), model.account(uid)) << "UID " << uid;
        std::set<Id> kept;
        for (auto run = real.next_reserved(0); run;) {
            for (Id id = run->first; kept.insert(id).second && id < run->last; ++id) {
            }
            run = run->last < id_max ? real.next_reserved(run->last + 1) : std::nullopt;
        }
        ASSERT_EQ(kept, model.reserved);
    }

    // From life to life.

    void restart() {
        const std::uint64_t how = draw(5);
        bool was_clean = false;
        if (how == 0) {
            was_clean = true;
            ASSERT_TRUE(allocator().close());
            met("clean restart");
        } else if (how == 1) {
            lose_what_is_not_durable();
        } else if (how == 2) {
            cut_a_group();
        } else {
            flush();
            if (how == 3) machine_.crash(random_());
            met(how == 3 ? "power cut" : "kill -9");
        }
        if (::testing::Test::HasFailure()) return;
        start(was_clean);
    }

    // Of what was asked behind the last group nothing is left.
    void lose_what_is_not_durable() {
        flush();
        durable_ = model_;
        for (std::uint64_t i = draw(40); i > 0 && !::testing::Test::HasFailure(); --i)
            lose_one();
        model_ = *durable_;
        durable_.reset();
        machine_.crash(random_());
        met("power cut before a group");
    }
    void lose_one() {
        if (!allocator().has_room()) flush();
        switch (draw(8)) {
            case 0: return release_held();
            case 1: return hand_out(any_claim());
            case 2: return bind();
            case 3: return end_holder();
            case 4: return one_in(2) ? reserve() : unreserve();
            default: return hand_out(any_request());
        }
    }

    // The machine dies while a group is written: it is there, or it is not.
    void cut_a_group() {
        flush();
        durable_ = model_;
        for (std::uint64_t i = 1 + draw(6); i > 0 && !::testing::Test::HasFailure(); --i)
            lose_one();
        if (::testing::Test::HasFailure()) return;
        if (one_in(2)) allocator().request_snapshot();
        group_lsn_ = allocator().journal().last_lsn();
        machine_.disk.die_at_call(1 + draw(4), draw(1'001));
        const bool is_acknowledged = machine_.flush();
        machine_.crash(random_());
        if (is_acknowledged) durable_.reset();
        met(is_acknowledged ? "power cut" : "power cut in a group");
    }

    // Of the group that the power cut, all is there, or nothing.
    void go_back_to(Lsn recovered) {
        if (!durable_) return;
        const bool is_there = recovered >= group_lsn_;
        met(is_there ? "cut group there" : "cut group gone");
        if (!is_there) model_ = *durable_;
        durable_.reset();
    }

    void start(bool was_clean) {
        const bool is_reboot = one_in(4);
        if (is_reboot) ++machine_.boot.words[0];
        const BootTime now_there = is_reboot ? draw(500) : machine_.now;
        machine_.now = now_there;
        machine_.fresh_token_epoch = next_epoch_;
        const auto recovery = machine_.start();
        ASSERT_EQ(inod::said(recovery), "recovered");
        go_back_to(recovery->last_lsn);
        if (is_reboot) {
            model_.reboot(was_clean, machine_.restart_grace_ms, now_there);
            met("reboot");
        } else {
            model_.restart(was_clean, machine_.restart_grace_ms);
        }
        if (model_.is_token_epoch_due()) begun_epoch();
        for (PoolIndex pool = 0; pool < model_.pools.size(); ++pool) {
            PoolModel& model = model_.pools[pool];
            model.keep_bands();
            const auto cursor = allocator().any_pool(pool).sequence().cursor;
            ASSERT_EQ(model.skip_to(cursor), "") << model.spec.name;
        }
        observe(true);
        compare();
    }

    std::mt19937_64 random_;
    Tally& tally_;
    Machine machine_;
    WholeModel model_;
    std::optional<WholeModel>
        durable_;        // as it was with the last group, while that is to be gone back to
    Lsn group_lsn_ = 0;  // of the last record behind that
    std::uint64_t next_epoch_ = 1;
    HolderId holder_id_max_ = 0;
    std::vector<std::pair<std::uint32_t, HolderRef>> refs_;
    std::vector<Quota> quotas_;
    std::vector<HandOutRequest> sent_;
    std::set<std::tuple<PoolIndex, Id, std::uint64_t>> seen_;
};

std::uint64_t number_of(const char* name, std::uint64_t otherwise) {
    const char* const text = std::getenv(name);
    return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

// What has to happen, or the test has come to look at less than it did.
constexpr std::array<std::string_view, 72> expected_to_happen{"advance done",
                                                              "advance id_out_of_range",
                                                              "advance not_offered",
                                                              "allocate align_invalid",
                                                              "allocate count_zero",
                                                              "allocate granted",
                                                              "allocate holder_ended",
                                                              "allocate lease_too_large",
                                                              "allocate pool_exhausted",
                                                              "allocate quota_exceeded",
                                                              "allocate sweep_pending",
                                                              "allocate token_expired",
                                                              "allocate token_mismatch",
                                                              "allocate token_quota",
                                                              "bind done",
                                                              "bind found",
                                                              "bind holder_invalid",
                                                              "bind holder_unknown",
                                                              "bind quota_exceeded",
                                                              "claim granted",
                                                              "claim holder_ended",
                                                              "claim id_burned",
                                                              "claim id_out_of_range",
                                                              "claim id_reserved",
                                                              "claim id_resting",
                                                              "claim id_taken",
                                                              "claim not_tracked",
                                                              "claim of reserved",
                                                              "claim quota_exceeded",
                                                              "claim token_expired",
                                                              "clean restart",
                                                              "cut group gone",
                                                              "cut group there",
                                                              "holder ended",
                                                              "holder expired",
                                                              "kill -9",
                                                              "lookup found",
                                                              "lookup id_out_of_range",
                                                              "lookup never_allocated",
                                                              "lookup not_tracked",
                                                              "lookup released",
                                                              "lookup stale_generation",
                                                              "power cut",
                                                              "power cut before a group",
                                                              "power cut in a group",
                                                              "reboot",
                                                              "release done",
                                                              "release generation_required",
                                                              "release held_below",
                                                              "release id_out_of_range",
                                                              "release never_allocated",
                                                              "release not_holder",
                                                              "release not_tracked",
                                                              "release range_reversed",
                                                              "release released",
                                                              "release stale_generation",
                                                              "release_all done",
                                                              "release_all holder_unknown",
                                                              "renew done",
                                                              "renew holder_ended",
                                                              "reserve done",
                                                              "reserve id_burned",
                                                              "reserve id_resting",
                                                              "reserve id_taken",
                                                              "token epoch",
                                                              "token known",
                                                              "unreserve done",
                                                              "unreserve id_taken",
                                                              "unreserve not_reserved",
                                                              "wrap",
                                                              "wrap to wrap_to",
                                                              "yield"};

TEST(WholeModel, EveryAnswerIsTheOneThatASimpleModelHas) {
    const bool is_long = std::getenv("INOD_TEST_LONG") != nullptr;
    const std::uint64_t operations = number_of("INOD_WHOLE_OPERATIONS", 5'000);
    const std::uint64_t only = number_of("INOD_WHOLE_SEED", 0);
    const std::uint64_t first = only != 0 ? only : 1;
    const std::uint64_t last = only != 0 ? only : is_long ? 640 : 20;
    Tally tally;
    for (std::uint64_t seed = first; seed <= last; ++seed) {
        const std::string number = std::to_string(seed);
        SCOPED_TRACE("seed " + number + ", again with INOD_WHOLE_SEED=" + number);
        Walk(seed, tally).run(operations);
        if (HasFailure()) return;
    }
    for (const auto& [what, count] : tally)
        RecordProperty(what, std::to_string(count));
    if (only != 0) return;
    for (const std::string_view what : expected_to_happen)
        EXPECT_GT(tally[std::string(what)], 0U) << what;
}

}  // namespace
}  // namespace inod
