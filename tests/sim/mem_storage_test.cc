// The simulated disk does what its header says: every way to lose something does come up, and
// nothing is lost that was synced. Each test draws its crashes from seeds, on a clone of one disk.
#include "tests/sim/mem_storage.h"

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace inod::sim {
namespace {

constexpr std::uint64_t seed_count = 600;
constexpr std::size_t sector_size = 512;

using Bytes = std::vector<std::byte>;

std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span(text));
}

void write(File& file, std::uint64_t offset, const std::string& text) {
    const auto written = file.write(offset, bytes(text));
    ASSERT_TRUE(written) << written.error().message;
}

// All that a file holds, as a reader gets it.
std::string read_all(const File& file) {
    std::string text(file.size().value() + 1, '\0');
    text.resize(file.read(0, std::as_writable_bytes(std::span(text))).value());
    return text;
}

std::string read_all(MemStorage& disk, const std::string& name) {
    return read_all(*disk.open(name).value());
}

// A new file whose name and content are durable.
std::unique_ptr<File> make_synced(MemStorage& disk, const std::string& name,
                                  const std::string& text) {
    auto file = disk.create(name).value();
    write(*file, 0, text);
    EXPECT_TRUE(file->sync());
    EXPECT_TRUE(disk.sync_names());
    return file;
}

// What clones of `disk` are like after a crash, by `look`, over all seeds. Whatever a crash has
// left, a second one leaves as well.
template <class Look>
auto after_crashes(const MemStorage& disk, Look look) {
    std::set<decltype(look(std::declval<MemStorage&>()))> found;
    for (std::uint64_t seed = 0; seed < seed_count; ++seed) {
        std::mt19937_64 random(seed);
        const auto crashed = disk.clone();
        crashed->crash(random);
        const auto left = look(*crashed);
        crashed->crash(random);
        EXPECT_EQ(look(*crashed), left) << "seed " << seed;
        found.insert(left);
    }
    return found;
}

std::set<std::string> contents_after_crashes(const MemStorage& disk, const std::string& name) {
    return after_crashes(disk, [&](MemStorage& crashed) { return read_all(crashed, name); });
}

// Every content that a crash may leave of `old` and one write over it: any of the write's parts,
// cut where the file's sectors meet, may be there or not.
std::set<std::string> torn(const std::string& old, std::size_t offset, const std::string& text) {
    std::set<std::string> all = {old};
    for (std::size_t done = 0; done < text.size();) {
        const std::size_t at = offset + done;
        const std::size_t size = std::min(sector_size - at % sector_size, text.size() - done);
        std::set<std::string> with;
        for (std::string content : all) {
            if (content.size() < at + size) content.resize(at + size);
            with.insert(content.replace(at, size, text, done, size));
        }
        all.merge(with);
        done += size;
    }
    return all;
}

TEST(MemStorageCrash, LosesKeepsOrTearsAnUnsyncedWrite) {
    struct Case {
        const char* name;
        std::size_t old_size;  // of the file, synced
        std::size_t offset;
        std::size_t size;
        std::size_t want;  // contents that there may be
    };
    const Case cases[] = {
        {"one byte", 2'048, 700, 1, 2},
        {"one whole sector", 2'048, 512, 512, 2},
        {"a byte on both sides of a boundary", 2'048, 511, 2, 4},
        {"a byte more than a sector", 2'048, 0, 513, 4},
        {"five sectors, two in part", 4'096, 300, 2'000, 32},
        {"into an empty file", 0, 0, 1'024, 4},
        {"over the end", 600, 500, 600, 8},
        {"behind the end", 600, 1'000, 50, 4},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        MemStorage disk;
        const std::string old(c.old_size, 'o');
        const std::string text(c.size, 'n');
        const auto file = make_synced(disk, "a", old);
        write(*file, c.offset, text);
        const auto want = torn(old, c.offset, text);
        EXPECT_EQ(want.size(), c.want);
        EXPECT_EQ(contents_after_crashes(disk, "a"), want);
    }
}

// What became of a write of n over o: so large a one is never lost or kept by its sectors alone.
std::string fate(std::string_view text) {
    if (text.find('n') == text.npos) return "lost";
    return text.find('o') == text.npos ? "kept" : "torn";
}

TEST(MemStorageCrash, DrawsForEachWriteByItself) {
    const std::size_t size = 32 * sector_size;
    MemStorage disk;
    const auto a = make_synced(disk, "a", std::string(2 * size, 'o'));
    const auto b = make_synced(disk, "b", std::string(size, 'o'));
    write(*a, 0, std::string(size, 'n'));
    write(*a, size, std::string(size, 'n'));
    write(*b, 0, std::string(size, 'n'));
    const auto found = after_crashes(disk, [&](MemStorage& crashed) {
        const std::string text = read_all(crashed, "a");
        return std::array{fate(text.substr(0, size)), fate(text.substr(size)),
                          fate(read_all(crashed, "b"))};
    });
    EXPECT_EQ(found.size(), 3U * 3U * 3U) << "any fate of one beside any of the others";
}

TEST(MemStorageCrash, KeepsWhatWasSynced) {
    for (std::uint64_t seed = 0; seed < seed_count; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        MemStorage disk;
        auto file = make_synced(disk, "a", "");
        const auto write_some = [&](std::uint64_t count) {
            for (std::uint64_t i = 0; i < count; ++i) {
                const char letter = static_cast<char>('a' + random() % 26);
                write(*file, random() % 3'000, std::string(1 + random() % 1'500, letter));
            }
        };
        for (int life = 0; life < 4; ++life) {
            write_some(random() % 6);
            ASSERT_TRUE(file->sync());
            const std::string synced = read_all(*file);
            disk.crash(random);
            ASSERT_EQ(read_all(disk, "a"), synced);

            file = disk.open("a").value();
            write_some(random() % 6);
            disk.crash(random);
            file = disk.open("a").value();
        }
    }
}

// What a directory is: each file's name, and its content, which is synced and so says which it is.
using Directory = std::map<std::string, std::string>;

Directory look(MemStorage& disk) {
    Directory found;
    for (const std::string& name : disk.list().value())
        found[name] = read_all(disk, name);
    return found;
}

// Method: after each operation the directory is noted, so the notes are all that a crash may leave.
TEST(MemStorageCrash, KeepsTheFirstOfTheUnsyncedOperationsOnNames) {
    using Operation = std::function<void(MemStorage&)>;
    const Operation operations[] = {
        [](MemStorage& disk) { ASSERT_TRUE(disk.create("new")); },
        [](MemStorage& disk) { ASSERT_TRUE(disk.rename("a", "d")); },
        [](MemStorage& disk) { ASSERT_TRUE(disk.rename("b", "c")); },  // replaces c
        [](MemStorage& disk) { ASSERT_TRUE(disk.remove("d")); },
        [](MemStorage& disk) { ASSERT_TRUE(disk.create("a")); },  // not the first a
        [](MemStorage& disk) { ASSERT_TRUE(disk.remove("new")); },
    };
    const std::size_t count = std::size(operations);
    for (std::size_t synced = 0; synced <= count; ++synced) {
        SCOPED_TRACE(std::to_string(synced) + " operations synced");
        MemStorage disk;
        for (const char* const name : {"a", "b", "c"})
            make_synced(disk, name, std::string("this was ") + name);
        std::set<Directory> want;
        for (std::size_t done = 0; done <= count; ++done) {
            if (done > 0) operations[done - 1](disk);
            if (done < synced) continue;
            if (done == synced) {
                ASSERT_TRUE(disk.sync_names());
            }
            ASSERT_TRUE(want.insert(look(disk)).second) << "two notes that say the same";
        }
        EXPECT_EQ(after_crashes(disk, look), want);
    }
}

TEST(MemStorageCrash, ASyncedFileWhoseNameWasNotSyncedMayBeGone) {
    MemStorage disk;
    const auto file = disk.create("a").value();
    write(*file, 0, "synced");
    ASSERT_TRUE(file->sync());
    EXPECT_EQ(after_crashes(disk, look), (std::set<Directory>{{}, {{"a", "synced"}}}));
}

TEST(MemStorageCrash, EveryFileOpenedBeforeIsDead) {
    std::mt19937_64 random(1);
    MemStorage disk;
    const auto dead = make_synced(disk, "a", "o");
    disk.crash(random);
    std::byte byte{};
    EXPECT_EQ(dead->read(0, {&byte, 1}).error().code, Errc::io_error);
    EXPECT_EQ(dead->write(0, bytes("n")).error().code, Errc::io_error);
    EXPECT_EQ(dead->sync().error().code, Errc::io_error);
    EXPECT_EQ(dead->size().error().code, Errc::io_error);
    EXPECT_EQ(read_all(disk, "a"), "o");
    // Nor does it touch the file when it is made to fail, or while another has it open.
    const auto alive = disk.open("a").value();
    write(*alive, 0, "n");
    for (const auto& call : {std::function([&] { return dead->write(0, bytes("x!")); }),
                             std::function([&] { return dead->sync(); })}) {
        disk.fail_call(1, Errc::io_error);
        EXPECT_FALSE(call());
    }
    EXPECT_EQ(read_all(disk, "a"), "n");
    ASSERT_TRUE(alive->sync());
    disk.crash(random);
    EXPECT_EQ(read_all(disk, "a"), "n");
}

TEST(MemStorageSync, AFailedOneDropsWhatStillReads) {
    MemStorage disk;
    const auto file = make_synced(disk, "a", "oooo");
    const auto other = make_synced(disk, "b", "o");
    write(*file, 0, "n");
    write(*other, 0, "n");
    disk.fail_call(1, Errc::io_error);
    ASSERT_FALSE(file->sync());
    EXPECT_EQ(read_all(*file), "nooo") << "a reader does not notice";
    ASSERT_TRUE(file->sync()) << "nor does who tries again";
    EXPECT_EQ(read_all(disk, "a"), "nooo");
    EXPECT_EQ(contents_after_crashes(disk, "a"), std::set<std::string>{"oooo"});
    EXPECT_EQ(contents_after_crashes(disk, "b"), (std::set<std::string>{"o", "n"}))
        << "no other file has lost anything";
    // What is written afterwards can be synced, and does not bring back what was lost.
    write(*file, 3, "n");
    ASSERT_TRUE(file->sync());
    EXPECT_EQ(read_all(*file), "noon");
    EXPECT_EQ(contents_after_crashes(disk, "a"), std::set<std::string>{"ooon"});
}

// One call of each kind, none of which needs another.
class Calls {
public:
    explicit Calls(MemStorage& disk) : disk_(disk), file_(make_synced(disk, "file", "oooo")) {
        make_synced(disk, "old", "");
        make_synced(disk, "unwanted", "");
    }

    // The code of each call, ok where it succeeded.
    std::vector<Errc> make() {
        std::byte byte{};
        return {code(file_->read(0, {&byte, 1})),
                code(file_->write(0, bytes("nnnn"))),
                code(file_->sync()),
                code(file_->size()),
                code(disk_.list()),
                code(disk_.create("created")),
                code(disk_.open("file")),
                code(disk_.rename("old", "renamed")),
                code(disk_.remove("unwanted")),
                code(disk_.sync_names())};
    }

private:
    template <class T>
    static Errc code(const Result<T, Failure>& result) {
        return result ? Errc::ok : result.error().code;
    }

    MemStorage& disk_;
    std::unique_ptr<File> file_;
};

constexpr std::size_t call_count = 10;

TEST(MemStorageFailCall, FailsExactlyOnce) {
    for (std::size_t number = 0; number <= call_count + 1; ++number) {
        for (const Errc code : {Errc::io_error, Errc::no_space}) {
            SCOPED_TRACE("call " + std::to_string(number));
            MemStorage disk;
            Calls calls(disk);
            const std::uint64_t calls_before = disk.calls();
            disk.fail_call(number, code);
            std::vector<Errc> want(call_count, Errc::ok);
            const bool fails = number >= 1 && number <= call_count;
            if (fails) want[number - 1] = code;
            EXPECT_EQ(calls.make(), want);
            EXPECT_EQ(disk.calls() - calls_before, call_count);
            EXPECT_EQ(disk.failures(), fails ? 1U : 0U);
        }
    }
}

TEST(MemStorageFailCall, AFailedCallChangesNothingButAFailedWriteMay) {
    MemStorage disk;
    const auto file = make_synced(disk, "a", "oooooooo");
    const Directory before = look(disk);
    const std::function<bool()> calls[] = {
        [&] { return disk.create("b").has_value(); },
        [&] { return disk.rename("a", "b").has_value(); },
        [&] { return disk.remove("a").has_value(); },
    };
    for (const auto& call : calls) {
        disk.fail_call(1, Errc::io_error);
        EXPECT_FALSE(call());
        EXPECT_EQ(look(disk), before);
    }
    EXPECT_EQ(after_crashes(disk, look), std::set<Directory>{before});

    disk.fail_call(1, Errc::no_space);
    EXPECT_FALSE(file->write(0, bytes("nnnnnnnn")));
    const std::string left = read_all(*file);
    EXPECT_EQ(left.size(), 8U);
    EXPECT_EQ(left.find_first_not_of("on"), std::string::npos);
    EXPECT_NE(left.find('n'), std::string::npos) << "part of it is there";
    EXPECT_NE(left.find('o'), std::string::npos) << "and part of it is not";
}

TEST(MemStorageFailCall, AFailedSyncOfNamesLeavesThemUnsure) {
    MemStorage disk;
    disk.fail_call(2, Errc::io_error);
    ASSERT_TRUE(disk.create("a"));
    ASSERT_FALSE(disk.sync_names());
    EXPECT_EQ(after_crashes(disk, look), (std::set<Directory>{{}, {{"a", ""}}}));
}

TEST(MemStorageDieAtCall, FailsAllFromThereUntilTheCrash) {
    for (std::size_t number = 0; number <= call_count + 1; ++number) {
        SCOPED_TRACE("call " + std::to_string(number));
        std::mt19937_64 random(number);
        MemStorage disk;
        Calls calls(disk);
        disk.die_at_call(number);
        std::vector<Errc> want(call_count, Errc::ok);
        if (number > 0) {
            for (std::size_t i = number - 1; i < call_count; ++i)
                want[i] = Errc::io_error;
        }
        EXPECT_EQ(calls.make(), want);
        const bool dead = number > 0;
        EXPECT_EQ(disk.list().has_value(), !dead) << "it stays dead";
        EXPECT_EQ(disk.sync_names().has_value(), !dead);
        disk.crash(random);
        EXPECT_TRUE(disk.list());
        EXPECT_TRUE(disk.sync_names());
    }
}

TEST(MemStorageDieBehind, CountsFromTheCallThatIsAimedAt) {
    MemStorage disk;
    const auto file = make_synced(disk, "a", "oooo");
    disk.die_behind([](const DiskCall& call) { return call.call == "rename"; }, 2);
    EXPECT_TRUE(file->write(0, bytes("n")));
    EXPECT_TRUE(file->sync());
    EXPECT_TRUE(disk.rename("a", "b"));
    EXPECT_TRUE(file->write(0, bytes("n")));
    EXPECT_FALSE(file->sync());
    EXPECT_FALSE(disk.sync_names()) << "it stays dead";
    disk.kill();
    EXPECT_TRUE(disk.rename("b", "a"));
    EXPECT_TRUE(disk.sync_names()) << "it has aimed once";
    EXPECT_TRUE(disk.sync_names());
}

TEST(MemStorageFailCall, AFailedWriteKeepsTheShareThatIsAskedFor) {
    for (const std::uint64_t permille : {0U, 1U, 500U, 999U, 1000U}) {
        SCOPED_TRACE(permille);
        for (const bool dies : {false, true}) {
            MemStorage disk;
            const auto file = make_synced(disk, "a", std::string(2'000, 'o'));
            if (dies) {
                disk.die_at_call(1, permille);
            } else {
                disk.fail_call(1, Errc::no_space, permille);
            }
            ASSERT_FALSE(file->write(0, bytes(std::string(2'000, 'n'))));
            disk.die_at_call(0);
            const std::string left = read_all(*file);
            EXPECT_EQ(left,
                      std::string(2 * permille, 'n') + std::string(2'000 - 2 * permille, 'o'));
        }
    }
}

TEST(MemStorageKill, LeavesAllThatWasWrittenAndNoOpenFile) {
    MemStorage disk;
    const auto dead = make_synced(disk, "a", "oooo");
    write(*dead, 0, "nn");
    ASSERT_TRUE(disk.rename("a", "b"));
    disk.die_at_call(1);
    ASSERT_FALSE(dead->sync());
    disk.kill();
    EXPECT_EQ(look(disk), (Directory{{"b", "nnoo"}}));
    EXPECT_FALSE(dead->write(0, bytes("x")));
    EXPECT_FALSE(dead->sync());
    EXPECT_EQ(
        after_crashes(disk, look),
        (std::set<Directory>{{{"a", "oooo"}}, {{"a", "nnoo"}}, {{"b", "oooo"}}, {{"b", "nnoo"}}}))
        << "nothing became durable by it";
}

// The power fails in the middle of a sync: what it was to make durable may be so.
TEST(MemStorageDieAtCall, WhatWasUnderWayMayBeKept) {
    std::set<std::string> found;
    for (std::uint64_t seed = 0; seed < seed_count; ++seed) {
        std::mt19937_64 random(seed);
        MemStorage disk;
        const auto file = make_synced(disk, "a", "o");
        disk.die_at_call(2);
        write(*file, 0, "n");
        ASSERT_FALSE(file->sync());
        disk.crash(random);
        found.insert(read_all(disk, "a"));
    }
    EXPECT_EQ(found, (std::set<std::string>{"o", "n"}));
}

TEST(MemStorageCapacity, AWriteThatWouldNeedMoreIsNoSpace) {
    struct Case {
        const char* name;
        std::uint64_t capacity;
        std::uint64_t offset;
        std::size_t size;
        bool want;
    };
    // Over one file of 100 bytes, beside another of 50.
    const Case cases[] = {
        {"to the last byte", 160, 100, 10, true},
        {"a byte too many", 160, 100, 11, false},
        {"over what is there, on a full disk", 150, 0, 100, true},
        {"growing by a byte, on a full disk", 150, 99, 2, false},
        {"half over what is there", 160, 90, 20, true},
        {"behind a gap that fits", 160, 109, 1, true},
        {"behind a gap that does not", 160, 110, 1, false},
        {"over what is there, on a disk grown too small", 10, 0, 100, true},
        {"growing, on a disk grown too small", 10, 100, 1, false},
        {"nothing, on a full disk", 150, 100, 0, true},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        MemStorage disk;
        const auto file = make_synced(disk, "a", std::string(100, 'o'));
        make_synced(disk, "b", std::string(50, 'o'));
        disk.set_capacity(c.capacity);
        const auto written = file->write(c.offset, Bytes(c.size, std::byte{'n'}));
        EXPECT_EQ(written.has_value(), c.want);
        if (written) continue;
        EXPECT_EQ(written.error().code, Errc::no_space);
        EXPECT_EQ(read_all(*file), std::string(100, 'o'));
        // Whoever makes room can write.
        disk.set_capacity(c.capacity + 200);
        EXPECT_TRUE(file->write(c.offset, Bytes(c.size, std::byte{'n'})));
    }
}

TEST(MemStorageCapacity, ARemovedFileGivesItsSpaceBack) {
    MemStorage disk;
    const auto file = make_synced(disk, "a", "oo");
    make_synced(disk, "b", "oo");
    disk.set_capacity(4);
    ASSERT_FALSE(file->write(2, bytes("nn")));
    ASSERT_TRUE(disk.remove("b"));
    EXPECT_TRUE(file->write(2, bytes("nn")));
}

// Of a lie readers see nothing until the power fails. What it took away is whole sectors.
TEST(MemStorageLie, LeavesARunOfSectorsAsItWasThoughSynced) {
    std::set<std::uint64_t> offsets;
    std::set<std::uint64_t> sizes;
    for (std::uint64_t draw = 0; draw < seed_count; ++draw) {
        SCOPED_TRACE(draw);
        std::mt19937_64 random(draw);
        MemStorage disk;
        const auto file = make_synced(disk, "a", std::string(8 * sector_size, 'o'));
        disk.lie_at_sync(1, {.misdirects = false, .draw = draw});
        write(*file, 0, std::string(8 * sector_size, 'n'));
        ASSERT_FALSE(disk.lie_told());
        ASSERT_TRUE(file->sync());
        EXPECT_EQ(read_all(*file), std::string(8 * sector_size, 'n'));
        const auto told = disk.lie_told();
        ASSERT_TRUE(told);
        ASSERT_EQ(told->offset % sector_size, 0U);
        ASSERT_EQ(told->size % sector_size, 0U);
        ASSERT_GT(told->size, 0U);
        std::string want(8 * sector_size, 'n');
        want.replace(told->offset, told->size, told->size, 'o');
        disk.crash(random);
        EXPECT_EQ(read_all(disk, "a"), want);
        offsets.insert(told->offset);
        sizes.insert(told->size);
    }
    EXPECT_EQ(offsets.size(), 8U) << "each sector may be the first";
    EXPECT_GT(sizes.size(), 4U);
}

TEST(MemStorageLie, PutsWhatIsMisdirectedSomewhereElse) {
    std::uint64_t in_same = 0;
    std::uint64_t in_other = 0;
    for (std::uint64_t draw = 0; draw < seed_count; ++draw) {
        SCOPED_TRACE(draw);
        std::mt19937_64 random(draw);
        MemStorage disk;
        const std::string old_a(64 * sector_size, 'a');
        const std::string old_b(64 * sector_size, 'b');
        const auto file = make_synced(disk, "a", old_a);
        make_synced(disk, "b", old_b);
        disk.lie_at_sync(1, {.misdirects = true, .draw = draw});
        write(*file, 2 * sector_size, std::string(sector_size, 'n'));
        ASSERT_TRUE(file->sync());
        const auto told = disk.lie_told();
        ASSERT_TRUE(told);
        ASSERT_EQ(told->size, sector_size);
        std::map<std::string, std::string> want = {{"a", old_a}, {"b", old_b}};
        want[told->landed_in].replace(told->landed_at, sector_size, sector_size, 'n');
        disk.crash(random);
        EXPECT_EQ(look(disk), want);
        ++(told->landed_in == "a" ? in_same : in_other);
    }
    EXPECT_GT(in_same, seed_count / 4);
    EXPECT_GT(in_other, seed_count / 8);
}

TEST(MemStorageLie, IsToldOnceAndOnlyWhereItMatters) {
    std::mt19937_64 random(1);
    MemStorage disk;
    const auto file = make_synced(disk, "a", std::string(sector_size, 'o'));
    disk.lie_at_sync(2, {.misdirects = false, .draw = 1});
    write(*file, 0, "1");
    ASSERT_TRUE(file->sync());
    EXPECT_FALSE(disk.lie_told()) << "it is the second that lies";
    write(*file, 0, "1");
    ASSERT_TRUE(file->sync());
    EXPECT_FALSE(disk.lie_told()) << "but this is what is there";
    write(*file, 0, "2");
    ASSERT_TRUE(file->sync());
    EXPECT_TRUE(disk.lie_told());
    write(*file, 1, "3");
    ASSERT_TRUE(file->sync());
    disk.crash(random);
    EXPECT_EQ(read_all(disk, "a").substr(0, 3), "13o");
}

class Listener final : public DiskWatcher {
public:
    void on_call(const DiskCall& call) override {
        calls.push_back(std::string(call.call) + " " + std::string(call.name) +
                        (call.result == Errc::ok ? "" : " fails"));
    }
    std::vector<std::string> calls;
};

TEST(MemStorageWatch, TellsOfEveryCallAndWhatCameOfIt) {
    MemStorage disk;
    Calls calls(disk);
    Listener listener;
    disk.watch(&listener);
    disk.fail_call(2, Errc::io_error);
    calls.make();
    EXPECT_EQ(listener.calls,
              (std::vector<std::string>{"read file", "write file fails", "sync file", "size file",
                                        "list ", "create created", "open file", "rename old",
                                        "remove unwanted", "sync_names "}));
    disk.watch(nullptr);
    ASSERT_TRUE(disk.list());
    EXPECT_EQ(listener.calls.size(), call_count);
}

TEST(MemStorageClone, IsADiskOfItsOwn) {
    std::mt19937_64 random(1);
    MemStorage disk;
    const auto file = make_synced(disk, "a", "o");
    const auto clone = disk.clone();
    const auto copy = clone->open("a").value();
    write(*file, 0, "1");
    write(*copy, 0, "2");
    ASSERT_TRUE(disk.create("b"));
    ASSERT_TRUE(clone->create("c"));
    EXPECT_EQ(look(disk), (Directory{{"a", "1"}, {"b", ""}}));
    EXPECT_EQ(look(*clone), (Directory{{"a", "2"}, {"c", ""}}));
    ASSERT_TRUE(copy->sync());
    clone->crash(random);
    EXPECT_FALSE(copy->size());
    EXPECT_TRUE(file->size()) << "only the clone lost its power";
    EXPECT_EQ(contents_after_crashes(disk, "a"), (std::set<std::string>{"o", "1"}))
        << "only the clone was synced";
}

TEST(MemStorageClone, IsInTheSameStateSureAndUnsure) {
    MemStorage disk;
    const auto file = make_synced(disk, "a", std::string(2'000, 'o'));
    write(*file, 100, std::string(1'500, 'n'));
    const auto lost = make_synced(disk, "b", "o");
    write(*lost, 0, "n");
    disk.fail_call(1, Errc::io_error);
    ASSERT_FALSE(lost->sync());
    ASSERT_TRUE(disk.rename("a", "c"));
    ASSERT_TRUE(disk.create("d"));
    disk.set_capacity(2'001);
    disk.fail_call(1, Errc::io_error);
    disk.die_at_call(2);
    const auto first = disk.clone();
    disk.fail_call(0, Errc::io_error);
    disk.die_at_call(0);
    EXPECT_EQ(look(*first), look(disk)) << "no failure to come is copied";
    EXPECT_EQ(first->open("c").value()->write(2'000, bytes("n")).error().code, Errc::no_space);
    // Any two clones meet the same end by the same seed, and it is that of the disk itself.
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        const auto a = disk.clone();
        const auto b = a->clone();
        std::mt19937_64 random_a(seed);
        std::mt19937_64 random_b(seed);
        a->crash(random_a);
        b->crash(random_b);
        EXPECT_EQ(look(*a), look(*b));
    }
    EXPECT_GT(after_crashes(disk, look).size(), 10U);
    std::mt19937_64 random(7);
    const auto clone = disk.clone();
    clone->crash(random);
    random.seed(7);
    disk.crash(random);
    EXPECT_EQ(look(disk), look(*clone));
}

// A crash may undo the renaming, but not what the file was given under its new name.
TEST(MemStorageClone, AFileIsTheSameUnderItsOldAndItsNewName) {
    MemStorage disk;
    make_synced(disk, "a", "o");
    ASSERT_TRUE(disk.rename("a", "b"));
    const auto clone = disk.clone();
    const auto file = clone->open("b").value();
    write(*file, 0, "n");
    ASSERT_TRUE(file->sync());
    EXPECT_EQ(after_crashes(*clone, look), (std::set<Directory>{{{"a", "n"}}, {{"b", "n"}}}));
}

TEST(MemStorageContent, IsSetAndDamagedAsIfItHadAlwaysBeenSo) {
    MemStorage disk;
    make_synced(disk, "a", "oooo");
    ASSERT_TRUE(disk.rename("a", "b"));
    const std::uint64_t calls_before = disk.calls();
    const auto text = bytes("new");
    disk.set_content("c", {text.begin(), text.end()});
    disk.flip("b", 1, std::byte{'o' ^ 'x'});
    EXPECT_EQ(disk.content("c"), Bytes(text.begin(), text.end()));
    EXPECT_EQ(disk.calls(), calls_before);
    EXPECT_EQ(look(disk), (Directory{{"b", "oxoo"}, {"c", "new"}}));
    EXPECT_EQ(after_crashes(disk, look),
              (std::set<Directory>{{{"a", "oxoo"}, {"c", "new"}}, {{"b", "oxoo"}, {"c", "new"}}}));
}

}  // namespace
}  // namespace inod::sim
