// A store that goes on while it is read: a writer that takes its next steps before each read of
// whoever copies it, and between the bytes of one if need be.
//
// The writer has a thread of its own and runs only while the reader waits for it, so that every
// interleaving follows from the seed. It can be stopped at each call on its disk, and within each
// write, between any two bytes.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <semaphore>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lib/base/storage.h"
#include "tests/journal/support.h"
#include "tests/sim/dice.h"
#include "tests/sim/mem_storage.h"

namespace inod {

// Hands the turn to and fro.
class Turns {
public:
    // By the reader: the writer takes so many steps, or fewer if it ends.
    void let_go_on(std::uint64_t steps) {
        if (has_ended_ || steps == 0) return;
        steps_ = steps;
        to_writer_.release();
        to_reader_.acquire();
    }
    // By the writer: before each step.
    void step() {
        if (steps_-- > 0) return;
        to_reader_.release();
        to_writer_.acquire();
        --steps_;
    }
    // By the writer: first, and last of all.
    void begin() { to_writer_.acquire(); }
    void end() {
        has_ended_ = true;
        to_reader_.release();
    }

private:
    std::binary_semaphore to_writer_{0};
    std::binary_semaphore to_reader_{0};
    // Of whoever has the turn.
    std::uint64_t steps_ = 0;
    bool has_ended_ = false;
};

// Calls `before` before each call on a file of `storage`, and has reads and writes in pieces where
// `cut` says so: it answers with how many bytes the next piece has, of at most so many.
template <class Before, class Cut>
class SteppedFile final : public File {
public:
    SteppedFile(std::unique_ptr<File> file, Before before, Cut cut)
        : file_(std::move(file)), before_(before), cut_(cut) {}

    [[nodiscard]] Result<std::size_t, Failure> read(std::uint64_t offset,
                                                    std::span<std::byte> out) const override {
        std::size_t done = 0;
        do {
            before_();
            const auto piece = out.subspan(done, cut_(out.size() - done));
            const auto size = file_->read(offset + done, piece);
            if (!size) return size;
            done += *size;
            if (*size < piece.size()) break;
        } while (done < out.size());
        return done;
    }
    [[nodiscard]] Result<void, Failure> write(std::uint64_t offset,
                                              std::span<const std::byte> bytes) override {
        while (!bytes.empty()) {
            before_();
            const std::size_t size = cut_(bytes.size());
            if (auto written = file_->write(offset, bytes.first(size)); !written) return written;
            offset += size;
            bytes = bytes.subspan(size);
        }
        return {};
    }
    [[nodiscard]] Result<void, Failure> sync() override {
        before_();
        return file_->sync();
    }
    [[nodiscard]] Result<std::uint64_t, Failure> size() const override {
        before_();
        return file_->size();
    }

private:
    const std::unique_ptr<File> file_;
    const Before before_;
    const Cut cut_;
};

template <class Before, class Cut>
class SteppedStorage final : public Storage {
public:
    SteppedStorage(Storage& storage, Before before, Cut cut)
        : storage_(storage), before_(before), cut_(cut) {}

    [[nodiscard]] Result<std::vector<std::string>, Failure> list() const override {
        before_();
        return storage_.list();
    }
    [[nodiscard]] Result<std::unique_ptr<File>, Failure> create(const std::string& name) override {
        before_();
        return stepped(storage_.create(name));
    }
    [[nodiscard]] Result<std::unique_ptr<File>, Failure> open(const std::string& name) override {
        before_();
        return stepped(storage_.open(name));
    }
    [[nodiscard]] Result<void, Failure> rename(const std::string& from,
                                               const std::string& to) override {
        before_();
        return storage_.rename(from, to);
    }
    [[nodiscard]] Result<void, Failure> remove(const std::string& name) override {
        before_();
        return storage_.remove(name);
    }
    [[nodiscard]] Result<void, Failure> sync_names() override {
        before_();
        return storage_.sync_names();
    }

private:
    Result<std::unique_ptr<File>, Failure> stepped(Result<std::unique_ptr<File>, Failure> file) {
        if (!file) return file;
        return std::unique_ptr<File>(
            std::make_unique<SteppedFile<Before, Cut>>(*std::move(file), before_, cut_));
    }

    Storage& storage_;
    const Before before_;
    const Cut cut_;
};

// How the writer and the reader meet.
struct Pace {
    std::uint64_t steps_max = 3;   // of the writer before a read
    std::uint64_t moves_in = 1;    // before one in so many
    std::uint64_t stop_max = 0;    // at one call of the reader so many, as if it were stopped there
    bool takes_snapshots = false;  // and so uses segments again
    std::uint64_t tear_max = 0;    // some reads are in pieces, and so many steps between them
};

class MovingStore {
public:
    static constexpr std::size_t change_size_max = 300;

    MovingStore(std::uint64_t seed, Pace pace)
        : pace_(pace), dice_(seed), writer_dice_(seed + 1'000'000) {
        thread_ = std::thread([this] {
            turns_.begin();
            live();
            turns_.end();
        });
    }
    MovingStore(const MovingStore&) = delete;
    MovingStore& operator=(const MovingStore&) = delete;
    ~MovingStore() {
        is_stopping_ = true;
        turns_.let_go_on(std::numeric_limits<std::uint64_t>::max());
        thread_.join();
    }

    void go_on(std::uint64_t steps) { turns_.let_go_on(steps); }
    // So many changes are acknowledged.
    [[nodiscard]] std::size_t acknowledged() const { return acknowledged_; }

    // Runs `read` on the store, which moves meanwhile.
    template <class Read>
    auto read(Read read) {
        calls_to_stop_ = dice_.below(dice_.one_in(2) ? 20 : 400);
        bool is_torn = false;  // the read that was in a piece just now
        const auto before = [this, &is_torn] {
            turns_.let_go_on(is_torn ? dice_.below(pace_.tear_max) : next_steps());
        };
        const auto cut = [this, &is_torn](std::size_t size) {
            is_torn = pace_.tear_max > 0 && size > 1 && dice_.one_in(4);
            return is_torn ? 1 + dice_.below(size - 1) : size;
        };
        SteppedStorage storage(disk_, before, cut);
        return read(storage);
    }

    // The first so many changes.
    static State state_of_first(std::size_t count) {
        std::vector<Bytes> changes;
        for (std::uint32_t serial = 1; serial <= count; ++serial)
            changes.push_back(change_of(serial, 0, change_size_max));
        return state_of(changes);
    }

private:
    std::uint64_t next_steps() {
        if (pace_.stop_max > 0 && calls_to_stop_-- == 0) return dice_.below(pace_.stop_max);
        return dice_.one_in(pace_.moves_in) ? dice_.below(pace_.steps_max + 1) : 0;
    }

    // The writer: lives that end clean, one after the other.
    void live() {
        const auto before = [this] { turns_.step(); };
        const auto cut = [this](std::size_t size) {
            return size > 1 && writer_dice_.one_in(2) ? 1 + writer_dice_.below(size - 1) : size;
        };
        SteppedStorage storage(disk_, before, cut);
        while (!is_stopping_) {
            Life life(storage);
            for (int turn = 0; turn < 400 && !is_stopping_; ++turn)
                take_turn(life);
            while (life.journal.snapshot_under_way())
                flush(life);
            flush(life);
            life.close();
        }
    }
    void take_turn(Life& life) {
        const std::size_t count = 1 + writer_dice_.below(8);
        life.append(count, change_size_max);
        appended_ += count;
        if (writer_dice_.one_in(4)) life.make_space();
        const bool may_begin = pace_.takes_snapshots && !life.journal.snapshot_under_way();
        if (may_begin && writer_dice_.one_in(10)) life.feeder.begin();
        flush(life);
    }
    void flush(Life& life) {
        life.flush(writer_dice_.below(60));
        acknowledged_ = appended_;
    }

    const Pace pace_;
    sim::Dice dice_;         // the reader's
    sim::Dice writer_dice_;  // the writer's
    sim::MemStorage disk_;
    Turns turns_;
    std::atomic<bool> is_stopping_{false};
    std::uint64_t calls_to_stop_ = 0;  // of the reader
    // Of whoever has the turn.
    std::size_t appended_ = 0;
    std::size_t acknowledged_ = 0;
    std::thread thread_;
};

}  // namespace inod
