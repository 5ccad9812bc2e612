// Promise: a damaged journal is refused or read rightly. Nothing before the last group that nothing
// proves to have been synced is ever lost in silence.
#include <algorithm>
#include <functional>

#include "lib/base/bytes.h"
#include "lib/base/crc32c.h"
#include "lib/journal/frame.h"
#include "lib/journal/recovery.h"
#include "tests/journal/support.h"

namespace inod {
namespace {

using sim::MemStorage;

// Where the zeros at the end of a file begin.
std::uint64_t used_size(const std::vector<std::byte>& content) {
    const auto last = std::find_if(content.rbegin(), content.rend(),
                                   [](std::byte b) { return b != std::byte{0}; });
    return static_cast<std::uint64_t>(content.rend() - last);
}

// A journal and what is known of it.
struct Sample {
    MemStorage storage;
    Records records;
    std::uint64_t last_group_at = 0;  // where in segment 1 the last group begins, or just before
    std::size_t proven = 0;  // so many of the records something later proves to have been synced
};

// A few hundred records in one segment; the last group is proven by the clean mark or not at all.
void make_log(Sample& sample, bool clean) {
    Life life(sample.storage);
    for (int group = 0; group < 10; ++group) {
        sample.proven = life.state.size();
        sample.last_group_at = used_size(sample.storage.content(segment_file(1)));
        life.append(25, 20);
        life.flush();
    }
    if (clean) life.close();
    sample.records = life.state;
    if (clean) sample.proven = sample.records.size();
}

// A snapshot over two segments, then a log over two.
void make_snapshot_and_log(Sample& sample) {
    Life life(sample.storage);
    life.append(150, record_size_max);
    life.flush();
    life.snapshot();
    for (int group = 0; group < 3; ++group) {
        sample.proven = life.state.size();
        life.append(60, record_size_max);
        life.flush();
    }
    sample.records = life.state;
}

// Scans the damaged sample and checks the promise. Returns true if it was refused.
bool refused_or_right(Sample& sample) {
    ListReplay replay;
    const auto found = scan(sample.storage, replay);
    if (!found) {
        EXPECT_EQ(found.error().code, Errc::journal_damaged) << found.error().message;
        return true;
    }
    EXPECT_GE(replay.records.size(), sample.proven) << "lost in silence";
    EXPECT_LE(replay.records.size(), sample.records.size());
    EXPECT_TRUE(std::equal(replay.records.begin(), replay.records.end(), sample.records.begin()));
    if (replay.records.size() < sample.records.size()) {
        EXPECT_TRUE(found->recovery.torn_tail) << "cut without a word";
    }
    return false;
}

TEST(JournalDamage, EveryBitFlipOfALogIsRefusedOrHarmless) {
    for (const bool clean : {false, true}) {
        SCOPED_TRACE(clean ? "clean" : "not clean");
        Sample sample;
        make_log(sample, clean);
        const std::string name = segment_file(1);
        const std::uint64_t used = used_size(sample.storage.content(name));
        std::size_t refused = 0;
        for (std::uint64_t offset = 0; offset < segment_size_min; ++offset) {
            // Between the header and the frames, and behind them, one bit of each byte will do.
            const bool matters =
                offset < segment_header_size || (offset >= frames_offset && offset < used + 32);
            for (unsigned bit = 0; bit < (matters ? 8U : 1U); ++bit) {
                const auto mask = static_cast<std::byte>(1U << bit);
                sample.storage.flip(name, offset, mask);
                refused += refused_or_right(sample) ? 1U : 0U;
                sample.storage.flip(name, offset, mask);
                ASSERT_FALSE(HasFailure()) << "offset " << offset << " bit " << bit;
            }
        }
        EXPECT_GT(refused, segment_header_size * 8 + (used - frames_offset) * 8 / 2);
        EXPECT_FALSE(refused_or_right(sample));
    }
}

TEST(JournalDamage, BitFlipsOfASnapshotAndItsLogAreRefusedOrHarmless) {
    Sample sample;
    make_snapshot_and_log(sample);
    const auto names = names_of(sample.storage, "segment-");
    ASSERT_GE(names.size(), 3U);
    std::mt19937_64 random(1);
    std::size_t refused = 0;
    for (const std::string& name : names) {
        const std::uint64_t size = sample.storage.content(name).size();
        for (std::uint64_t offset = 0; offset < size; offset += 1 + random() % 64) {
            const auto mask = static_cast<std::byte>(1U << random() % 8);
            sample.storage.flip(name, offset, mask);
            refused += refused_or_right(sample) ? 1U : 0U;
            sample.storage.flip(name, offset, mask);
            ASSERT_FALSE(HasFailure()) << name << " offset " << offset;
        }
    }
    EXPECT_GT(refused, 1'000U);
    EXPECT_FALSE(refused_or_right(sample));
}

TEST(JournalDamage, EveryTruncationIsRefused) {
    Sample sample;
    make_log(sample, false);
    const std::string name = segment_file(1);
    std::vector<std::byte> content = sample.storage.content(name);
    while (!content.empty()) {
        content.resize(content.size() - std::min<std::size_t>(content.size(), 7));
        sample.storage.set_content(name, content);
        ASSERT_TRUE(refused_or_right(sample)) << "cut to " << content.size();
    }
}

// Sectors that read back as zeros, one and two at a time, in front of a frame that proves that they
// had been written.
TEST(JournalDamage, EverySectorLostBeforeTheLastGroupIsRefused) {
    Sample sample;
    make_log(sample, false);
    const std::string name = segment_file(1);
    const std::vector<std::byte> whole = sample.storage.content(name);
    constexpr std::uint64_t sector = 512;
    const std::uint64_t end = sample.last_group_at / sector * sector;
    ASSERT_GT(end, frames_offset + 2 * sector);
    for (std::uint64_t first = frames_offset; first < end; first += sector) {
        for (std::uint64_t second = first; second < end; second += sector) {
            std::vector<std::byte> content = whole;
            for (const std::uint64_t at : {first, second}) {
                std::fill_n(content.begin() + static_cast<std::ptrdiff_t>(at), sector,
                            std::byte{0});
            }
            sample.storage.set_content(name, content);
            ASSERT_TRUE(refused_or_right(sample)) << "sectors at " << first << " and " << second;
        }
    }
}

// Puts a sound frame of the caller's making into segment 1 at `offset`.
void put_frame(MemStorage& storage, std::uint64_t offset, Lsn lsn, Lsn synced, std::uint8_t type,
               std::uint8_t version) {
    std::vector<std::byte> content = storage.content(segment_file(1));
    ByteReader header{std::span(content).subspan(8)};
    const auto seed = header.get<std::uint32_t>();
    std::array<std::byte, frame_header_size> frame{};
    ByteWriter writer{std::span(frame).subspan(4)};
    writer.put(std::uint32_t{0});
    writer.put(lsn);
    writer.put(synced);
    writer.put(type);
    writer.put(version);
    ByteWriter crc(frame);
    crc.put(crc32c(std::span(frame).subspan(4), seed));
    std::copy(frame.begin(), frame.end(), content.begin() + static_cast<std::ptrdiff_t>(offset));
    storage.set_content(segment_file(1), content);
}

struct Files {
    std::vector<std::string> names;
    std::vector<std::vector<std::byte>> contents;
    friend bool operator==(const Files&, const Files&) = default;
};

Files files_of(const MemStorage& storage) {
    Files files{storage.list().value(), {}};
    for (const std::string& name : files.names)
        files.contents.push_back(storage.content(name));
    return files;
}

void change_header(MemStorage& storage, std::uint64_t number,
                   const std::function<void(SegmentHeader&)>& change) {
    std::vector<std::byte> content = storage.content(segment_file(number));
    SegmentHeaderBytes bytes{};
    std::copy_n(content.begin(), bytes.size(), bytes.begin());
    SegmentHeader header = decode_segment_header(bytes).value();
    change(header);
    bytes = encode_segment_header(header);
    std::copy(bytes.begin(), bytes.end(), content.begin());
    storage.set_content(segment_file(number), content);
}

void set_segment_version(MemStorage& storage, std::uint16_t version) {
    std::vector<std::byte> content = storage.content(segment_file(2));
    ByteWriter writer{std::span(content).subspan(12)};
    writer.put(version);
    ByteWriter crc{std::span(content).subspan(8)};
    crc.put(crc32c(std::span(content).subspan(12, segment_header_size - 12)));
    storage.set_content(segment_file(2), content);
}

// Segments 1 and 2 of one life each: 20 records in two groups of 10, then 10 more in one.
void make_two_lives(MemStorage& storage) {
    {
        Life life(storage, 1);
        life.append(10, 20);
        life.flush();
        life.append(10, 20);
        life.flush();
    }
    Life life(storage, 2);
    life.append(10, 20);
    life.flush();
}

// The refusals of recovery.h, each with the place and the reason in its message; and that a refusal
// leaves the disk as it was.
TEST(JournalDamage, WhatIsRefusedAndWhy) {
    struct Case {
        const char* name;
        std::function<void(MemStorage&)> damage;
        Errc want;
        const char* message;
    };
    const auto other_store = [](MemStorage& s) {
        change_header(s, 1, [](SegmentHeader& h) { h.store[0] ^= std::byte{1}; });
    };
    const Case cases[] = {
        {"frame before the next segment",
         [](MemStorage& s) { s.flip(segment_file(1), frames_offset + 40, std::byte{1}); },
         Errc::journal_damaged,
         "segment-0000000000000001, offset 4096, LSN 1: no frame reads back, and it was durable "
         "before segment-0000000000000002 was opened"},
        {"segment of another store", other_store, Errc::journal_damaged,
         "segment-0000000000000001: it belongs to another store"},
        {"first segment missing",
         [](MemStorage& s) { static_cast<void>(s.remove(segment_file(1))); }, Errc::journal_damaged,
         "segment-0000000000000001: this segment is missing"},
        {"segment renamed",
         [](MemStorage& s) { static_cast<void>(s.rename(segment_file(2), segment_file(3))); },
         Errc::journal_damaged, "segment-0000000000000003: its header is that of segment 2"},
        {"segment too long",
         [](MemStorage& s) {
             auto content = s.content(segment_file(2));
             content.resize(content.size() + 1);
             s.set_content(segment_file(2), content);
         },
         Errc::journal_damaged, "it has 65537 bytes and should have 65536"},
        {"LSN goes back",
         [](MemStorage& s) { change_header(s, 2, [](SegmentHeader& h) { h.first_lsn = 0; }); },
         Errc::journal_damaged, "its first LSN is 0, below the 1 of the segment before"},
        {"run goes back",
         [](MemStorage& s) { change_header(s, 2, [](SegmentHeader& h) { h.run = 0; }); },
         Errc::journal_damaged, "its run is 0, below the 1"},
        {"base after the segment",
         [](MemStorage& s) { change_header(s, 2, [](SegmentHeader& h) { h.base = 9; }); },
         Errc::journal_damaged, "its base, 9, is after it"},
        {"segment of a newer version", [](MemStorage& s) { set_segment_version(s, 2); },
         Errc::record_unknown,
         "segment-0000000000000002: segment format version 2 is unknown here"},
        {"frame of an unknown type",
         [](MemStorage& s) { put_frame(s, frames_offset, 1, 0, 99, frame_version); },
         Errc::record_unknown, "LSN 1: frame type 99, version 1 is unknown here"},
        {"frame of an unknown version",
         [](MemStorage& s) { put_frame(s, frames_offset, 1, 0, 1, 2); }, Errc::record_unknown,
         "LSN 1: frame type 1, version 2 is unknown here"},
        {"log frame without records",
         [](MemStorage& s) { put_frame(s, frames_offset, 1, 0, 1, frame_version); },
         Errc::journal_damaged, "the frame's records do not fit its size"},
        {"all segments gone",
         [](MemStorage& s) {
             static_cast<void>(s.remove(segment_file(1)));
             static_cast<void>(s.rename(segment_file(2), "spare-0000000000000099"));
         },
         Errc::journal_damaged, "it was segment 2, and all segments are gone"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        MemStorage storage;
        make_two_lives(storage);
        c.damage(storage);
        const Files before = files_of(storage);
        Journal journal(storage, small_options());
        ListReplay replay;
        const auto recovered = journal.recover(replay);
        ASSERT_FALSE(recovered);
        EXPECT_EQ(recovered.error().code, c.want);
        EXPECT_NE(recovered.error().message.find(c.message), std::string::npos)
            << recovered.error().message;
        EXPECT_TRUE(files_of(storage) == before) << "a refusal changed the disk";
    }
}

TEST(JournalDamage, ALaterFrameProvesThatAnEarlierOneWasSynced) {
    Sample sample;
    make_log(sample, false);
    sample.storage.flip(segment_file(1), frames_offset + 40, std::byte{1});
    ListReplay replay;
    const auto found = scan(sample.storage, replay);
    ASSERT_FALSE(found);
    EXPECT_NE(found.error().message.find("segment-0000000000000001, offset 4096, LSN 1: no frame "
                                         "reads back, and it was durable when the one at offset "),
              std::string::npos)
        << found.error().message;
}

TEST(JournalDamage, ATornTailIsReportedAndStaysCut) {
    MemStorage storage;
    Records state;
    {
        Life life(storage, 1);
        life.append(10, 20);
        life.flush();
        state = life.state;
        life.append(10, 20);
        life.flush();
    }
    const auto content = storage.content(segment_file(1));
    storage.flip(segment_file(1), used_size(content) - 1, std::byte{1});
    {
        Life life(storage, 2);
        EXPECT_EQ(life.state, state);
        ASSERT_TRUE(life.recovery.torn_tail);
        EXPECT_EQ(life.recovery.torn_tail->segment, 1U);
        EXPECT_EQ(life.recovery.torn_tail->lsn, 11U);
        EXPECT_FALSE(life.recovery.clean);
        life.append(3, 20);
        life.flush();
        state = life.state;
    }
    // Though the bytes turned whole again: the second life has other records at these LSNs.
    storage.flip(segment_file(1), used_size(content) - 1, std::byte{1});
    const Life life(storage, 3);
    EXPECT_EQ(life.state, state);
    EXPECT_FALSE(life.recovery.torn_tail);
}

// A snapshot under way in a crash is left aside; one that was whole once, as something after it
// proves, is damage.
TEST(JournalDamage, ASnapshotThatIsNotWhole) {
    struct Case {
        const char* name;
        bool older_missing;
        bool log_after;
        bool flipped;
        bool refused;
        bool used;
    };
    const Case cases[] = {
        // name                              missing log    flip   refused used
        {"whole, older segments gone", true, false, false, false, true},
        {"whole, a record after it", false, true, false, false, true},
        {"whole, nothing proves it synced", false, false, false, false, false},
        {"not whole, nothing proves it", false, false, true, false, false},
        {"not whole, older segments gone", true, false, true, true, false},
        {"not whole, a record after it", false, true, true, true, false},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        MemStorage storage;
        Records state;
        std::vector<std::byte> older;
        {
            Life life(storage);
            life.append(20);
            life.flush();
            older = storage.content(segment_file(1));
            life.snapshot();
            if (c.log_after) life.append(1);
            life.flush();
            state = life.state;
        }
        if (!c.older_missing) storage.set_content(segment_file(1), older);
        if (c.flipped) storage.flip(segment_file(2), frames_offset + 80, std::byte{1});
        ListReplay replay;
        const auto found = scan(storage, replay);
        EXPECT_EQ(!found, c.refused);
        if (!found) continue;
        EXPECT_EQ(replay.records, state);
        EXPECT_EQ(replay.snapshot_count, c.used ? 20U : 0U);
    }
}

}  // namespace
}  // namespace inod
