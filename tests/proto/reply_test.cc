#include "proto/reply.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/proto/golden.h"

namespace inod::proto {
namespace {

using Bytes = std::vector<std::byte>;

Bytes frame_of(const Bytes& memory, std::size_t size) {
    return {memory.begin(), memory.begin() + static_cast<std::ptrdiff_t>(size)};
}

TEST(TableWriter, WritesWhatEncodeReplyWrites) {
    Bytes memory(reply_size_max);

    ListReplyWriter list(memory);
    EXPECT_TRUE(list.add({{1000, 1999}, 9, 1000, 100, Binding::persistent}));
    EXPECT_TRUE(list.add({{2000, 2999}, 10, 1000, 100, Binding::process}));
    EXPECT_EQ(list.count(), 2U);
    EXPECT_EQ(frame_of(memory, list.finish(8, true)), golden("list_reply"));

    const std::string name(pool_name_size_max, 'p');
    PoolsReplyWriter pools(memory);
    EXPECT_TRUE(pools.add(
        {65534, PoolPolicy::unique, PoolDurability::block, 0xffff'ffff, whole_space, name}));
    EXPECT_EQ(frame_of(memory, pools.finish(9, false)), golden("pools_reply"));

    StatsReplyWriter stats(memory);
    EXPECT_TRUE(stats.add({StatId::connections, 3}));
    EXPECT_TRUE(stats.add({StatId::journal_durable_lsn, id_max}));
    EXPECT_EQ(frame_of(memory, stats.finish(10, false)), golden("stats_reply"));

    HoldersReplyWriter holders(memory);
    EXPECT_TRUE(holders.add({7, 1000, 3, 1000, 100, Binding::process, 4321, 0, ""}));
    EXPECT_TRUE(holders.add({8, 1, 9, 1000, 100, Binding::ttl, 0, 29'999, "web"}));
    EXPECT_EQ(frame_of(memory, holders.finish(14, true)), golden("holders_reply"));

    HelloReplyWriter hello(memory);
    EXPECT_TRUE(
        hello.add({0, PoolPolicy::unique, PoolDurability::lease, 65'536, {1, id_max}, "inode"}));
    EXPECT_TRUE(
        hello.add({1, PoolPolicy::cyclic, PoolDurability::lease, 65'536, {2, 4'194'303}, "pid"}));
    EXPECT_EQ(frame_of(memory, hello.finish(1, {}, false)), golden("hello_reply"));
}

TEST(TableWriter, TakesAsManyItemsAsFitAndNoMore) {
    struct Case {
        const char* name;
        std::size_t memory_size;
        std::uint32_t want;
    };
    const Case cases[] = {
        // name                       memory_size                 want
        {"room for the head alone", table_head_size_max, 1},
        {"one byte too few for two", 16 + 2 * 40 - 1, 1},
        {"room for two exactly", 16 + 2 * 40, 2},
        {"the longest frame", reply_size_max, 1637},
        {"more than the longest one", std::size_t{1} << 20U, 1637},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        Bytes memory(c.memory_size);
        ListReplyWriter writer(memory);
        Id id = 0;
        while (writer.add({{id, id}, 1, 0, 0, Binding::persistent}))
            ++id;
        EXPECT_EQ(writer.count(), c.want);
        const std::size_t size = writer.finish(1, true);
        const auto reply = decode_reply(std::span(memory).first(size));
        ASSERT_TRUE(reply);
        EXPECT_EQ(std::get<ListReply>(reply->body).leases.count(), c.want);
    }
}

TEST(Reply, IsWrittenWholeOrNotAtAll) {
    const Reply reply{Operation::allocate, 3, LeaseReply{{42, 42}, 0}};
    std::array<std::byte, 32 + 31> memory{};
    ByteWriter out(memory);
    EXPECT_TRUE(encode_reply(out, reply));
    EXPECT_FALSE(encode_reply(out, reply));
    EXPECT_EQ(out.size(), 32U);
    EXPECT_FALSE(out.overflowed());
}

TEST(Reply, OfTheHotPathNeverPassesItsLimit) {
    for (const std::string& name : golden_names()) {
        if (name.find("_reply") == std::string::npos || name.starts_with("extension_")) continue;
        const Bytes frame = golden(name);
        EXPECT_LE(frame.size(), reply_size_limit(decode_header(frame).operation)) << name;
    }
}

TEST(Reply, CutsATextThatIsTooLongBeforeACharacter) {
    std::string text(error_text_size_max - 1, 'x');
    text += "\xc3\xaf and more";
    Bytes memory(reply_size_max);
    ByteWriter out(memory);
    ASSERT_TRUE(encode_reply(out, {Operation::hello, 1, ErrorReply{Errc::pool_unknown, text}}));
    const auto reply = decode_reply(out.written());
    ASSERT_TRUE(reply);
    EXPECT_EQ(std::get<ErrorReply>(reply->body).text, std::string(error_text_size_max - 1, 'x'));
}

// A reply that would lead its client astray is refused, however well its bytes are formed.
TEST(Reply, MakesSense) {
    const Reply replies[] = {
        {Operation::allocate, 1, LeaseReply{{2, 1}, 0}},
        {Operation::next, 1, LeaseRecord{{2, 1}, 0, 0, 0, Binding::persistent}},
        {Operation::lookup, 1, LeaseRecord{{2, 1}, 0, 0, 0, Binding::persistent}},
        {Operation::list, 1, ListReply{.more = true, .leases = {}}},
        {Operation::pools, 1, PoolsReply{.more = true, .pools = {}}},
        {Operation::holders, 1, HoldersReply{.more = true, .holders = {}}},
        {Operation::watch, 1, WatchReply{.next = 7, .missed = 8, .events = {}}},
    };
    for (const Reply& reply : replies) {
        SCOPED_TRACE(name(reply.operation));
        Bytes memory(reply_size_max);
        ByteWriter out(memory);
        ASSERT_TRUE(encode_reply(out, reply));
        EXPECT_EQ(decode_reply(out.written()).error().code, Errc::protocol_violation);
    }
}

TEST(Reply, ListsAscend) {
    Bytes memory(reply_size_max);
    ListReplyWriter list(memory);
    list.add({{10, 20}, 1, 0, 0, Binding::persistent});
    list.add({{20, 30}, 2, 0, 0, Binding::persistent});
    const std::size_t size = list.finish(1, false);
    EXPECT_EQ(decode_reply(std::span(memory).first(size)).error().code, Errc::protocol_violation);
}

TEST(Reply, HoldersAscend) {
    Bytes memory(reply_size_max);
    HoldersReplyWriter holders(memory);
    holders.add({.holder = 7, .index = 3});
    holders.add({.holder = 8, .index = 3});
    const std::size_t size = holders.finish(1, false);
    EXPECT_EQ(decode_reply(std::span(memory).first(size)).error().code, Errc::protocol_violation);
}

// From what was missed to where the next page begins.
TEST(Reply, EventsAscend) {
    struct Case {
        const char* name;
        std::vector<std::uint64_t> lsns;
        bool is_sound;
    };
    const Case cases[] = {
        {"none", {}, true},
        {"all there can be", {11, 12, 20}, true},
        {"one twice", {11, 11}, false},
        {"one that was missed", {10, 11}, false},
        {"one behind the next page's beginning", {21}, false},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        Bytes memory(reply_size_max);
        WatchReplyWriter events(memory);
        for (const std::uint64_t lsn : c.lsns)
            events.add({.lsn = lsn});
        const std::size_t size = events.finish(1, {.next = 20, .missed = 10, .events = {}});
        const auto reply = decode_reply(std::span(memory).first(size));
        EXPECT_EQ(reply.has_value(), c.is_sound);
    }
}

TEST(Reply, OfAnUnknownOperationIsTold) {
    Bytes frame = golden("ping_reply");
    frame.at(2) = std::byte{77};
    EXPECT_EQ(decode_reply(frame).error(), Error(Errc::operation_unknown, 77));
}

TEST(ErrorText, NamesWhatItsReaderNeeds) {
    struct Case {
        Error error;
        std::string_view want;
    };
    const Case cases[] = {
        {Errc::pool_exhausted, ""},
        {{Errc::stale_generation, 7}, ""},
        {Errc::hello_required, "the first frame must be a hello"},
        {{Errc::extension_unknown, 32773},
         "the request needs an extension that this daemon does not know; extension type 32773"},
        {{Errc::operation_unknown, 200}, "this daemon does not know the operation; operation 200"},
        {{Errc::version_unsupported, 1},
         "client and daemon have no protocol version in common; the daemon's newest is 1"},
    };
    for (const Case& c : cases)
        EXPECT_EQ(ErrorText(c.error).view(), c.want);
}

}  // namespace
}  // namespace inod::proto
