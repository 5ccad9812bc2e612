#include "lib/offline/import.h"

#include <algorithm>
#include <array>
#include <limits>
#include <span>
#include <variant>

#include "lib/offline/intervals.h"
#include "lib/offline/offline_store.h"
#include "lib/offline/staged_storage.h"
#include "lib/offline/state_line.h"
#include "lib/offline/state_lines.h"
#include "lib/pool/record.h"
#include "lib/pool/runs.h"

namespace inod {
namespace {

std::optional<Id> behind(Range range) {
    return range.last < id_max ? std::optional(range.last + 1) : std::nullopt;
}

// Why there can be no such holder, if so.
const char* contradiction(const Holder& holder) {
    const Binding binding = holder.binding;
    const bool has_process = holder.process.pid != 0;
    const bool has_limit = holder.ttl_ms != 0;
    const bool can_have_name = binding == Binding::persistent || binding == Binding::ttl;
    if (has_process != (binding == Binding::process)) {
        return "'process' says which one a holder is bound to, and is null of any other holder";
    }
    if (has_limit != (binding == Binding::ttl) || (!has_limit && holder.deadline != 0)) {
        return "'ttl_ms' says how long a holder with a time limit lasts, and is 0, as 'deadline' "
               "is, "
               "of any other";
    }
    if (!holder.name.empty() && !can_have_name) return "a holder with this binding has no name";
    return nullptr;
}

// A run of no holder's as a record has it.
class SavedRun {
public:
    SavedRun(Range range, HolderIndex holder, std::optional<Id> from = {})
        : items_(memory_, from.value_or(range.first), 0) {
        static_cast<void>(
            items_.add({range, {.holder = holder, .claimed = false, .generation = 0}}));
    }
    [[nodiscard]] RunItems items() { return {items_.finish()}; }

private:
    std::array<std::byte, 64> memory_;
    RunWriter items_;
};

// Turns lines into the records of a snapshot, each at once, so that what contradicts the lines
// before it is told with its number.
class LineReplay {
public:
    LineReplay(const LineSource& source, Replay& replay) : source_(source), replay_(replay) {}

    Result<void, Failure> run();

private:
    using Done = Result<void, Failure>;

    Result<std::optional<std::string>, Failure> next();
    Done begin();
    Done apply(const HolderLine& line);
    Done apply(const PoolLine& line);
    Done apply(const ClaimLine& line);
    Done apply(const ReservedLine& line);
    Done apply(const LiveLine& line);
    Done apply(const EndLine& line);
    Done check_run(const std::string& pool, Range range, std::optional<Id> from) const;
    Done save_claim(Range range, HolderIndex holder);
    Done end_reserved();
    Done end_pool();
    Done send(const Record& record);
    [[nodiscard]] Failure refuse(const std::string& what) const {
        return refuse_line(number_, what);
    }

    const LineSource& source_;
    Replay& replay_;
    std::uint64_t number_ = 0;  // of the present line
    bool has_ended_ = false;
    std::uint64_t version_ = state_format_version;
    HolderIndex holder_end_ = 0;
    Intervals holders_;  // by their indexes
    std::size_t pool_count_ = 0;

    // Of the present pool.
    std::string pool_;
    bool is_unique_ = false;
    std::optional<Id> cursor_;
    std::uint64_t generation_ = 0;
    bool has_reserved_ = false;
    bool has_live_ = false;
    Intervals claims_;
    // Where the next claim may begin, the next reserved run and the next live one; none: behind the last
    // ID of all.
    std::optional<Id> claims_from_;
    std::optional<Id> reserved_from_;
    std::optional<Id> live_from_;
};

Result<void, Failure> LineReplay::run() {
    if (auto begun = begin(); !begun) return begun;
    while (!has_ended_) {
        const auto line = next();
        if (!line) return line.error();
        if (!*line) return refuse("the line of type 'end' is missing: not all of it is here");
        const auto parsed = parse_state_line(**line, number_, version_);
        if (!parsed) return parsed.error();
        auto applied = std::visit([this](const auto& l) { return apply(l); }, *parsed);
        if (!applied) return applied;
    }
    const auto more = next();
    if (!more) return more.error();
    if (*more) return refuse("it is behind the line of type 'end'");
    return replay_.snapshot_end();
}

Result<std::optional<std::string>, Failure> LineReplay::next() {
    ++number_;
    return source_();
}

LineReplay::Done LineReplay::begin() {
    const auto line = next();
    if (!line) return line.error();
    if (!*line) return refuse("there is nothing to import");
    const auto first = parse_first_line(**line);
    if (!first) return first.error();
    version_ = first->version;
    if (auto begun = replay_.snapshot_begin(); !begun) return begun;
    return send(Booted{.boot = first->boot, .next_holder = first->next_holder, .now = 0});
}

LineReplay::Done LineReplay::apply(const HolderLine& line) {
    if (pool_count_ > 0) return refuse("holders come before all pools");
    const bool is_next = version_ < 2 ? line.index == holder_end_ : line.index >= holder_end_;
    if (!is_next || line.index == std::numeric_limits<HolderIndex>::max()) {
        return refuse("the next holder has index " + std::to_string(holder_end_) +
                      (version_ < 2 ? "" : " or more"));
    }
    holder_end_ = line.index + 1;
    holders_.add({line.index, line.index});
    HolderDefined record{.index = line.index, .holder = line.holder};
    record.holder.name = line.name;
    if (const char* const why = contradiction(record.holder)) return refuse(why);
    return send(record);
}

LineReplay::Done LineReplay::apply(const PoolLine& line) {
    if (auto ended = end_pool(); !ended) return ended;
    const auto policy = policy_of(line.policy);
    if (!policy) return refuse("policy '" + line.policy + "' is unknown here");
    const auto durability = durability_of(line.durability);
    if (!durability) return refuse("durability '" + line.durability + "' is unknown here");
    const PoolSpec spec{.name = line.name,
                        .policy = *policy,
                        .range = {line.min, line.max},
                        .durability = *durability,
                        .tracking = line.tracking};
    if (auto valid = validate(spec); !valid) return refuse(valid.error().message);
    if (pool_count_ >= std::numeric_limits<PoolIndex>::max()) {
        return refuse("a store has at most 65,535 pools");
    }
    const auto index = static_cast<PoolIndex>(pool_count_++);
    pool_ = line.name;
    is_unique_ = *policy == Policy::unique;
    cursor_ = line.sequence.cursor;
    generation_ = line.sequence.generation;
    has_reserved_ = has_live_ = false;
    claims_.clear();
    claims_from_ = reserved_from_ = live_from_ = line.min;
    auto defined = send(PoolDefined{.pool = index,
                                    .name = spec.name,
                                    .policy = spec.policy,
                                    .durability = spec.durability,
                                    .range = spec.range,
                                    .tracking = spec.tracking});
    if (!defined) return defined;
    return send(SequenceSaved{.pool = index, .state = line.sequence});
}

// Does a run belong here, where none may begin before `from`?
LineReplay::Done LineReplay::check_run(const std::string& pool, Range range,
                                       std::optional<Id> from) const {
    if (pool_count_ == 0 || pool != pool_) {
        return refuse("it is of pool '" + pool + "', whose own line is not the last one of a pool");
    }
    if (range.first > range.last) return refuse("'first' is above 'last'");
    if (!from || range.first < *from) return refuse("runs ascend and do not overlap");
    return {};
}

LineReplay::Done LineReplay::apply(const ClaimLine& line) {
    const Range range{line.first, line.last};
    if (auto checked = check_run(line.pool, range, claims_from_); !checked) return checked;
    if (has_reserved_ || has_live_) return refuse("claims come before what is reserved or live");
    claims_from_ = behind(range);
    claims_.add(range);
    return save_claim(range, 0);
}

LineReplay::Done LineReplay::save_claim(Range range, HolderIndex holder) {
    return send(ClaimsSaved{.pool = static_cast<PoolIndex>(pool_count_ - 1),
                            .covered = range,
                            .items = SavedRun(range, holder).items()});
}

// What is reserved above a unique pool's cursor is among its claims too.
LineReplay::Done LineReplay::apply(const ReservedLine& line) {
    if (has_live_) return refuse("what is reserved comes before what is live");
    const Range range{line.first, line.last};
    if (auto checked = check_run(line.pool, range, reserved_from_); !checked) return checked;
    if (const auto claimed = claims_.common(range)) {
        return refuse(std::to_string(claimed->first) + " was claimed, and cannot be reserved");
    }
    if (is_unique_ && cursor_ && range.last >= *cursor_) {
        const Range above{std::max(range.first, *cursor_), range.last};
        if (auto saved = save_claim(above, ClaimsSaved::reserved_only); !saved) return saved;
    }
    const Range covered{has_reserved_ ? *reserved_from_ : 0, range.last};
    has_reserved_ = true;
    reserved_from_ = behind(range);
    return send(ReservedSaved{.pool = static_cast<PoolIndex>(pool_count_ - 1),
                              .covered = covered,
                              .items = SavedRun(range, 0, covered.first).items()});
}

// Nothing more of the present pool is reserved.
LineReplay::Done LineReplay::end_reserved() {
    if (!has_reserved_ || !reserved_from_) return {};
    const Id from = *reserved_from_;
    reserved_from_.reset();
    return send(ReservedSaved{
        .pool = static_cast<PoolIndex>(pool_count_ - 1), .covered = {from, id_max}, .items = {}});
}

LineReplay::Done LineReplay::apply(const LiveLine& line) {
    const Range range{line.first, line.last};
    if (auto checked = check_run(line.pool, range, live_from_); !checked) return checked;
    if (!holders_.contains({line.holder, line.holder})) {
        return refuse("there is no holder with index " + std::to_string(line.holder));
    }
    if (line.generation > generation_) {
        return refuse("the pool is at generation " + std::to_string(generation_));
    }
    if (auto ended = end_reserved(); !ended) return ended;
    std::array<std::byte, record_size_max> memory;
    const Range covered{has_live_ ? *live_from_ : 0, range.last};
    RunWriter items(memory, covered.first, generation_);
    static_cast<void>(items.add({range,
                                 {.holder = static_cast<HolderIndex>(line.holder),
                                  .claimed = line.claimed,
                                  .generation = line.generation}}));
    has_live_ = true;
    live_from_ = behind(range);
    return send(LiveSaved{.pool = static_cast<PoolIndex>(pool_count_ - 1),
                          .covered = covered,
                          .generation = generation_,
                          .items = {items.finish()}});
}

// Nothing more of the present pool is live.
LineReplay::Done LineReplay::end_pool() {
    if (auto ended = end_reserved(); !ended) return ended;
    if (!live_from_) return {};
    const Id from = has_live_ ? *live_from_ : 0;
    live_from_.reset();
    return send(LiveSaved{.pool = static_cast<PoolIndex>(pool_count_ - 1),
                          .covered = {from, id_max},
                          .generation = generation_,
                          .items = {}});
}

LineReplay::Done LineReplay::apply(const EndLine& line) {
    if (line.lines != number_ - 1) {
        return refuse("it says that " + std::to_string(line.lines) +
                      " lines are before it: some are missing, or too many");
    }
    has_ended_ = true;
    return end_pool();
}

LineReplay::Done LineReplay::send(const Record& record) {
    std::array<std::byte, record_size_max> memory;
    ByteWriter out(memory);
    encode(record, out);
    auto sent = replay_.snapshot_record(out.written());
    if (sent) return sent;
    if (sent.error().code != Errc::journal_damaged) {
        return Failure{sent.error().code,
                       "line " + std::to_string(number_) + ": " + sent.error().message};
    }
    return refuse("it contradicts itself, or what stands before it");
}

// A lock is not part of a store.
Result<void, Failure> check_empty(const Storage& directory) {
    const auto names = directory.list();
    if (!names) return names.error();
    const auto other = std::find_if(names->begin(), names->end(),
                                    [](const std::string& name) { return name != "lock"; });
    if (other == names->end()) return {};
    return Failure{
        Errc::state_in_use,
        "it has files, such as " + *other +
            ", and an import makes a new store: name another directory, or empty this one "
            "if nothing in it is wanted"};
}

Result<Imported, Failure> make_store(Storage& storage, const LineSource& source,
                                     const ImportOptions& options) {
    AllocatorOptions allocator_options = options_to_look();
    allocator_options.journal = options.journal;
    // One line can say that so much is live that no daemon could have it in memory.
    allocator_options.memory_max = options.memory_max;
    Allocator allocator(storage, std::move(allocator_options));
    const auto tell = [&](Replay& replay) -> Result<void, Failure> {
        if (auto told = LineReplay(source, replay).run(); !told) return told;
        const auto broken = allocator.verify();
        if (broken) return Failure{Errc::import_invalid, "the lines do not fit: " + *broken};
        return {};
    };
    const auto created = allocator.create(tell, options.skip_ahead);
    if (!created) return created.error();
    Imported imported{.store = created->id,
                      .holders = allocator.holders().size(),
                      .pools = allocator.pool_index_end()};
    for (std::size_t i = 0; i < imported.pools; ++i) {
        imported.live_runs += allocator.any_pool(static_cast<PoolIndex>(i)).live_count().runs;
    }
    return imported;
}

// Reads back what was made, and lets it be seen. While some of its segments are not there yet, one
// that is names one that is not, as its base or as the next: a start refuses that.
Result<void, Failure> publish(StagedStorage& staged) {
    {
        NoReplay nobody;
        const auto made = scan(staged, nobody);
        if (!made) return made.error();
        if (!made->recovery.clean) {
            return Failure{Errc::io_error, "what was written does not read back"};
        }
    }
    return staged.publish();
}

// Takes back what was done, whatever ends it, unless that is called off.
class Undo {
public:
    explicit Undo(StagedStorage& staged) : staged_(&staged) {}
    Undo(const Undo&) = delete;
    Undo& operator=(const Undo&) = delete;
    ~Undo() {
        if (staged_ != nullptr) staged_->discard();
    }
    void call_off() { staged_ = nullptr; }

private:
    StagedStorage* staged_;
};

}  // namespace

Result<Imported, Failure> import_state(Storage& directory, const LineSource& source,
                                       const ImportOptions& options) {
    if (auto empty = check_empty(directory); !empty) return empty.error();
    StagedStorage staged(directory);
    Undo undo(staged);
    auto imported = make_store(staged, source, options);
    if (!imported) return imported;
    if (auto published = publish(staged); !published) return published.error();
    undo.call_off();
    return imported;
}

}  // namespace inod
