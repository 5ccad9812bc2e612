// Promise: every truncation and every bit that turns round in a journal comes to a refusal or to
// what was there. Nothing before the last group of which nothing proves that it was synced is lost.
//
// Method: a journal of 2,000 records with its snapshot, over all its files, is scanned once for each
// of them. What a scan hands on must be how the undamaged one began, call for call. Bytes that the
// scan of the undamaged journal never reads cannot change it: they are left out, which is all but
// the headers of spares, and of a frame behind them. INOD_TEST_LONG=1 has every bit and every
// length. In the short form it is one bit of each byte that was written, and of one in 64 of the
// zeros that nothing was written to; and every length within the header, one in 61 behind it.
#include "lib/base/crc32c.h"
#include "lib/journal/recovery.h"
#include "tests/journal/support.h"

namespace inod {
namespace {

// A disk that is quick to read, and remembers how far each file was read.
class FlatDisk final : public Storage {
public:
    struct Flat {
        std::string name;
        Bytes bytes;
        std::uint64_t size = 0;  // of the file: fewer than there are bytes when it is truncated
        std::uint64_t read_end = 0;
    };

    explicit FlatDisk(const sim::MemStorage& storage) {
        for (const std::string& name : names_of(storage, "")) {
            files.push_back({.name = name, .bytes = storage.content(name)});
            files.back().size = files.back().bytes.size();
        }
    }

    [[nodiscard]] Result<std::vector<std::string>, Failure> list() const override {
        std::vector<std::string> names;
        for (const Flat& file : files)
            names.push_back(file.name);
        return names;
    }
    [[nodiscard]] Result<std::unique_ptr<File>, Failure> open(const std::string& name) override {
        for (Flat& file : files)
            if (file.name == name) return std::unique_ptr<File>(std::make_unique<Open>(file));
        return read_only();
    }
    [[nodiscard]] Result<std::unique_ptr<File>, Failure> create(const std::string&) override {
        return read_only();
    }
    [[nodiscard]] Result<void, Failure> rename(const std::string&, const std::string&) override {
        return read_only();
    }
    [[nodiscard]] Result<void, Failure> remove(const std::string&) override { return read_only(); }
    [[nodiscard]] Result<void, Failure> sync_names() override { return read_only(); }

    std::vector<Flat> files;

private:
    static Failure read_only() { return {Errc::io_error, "this disk is only read"}; }

    class Open final : public File {
    public:
        explicit Open(Flat& file) : file_(file) {}
        [[nodiscard]] Result<std::size_t, Failure> read(std::uint64_t offset,
                                                        std::span<std::byte> out) const override {
            if (offset >= file_.size) return std::size_t{0};
            const std::size_t count = std::min<std::uint64_t>(out.size(), file_.size - offset);
            std::copy_n(file_.bytes.begin() + static_cast<std::ptrdiff_t>(offset), count,
                        out.begin());
            file_.read_end = std::max(file_.read_end, offset + count);
            return count;
        }
        [[nodiscard]] Result<void, Failure> write(std::uint64_t,
                                                  std::span<const std::byte>) override {
            return read_only();
        }
        [[nodiscard]] Result<void, Failure> sync() override { return read_only(); }
        [[nodiscard]] Result<std::uint64_t, Failure> size() const override { return file_.size; }

    private:
        Flat& file_;
    };
};

// What was handed on so far, as one checksum after each call.
using Calls = std::vector<std::uint32_t>;

class Trace final : public Replay {
public:
    Result<void, Failure> snapshot_begin() override { return add(1, {}); }
    Result<void, Failure> snapshot_record(std::span<const std::byte> record) override {
        return add(2, record);
    }
    Result<void, Failure> snapshot_end() override { return add(3, {}); }
    Result<void, Failure> log_record(Lsn lsn, std::span<const std::byte> record) override {
        return add(4 + static_cast<std::uint32_t>(lsn), record);
    }
    void clear() { calls.clear(); }

    Calls calls;

private:
    Result<void, Failure> add(std::uint32_t kind, std::span<const std::byte> bytes) {
        const std::uint32_t before = calls.empty() ? 0 : calls.back();
        calls.push_back(crc32c(bytes, before * 31 + kind));
        return {};
    }
};

class Sample {
public:
    explicit Sample(bool clean) {
        sim::MemStorage storage;
        {
            Life life(storage, 1);
            write(life, 1'000);
            life.feeder.begin();
            while (life.journal.snapshot_under_way()) {
                life.flush(25);
                life.append(20, change_size_min);
            }
            write(life, 400);
        }
        Life life(storage, 2);
        life.make_space();
        write(life, 500);
        proven_ = calls_on(storage).size();
        life.append(20, change_size_min);
        life.flush();
        if (clean) life.close();
        clean_ = clean;
        whole_ = calls_on(storage);
        if (clean) proven_ = whole_.size();
        disk = std::make_unique<FlatDisk>(storage);
        expect_sound();
    }

    void expect_sound() {
        EXPECT_FALSE(is_refused());
        EXPECT_EQ(trace_.calls, whole_);
        EXPECT_GT(whole_.size(), 1'000U);
    }

    // Scans the disk as it is and checks the promise.
    bool is_refused() {
        trace_.clear();
        const auto found = scan(*disk, trace_);
        if (!found) {
            EXPECT_EQ(found.error().code, Errc::journal_damaged) << found.error().message;
            return true;
        }
        const std::size_t count = trace_.calls.size();
        EXPECT_GE(count, proven_) << "lost in silence";
        EXPECT_LE(count, whole_.size());
        const bool is_prefix =
            count == 0 || (count <= whole_.size() && trace_.calls[count - 1] == whole_[count - 1]);
        EXPECT_TRUE(is_prefix) << "something else was handed on";
        const bool is_all = count == whole_.size() && found->recovery.clean == clean_;
        EXPECT_TRUE(is_all || found->recovery.torn_tail) << "cut without a word";
        return false;
    }

    std::unique_ptr<FlatDisk> disk;

private:
    static void write(Life& life, std::size_t count) {
        for (std::size_t i = 0; i < count; i += 25) {
            life.append(25, change_size_min);
            life.flush();
        }
    }
    static Calls calls_on(sim::MemStorage& storage) {
        Trace trace;
        EXPECT_TRUE(scan(storage, trace));
        return trace.calls;
    }

    std::size_t proven_ = 0;  // calls for what something later proves to have been synced
    bool clean_ = false;
    Calls whole_;
    Trace trace_;
};

// What was written and not only filled with zeros, and the frame's header behind it.
bool was_written(const Bytes& bytes, std::uint64_t offset, std::uint64_t used) {
    const bool is_in_header = offset < segment_header_size;
    return is_in_header || (offset >= frames_offset && offset < used + 64 && offset < bytes.size());
}

// A spare: but for its header and that of a frame behind it.
bool is_never_read(const FlatDisk::Flat& file) {
    return file.read_end <= frames_offset + frame_header_size;
}

// Turns round each bit of the file. Returns how many were refused.
std::size_t flip_each_bit(Sample& sample, FlatDisk::Flat& file) {
    std::size_t refused = 0;
    const std::uint64_t used = used_size(file.bytes);
    for (std::uint64_t offset = 0; offset < file.read_end; ++offset) {
        const bool is_chosen =
            was_written(file.bytes, offset, used) || offset % 64 == offset / 64 % 64;
        if (!is_chosen && !is_long()) continue;
        const auto one_bit = static_cast<unsigned>(offset % 7 + offset / 8 % 2);
        for (unsigned bit = is_long() ? 0 : one_bit; bit < (is_long() ? 8 : one_bit + 1); ++bit) {
            const auto mask = static_cast<std::byte>(1U << bit);
            file.bytes[offset] ^= mask;
            refused += sample.is_refused() ? 1U : 0U;
            file.bytes[offset] ^= mask;
            if (testing::Test::HasFailure()) {
                ADD_FAILURE() << file.name << " offset " << offset << " bit " << bit;
                return refused;
            }
        }
    }
    return refused;
}

TEST(JournalExhaustive, EveryBitFlipIsRefusedOrHarmless) {
    Sample sample(false);
    std::size_t spares = 0;
    std::size_t refused = 0;
    for (FlatDisk::Flat& file : sample.disk->files) {
        const bool is_spare = is_never_read(file);
        const std::size_t count = flip_each_bit(sample, file);
        if (HasFailure()) return;
        spares += is_spare ? 1U : 0U;
        EXPECT_EQ(count > 0, !is_spare) << file.name << ": what a spare holds does not matter";
        refused += count;
    }
    EXPECT_GT(spares, 2U);
    EXPECT_GT(refused, is_long() ? 80'000U : 8'000U);
    sample.expect_sound();
}

// Behind a clean stop even the last group is proven; other files are as above.
TEST(JournalExhaustive, EveryBitFlipBehindACleanStopIsRefusedOrHarmless) {
    Sample sample(true);
    auto& files = sample.disk->files;
    const auto newest = std::max_element(
        files.begin(), files.end(), [](const FlatDisk::Flat& a, const FlatDisk::Flat& b) {
            const auto number = [](const FlatDisk::Flat& file) {
                SegmentHeaderBytes bytes{};
                std::copy_n(file.bytes.begin(), bytes.size(), bytes.begin());
                const auto header = decode_segment_header(bytes);
                return header ? header->number : 0;
            };
            return number(a) < number(b);
        });
    EXPECT_GT(flip_each_bit(sample, *newest), is_long() ? 30'000U : 3'000U);
    sample.expect_sound();
}

TEST(JournalExhaustive, EveryTruncationIsRefusedOrHarmless) {
    Sample sample(false);
    for (FlatDisk::Flat& file : sample.disk->files) {
        const bool is_spare = is_never_read(file);
        const std::uint64_t whole = file.size;
        for (std::uint64_t size = 0; size < whole;
             size += is_long() || size < segment_header_size ? 1U : 61U) {
            file.size = size;
            ASSERT_NE(sample.is_refused(), is_spare) << file.name << " cut to " << size;
        }
        file.size = whole;
    }
    sample.expect_sound();
}

}  // namespace
}  // namespace inod
