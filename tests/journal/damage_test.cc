// Promise: a damaged journal is refused, with the place and the reason, and a refusal changes
// nothing; a torn tail is cut, said, and stays cut. tests/journal/exhaustive_test.cc turns every
// bit.
#include <functional>

#include "lib/base/crc32c.h"
#include "lib/journal/frame.h"
#include "lib/journal/recovery.h"
#include "tests/journal/support.h"

namespace inod {
namespace {

using sim::MemStorage;

Result<Scan, Failure> scanned(MemStorage& storage) {
    StateReplay replay;
    return scan(storage, replay);
}

// Ten groups in segment 1. Returns where the last of them begins, or just before.
std::uint64_t make_log(MemStorage& storage) {
    Life life(storage);
    std::uint64_t last_group_at = 0;
    for (int group = 0; group < 10; ++group) {
        last_group_at = used_size(storage.content(segment_file(storage, 1)));
        life.append(25, 20);
        life.flush();
    }
    return last_group_at;
}

// Sectors that read back as zeros, one and two at a time, in front of a frame that proves that they
// had been written.
TEST(JournalDamage, EverySectorLostBeforeTheLastGroupIsRefused) {
    MemStorage storage;
    constexpr std::uint64_t sector = 512;
    const std::uint64_t end = make_log(storage) / sector * sector;
    const std::string name = segment_file(storage, 1);
    const Bytes whole = storage.content(name);
    ASSERT_GT(end, frames_offset + 2 * sector);
    for (std::uint64_t first = frames_offset; first < end; first += sector) {
        for (std::uint64_t second = first; second < end; second += sector) {
            Bytes content = whole;
            for (const std::uint64_t at : {first, second}) {
                std::fill_n(content.begin() + static_cast<std::ptrdiff_t>(at), sector,
                            std::byte{0});
            }
            storage.set_content(name, content);
            const auto found = scanned(storage);
            ASSERT_FALSE(found) << "sectors at " << first << " and " << second;
            ASSERT_EQ(found.error().code, Errc::journal_damaged);
        }
    }
}

// The bytes of a file, to be changed, and put back when it goes.
class Edit {
public:
    Edit(MemStorage& storage, std::uint64_t number)
        : bytes(storage.content(segment_file(storage, number))),
          storage_(storage),
          name_(segment_file(storage, number)) {}
    Edit(const Edit&) = delete;
    Edit& operator=(const Edit&) = delete;
    ~Edit() { storage_.set_content(name_, bytes); }

    [[nodiscard]] std::span<std::byte> at(std::uint64_t offset) {
        return std::span(bytes).subspan(offset);
    }
    [[nodiscard]] std::uint32_t seed() { return ByteReader(at(8)).get<std::uint32_t>(); }

    Bytes bytes;

private:
    MemStorage& storage_;
    const std::string name_;
};

// Puts a sound frame of the caller's making into a segment.
void put_frame(MemStorage& storage, std::uint64_t number, std::uint64_t offset,
               const FrameHeader& header) {
    Edit edit(storage, number);
    encode_frame_header(header, edit.at(offset));
    seal_frame(edit.at(offset), header.lsn - 1, edit.seed());
}

// Where the first frame of this type stands in a segment, and its header.
std::pair<std::uint64_t, FrameHeader> find_frame(MemStorage& storage, std::uint64_t number,
                                                 FrameType type) {
    Edit edit(storage, number);
    std::uint64_t offset = frames_offset;
    while (const auto frame = decode_frame(edit.at(offset), edit.seed())) {
        if (frame->header.type == type) return {offset, frame->header};
        offset += frame->size_on_disk();
    }
    ADD_FAILURE() << "no such frame";
    return {};
}

void erase_frame(MemStorage& storage, std::uint64_t number, FrameType type) {
    const auto [offset, header] = find_frame(storage, number, type);
    Edit edit(storage, number);
    const auto frame = edit.at(offset).first(frame_size_on_disk(header.size));
    std::fill(frame.begin(), frame.end(), std::byte{0});
}

// Gives a frame without payload another type.
void retype_frame(MemStorage& storage, std::uint64_t number, FrameType from, FrameType to) {
    auto [offset, header] = find_frame(storage, number, from);
    header.type = to;
    put_frame(storage, number, offset, header);
}

void change_header(MemStorage& storage, std::uint64_t number,
                   const std::function<void(SegmentHeader&)>& change) {
    SegmentHeader header = *header_of(storage, segment_file(storage, number));
    Edit edit(storage, number);
    change(header);
    const auto bytes = encode_segment_header(header);
    std::copy(bytes.begin(), bytes.end(), edit.bytes.begin());
}

void set_segment_version(MemStorage& storage, std::uint16_t version) {
    Edit edit(storage, 2);
    ByteWriter(edit.at(12)).put(version);
    ByteWriter(edit.at(8)).put(crc32c(edit.at(12).first(segment_header_size - 12)));
}

void remove_segment(MemStorage& storage, std::uint64_t number) {
    ASSERT_TRUE(storage.remove(segment_file(storage, number)));
}

void erase_frames(MemStorage& storage, std::uint64_t number) {
    Edit edit(storage, number);
    std::fill(edit.bytes.begin() + frames_offset, edit.bytes.end(), std::byte{0});
}

void erase_header(MemStorage& storage, std::uint64_t number) {
    Edit edit(storage, number);
    std::fill_n(edit.bytes.begin(), segment_header_size, std::byte{0});
}

struct Files {
    std::vector<std::string> names;
    std::vector<Bytes> contents;
    friend bool operator==(const Files&, const Files&) = default;
};

Files files_of(const MemStorage& storage) {
    Files files{names_of(storage, ""), {}};
    for (const std::string& name : files.names)
        files.contents.push_back(storage.content(name));
    return files;
}

struct Case {
    const char* name;
    std::function<void(MemStorage&)> damage;
    Errc want;
    const char* message;
};

// Each is refused with the place and the reason in its message, and the disk is as it was.
void expect_refusals(const std::function<void(MemStorage&)>& make, std::span<const Case> cases) {
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        MemStorage storage;
        make(storage);
        c.damage(storage);
        const Files before = files_of(storage);
        Journal journal(storage, small_options());
        StateReplay replay;
        const auto recovered = journal.recover(replay);
        ASSERT_FALSE(recovered);
        EXPECT_EQ(recovered.error().code, c.want);
        EXPECT_NE(recovered.error().message.find(c.message), std::string::npos)
            << recovered.error().message;
        EXPECT_TRUE(files_of(storage) == before) << "a refusal changed the disk";
    }
}

// Segments 1 and 2 of one life each: 20 changes in two groups of 10, then 10 more in one.
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

TEST(JournalDamage, OfASegmentIsRefused) {
    const auto with_header = [](std::uint64_t number, auto change) {
        return [=](MemStorage& s) { change_header(s, number, change); };
    };
    const Case cases[] = {
        {"another store", with_header(1, [](SegmentHeader& h) { h.store[0] ^= std::byte{1}; }),
         Errc::journal_damaged, ": it belongs to another store than journal-"},
        {"the first is missing", [](MemStorage& s) { remove_segment(s, 1); }, Errc::journal_damaged,
         "segment 1, from which all is to be read, is missing"},
        {"the newest is missing", [](MemStorage& s) { remove_segment(s, 2); },
         Errc::journal_damaged, ", LSN 21: segment 2 is missing, and it was gone on in"},
        {"a copy",
         [](MemStorage& s) {
             s.set_content("journal-00000000000000aa", s.content(segment_file(s, 1)));
         },
         Errc::journal_damaged, "it says that it is segment 1, as journal-"},
        {"too long", [](MemStorage& s) { Edit(s, 2).bytes.push_back(std::byte{0}); },
         Errc::journal_damaged, "segment 2: it has 65537 bytes and should have 65536"},
        {"impossible size", with_header(2, [](SegmentHeader& h) { h.size = 4096; }),
         Errc::journal_damaged, "segment 2: its size, 4096, is impossible"},
        {"LSN", with_header(2, [](SegmentHeader& h) { h.first_lsn = 20; }), Errc::journal_damaged,
         "segment 2: its first LSN is 20 and should be 21"},
        {"run", with_header(2, [](SegmentHeader& h) { h.run = 1; }), Errc::journal_damaged,
         "segment 2: its run is 1 and should be 2"},
        {"number", with_header(2, [](SegmentHeader& h) { h.number = 3; }), Errc::journal_damaged,
         "segment 2 is missing, and it was gone on in"},
        {"previous", with_header(2, [](SegmentHeader& h) { h.previous = 7; }),
         Errc::journal_damaged, "segment 2: its previous is 7 and should be 1"},
        {"base after it", with_header(1, [](SegmentHeader& h) { h.base = 9; }),
         Errc::journal_damaged, "segment 1: its base, 9, is after it"},
        {"base without a snapshot", with_header(2, [](SegmentHeader& h) { h.base = 2; }),
         Errc::journal_damaged, "segment 2 is neither the very first nor begins a snapshot"},
        {"all before an empty one gone",
         [](MemStorage& s) {
             remove_segment(s, 1);
             erase_frames(s, 2);
         },
         Errc::journal_damaged, "it was to become segment 2, and the segments before it are gone"},
        {"no header reads back",
         [](MemStorage& s) {
             erase_header(s, 1);
             erase_header(s, 2);
         },
         Errc::journal_damaged,
         "its header does not read back, and something was written behind it"},
        {"all headers, and the first frame",
         [](MemStorage& s) {
             erase_frame(s, 1, FrameType::log);
             erase_header(s, 1);
             remove_segment(s, 2);
         },
         Errc::journal_damaged,
         "its header does not read back, and something was written behind it"},
        {"neither the newest one's header nor the frame that names it",
         [](MemStorage& s) {
             erase_header(s, 2);
             erase_frame(s, 1, FrameType::next);
         },
         Errc::journal_damaged,
         "its header does not read back, and behind it stands LSN 21, beyond the end of the log, "
         "LSN 20"},
        {"a newer version", [](MemStorage& s) { set_segment_version(s, 3); }, Errc::record_unknown,
         ": segment format version 3 is unknown here"},
    };
    expect_refusals(make_two_lives, cases);
}

TEST(JournalDamage, OfAFrameIsRefused) {
    const auto with_frame = [](const FrameHeader& header) {
        return [=](MemStorage& s) { put_frame(s, 1, frames_offset, header); };
    };
    constexpr auto unknown_type = static_cast<FrameType>(99);
    const Case cases[] = {
        {"before the next segment",
         [](MemStorage& s) { s.flip(segment_file(s, 1), frames_offset + 40, std::byte{1}); },
         Errc::journal_damaged,
         " (segment 1), offset 4096, LSN 1: no frame reads back, and something was written behind "
         "it"},
        {"another LSN", with_frame({.count = 1, .lsn = 2, .type = FrameType::log}),
         Errc::journal_damaged, "LSN 1: no frame reads back"},
        {"unknown type", with_frame({.lsn = 1, .type = unknown_type}), Errc::record_unknown,
         "LSN 1: frame type 99, version 2 is unknown here"},
        {"unknown version", with_frame({.lsn = 1, .type = FrameType::log, .version = 3}),
         Errc::record_unknown, "LSN 1: frame type 1, version 3 is unknown here"},
        {"log without records", with_frame({.lsn = 1, .type = FrameType::log}),
         Errc::journal_damaged, "LSN 1: the frame's records do not fit its size"},
        {"names nothing", with_frame({.lsn = 1, .type = FrameType::next}), Errc::journal_damaged,
         "LSN 1: segment 0 is missing"},
        {"behind a clean stop",
         [](MemStorage& s) {
             for (const std::uint64_t at : {frames_offset, frames_offset + frame_header_size})
                 put_frame(s, 1, at, {.lsn = 1, .type = FrameType::clean});
         },
         Errc::journal_damaged, "a frame stands behind the mark of a clean stop"},
    };
    expect_refusals(make_two_lives, cases);
}

// A snapshot in segment 2, log behind it in segment 3.
void make_snapshot(MemStorage& storage) {
    Life life(storage, 1);
    life.append(20);
    life.flush();
    life.feeder.begin();
    life.flush(5);
    life.append(3);
    life.flush();
    life.append(10);
    life.flush();
}

TEST(JournalDamage, OfASnapshotIsRefused) {
    const Case cases[] = {
        {"no end",
         [](MemStorage& s) {
             retype_frame(s, 2, FrameType::snapshot_end, FrameType::snapshot_piece);
         },
         Errc::journal_damaged, "the snapshot has no end"},
        {"begins twice",
         [](MemStorage& s) {
             retype_frame(s, 2, FrameType::snapshot_end, FrameType::snapshot_begin);
         },
         Errc::journal_damaged, "a snapshot begins within a segment"},
        {"a piece does not read back",
         [](MemStorage& s) {
             const auto at = find_frame(s, 2, FrameType::snapshot_piece).first;
             s.flip(segment_file(s, 2), at + frame_header_size, std::byte{1});
         },
         Errc::journal_damaged, "no frame reads back, and something was written behind it"},
        {"its segment is missing", [](MemStorage& s) { remove_segment(s, 2); },
         Errc::journal_damaged, "segment 2, from which all is to be read, is missing"},
    };
    expect_refusals(make_snapshot, cases);
}

TEST(JournalDamage, AFilesNameDoesNotMatter) {
    MemStorage storage;
    make_two_lives(storage);
    const std::string first = segment_file(storage, 1);
    const std::string second = segment_file(storage, 2);
    ASSERT_TRUE(storage.rename(first, "journal-00000000000000aa"));
    ASSERT_TRUE(storage.rename(second, first));
    const Life life(storage, 3);
    EXPECT_EQ(life.replay.log_count, 30U);
    EXPECT_EQ(life.recovery.run, 3U);
}

TEST(JournalDamage, ALaterFrameProvesThatAnEarlierOneWasSynced) {
    MemStorage storage;
    make_log(storage);
    storage.flip(segment_file(storage, 1), frames_offset + 40, std::byte{1});
    const auto found = scanned(storage);
    ASSERT_FALSE(found);
    EXPECT_NE(found.error().message.find(
                  segment_file(storage, 1) +
                  " (segment 1), offset 4096, LSN 1: no frame reads back, and it was durable when "
                  "the one at offset "),
              std::string::npos)
        << found.error().message;
}

TEST(JournalDamage, ATornTailIsReportedAndStaysCut) {
    MemStorage storage;
    State state;
    {
        Life life(storage, 1);
        life.append(10, 20);
        life.flush();
        state = life.state;
        life.append(10, 20);
        life.flush();
    }
    const std::string name = segment_file(storage, 1);
    const std::uint64_t last = used_size(storage.content(name)) - 1;
    storage.flip(name, last, std::byte{1});
    {
        Life life(storage, 2);
        EXPECT_EQ(life.state, state);
        ASSERT_TRUE(life.recovery.torn_tail);
        EXPECT_EQ(life.recovery.torn_tail->file, name);
        EXPECT_EQ(life.recovery.torn_tail->segment, 1U);
        EXPECT_EQ(life.recovery.torn_tail->lsn, 11U);
        EXPECT_FALSE(life.recovery.clean);
        life.append(3, 20);
        life.flush();
        state = life.state;
    }
    // Though the bytes turned whole again: the second life has other records at these LSNs.
    storage.flip(name, last, std::byte{1});
    const Life life(storage, 3);
    EXPECT_EQ(life.state, state);
    EXPECT_FALSE(life.recovery.torn_tail);
}

// What was about to become the next segment when the machine stopped is none: it is written over.
TEST(JournalDamage, ASegmentThatNothingNamesDoesNotCount) {
    MemStorage storage;
    State state;
    {
        Life life(storage, 1);
        life.append(10, 20);
        life.flush();
        state = life.state;
    }
    const Bytes before = storage.content(segment_file(storage, 1));
    { const Life begun(storage, 2); }
    storage.set_content(segment_file(storage, 1), before);
    ASSERT_FALSE(segment_file(storage, 2).empty());
    const Life life(storage, 3);
    EXPECT_EQ(life.state, state);
    EXPECT_EQ(life.recovery.run, 2U) << "the second life never began";
    EXPECT_TRUE(segment_file(storage, 2).empty()) << "numbers are not used again";
    EXPECT_FALSE(segment_file(storage, 3).empty());
}

}  // namespace
}  // namespace inod
