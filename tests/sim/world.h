// A machine with a disk, on which one process of the daemon lives after the other, its clients, and
// whatever goes wrong: all of it from one seed.
//
// A life is at least 200 operations of clients, and a crash: kill -9, or a power cut. A process
// that a fault ends early shares its life with the next one. Where damage made a start be refused,
// as it must, the rest of the seed's lives are those of a new store.
//
// Thread safety: none of its own; but it uses process-wide refused_memory.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/clients.h"
#include "tests/sim/dice.h"
#include "tests/sim/faults.h"
#include "tests/sim/figures.h"
#include "tests/sim/journal_steps.h"
#include "tests/sim/mem_storage.h"
#include "tests/sim/oracle.h"
#include "tests/sim/process.h"
#include "tests/sim/story.h"

namespace inod::sim {

class World {
public:
    World(std::uint64_t seed, Story& story, Figures& figures);
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    // Lives so many lives. Throws Violated where a promise is broken.
    void run(std::uint64_t life_count);

private:
    // Where the flusher is.
    enum class Turn { idle, begun, written, durable };

    // Sees every call to the disk.
    class Eye final : public DiskWatcher {
    public:
        explicit Eye(World& world) : world_(world) {}
        void on_call(const DiskCall& call) override;

    private:
        World& world_;
    };

    void make_store();
    void run_process();
    void change_configuration();

    // Parts of a process's life.
    bool start(const ProcessPlan& plan);
    std::optional<Failure> try_start(const ProcessPlan& plan, std::optional<Recovery>& recovery);
    void judge_failed_start(const Failure& failure, bool memory_was_refused);
    void started(const Recovery& recovery);
    void compare_with(const MemStorage& before);
    [[nodiscard]] Process::Sizes sizes() const;
    void live(const ProcessPlan& plan);
    void operate(const ProcessPlan& plan);
    void request_snapshot();
    void fill_disk(const ProcessPlan& plan);
    void limit_disk(std::uint64_t free_size);
    void lengthen_log();
    void end_turn_under_way();
    void stop(const ProcessPlan& plan);
    void end(const ProcessPlan& plan);
    void crash(End how);

    // The flusher.
    void advance_turn();
    bool complete_turn();
    void finish_turns();
    void begin_turn();
    void flush();
    void end_turn();
    void make_space();
    // Runs a call that may end the process; false if it did.
    bool survives(const std::function<Result<void, Failure>()>& call);
    void judge(const Failure& failure);
    [[nodiscard]] bool call_failed() const { return disk_->failures() != failures_before_; }
    [[nodiscard]] bool disk_was_full() const { return disk_->refusals() != refusals_before_; }
    void check_space() const;
    // Of the flusher.
    [[nodiscard]] bool has_memory() const;
    [[nodiscard]] bool full_disk_may_stop() const;

    // Faults.
    void arm(const CallFault& fault, Fault kind);
    void disarm();
    void prepare_lie();
    void look_for_lie();
    void damage_at_rest();
    [[nodiscard]] bool is_time_to_flip() const;
    void flip_bit();
    [[nodiscard]] std::string file_to_flip();
    [[nodiscard]] std::uint64_t offset_to_flip(std::uint64_t used);
    void notice_damage(Count how);

    Dice dice_;
    Story& story_;
    Figures& figures_;
    Eye eye_{*this};

    // One store.
    std::vector<PoolSpec> pools_;
    StorePlan store_{};
    std::unique_ptr<MemStorage> disk_;
    std::unique_ptr<Oracle> oracle_;
    std::unique_ptr<Clients> clients_;
    JournalSteps steps_;
    Clock clock_;
    BootId known_boot_{};  // of the last start that succeeded
    std::uint64_t process_number_ = 0;
    std::uint64_t starts_on_full_disk_ = 0;  // since there was room, or a snapshot was made whole
    bool was_begun_before_ = false;          // a start since the last that succeeded
    bool is_damage_done_ = false;
    bool is_damage_unseen_ = false;  // no start has come to terms with it yet
    bool is_damage_noticed_ = false;
    bool is_lie_armed_ = false;
    bool power_failed_since_lie_ = false;

    // One process.
    std::unique_ptr<Process> process_;
    bool is_over_ = false;
    bool is_behind_clean_stop_ = false;  // the one before has stopped clean
    Turn turn_ = Turn::idle;
    std::uint64_t flush_count_ = 0;
    std::optional<std::uint64_t> memory_in_flush_;
    std::uint64_t failures_before_ = 0;  // of the disk, before it
    std::uint64_t refusals_before_ = 0;
    struct Armed {
        Fault kind;
        bool is_crash;
        std::uint64_t failures_before;
        bool is_over = false;  // it has come
    };
    std::optional<Armed> armed_;

    // One life.
    std::uint64_t operations_before_ = 0;
    std::uint64_t crash_count_ = 0;
};

}  // namespace inod::sim
