// The wire is what the golden vectors say: values become exactly those bytes, and those bytes the
// values. They were written from PROTOCOL.md's tables and not by the code under test.
#include "tests/proto/golden.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "proto/extension.h"
#include "proto/reply.h"
#include "proto/request.h"
#include "proto/resume.h"

namespace inod::proto {
namespace {

constexpr std::uint64_t top = id_max;
constexpr std::uint32_t top32 = 0xffff'ffff;

HolderKey some_key() {
    HolderKey key{};
    for (std::size_t i = 0; i < key.size(); ++i)
        key.at(i) = static_cast<std::byte>(0x10 + i);
    return key;
}

// Packed lists are views: the bytes behind them live as long as the tests.
template <class Item>
Packed<Item> packed(const std::vector<Item>& items) {
    static std::vector<std::unique_ptr<std::array<std::byte, 1024>>> memory;
    memory.push_back(std::make_unique<std::array<std::byte, 1024>>());
    return Packed<Item>::pack(items, *memory.back()).value();
}

Packed<std::string_view> names(const std::vector<std::string_view>& list) {
    return packed(list);
}

struct RequestVector {
    std::string name;
    Request request;
};

constexpr std::uint64_t top_holder = top >> 8U;
const std::string long_holder_name(holder_name_size_max, 'n');
constexpr Token some_token{.epoch = 0x0102'0304'0506'0708, .number = 42};

std::vector<RequestVector> request_vectors() {
    const HelloRequest full{1, 3, 5, 7, some_key(), names({"pid"})};
    using enum Binding;
    return {
        {"hello_request", {0, 1, HelloRequest{}}},
        {"hello_request_names", {0, 65535, HelloRequest{1, 1, 0, 0, {}, names({"inode", "pid"})}}},
        {"hello_request_full", {0, 2, full}},
        {"ping_request", {0, 1, PingRequest{}}},
        {"allocate_request", {0, 3, AllocateRequest{1}}},
        {"allocate_request_largest", {65534, 65535, AllocateRequest{top}}},
        {"allocate_at_request", {1, 4, AllocateAtRequest{{1000, 1999}}}},
        {"allocate_at_request_top", {0, 4, AllocateAtRequest{{top, top}}}},
        {"release_request", {0, 5, ReleaseRequest{{42, 42}, 0}}},
        {"release_request_top", {0, 5, ReleaseRequest{{top, top}, 0}}},
        {"release_request_long", {1, 5, ReleaseRequest{{1000, 1999}, 9}}},
        {"release_request_long_whole", {0, 5, ReleaseRequest{{0, top}, 0}}},
        {"lookup_request", {1, 6, LookupRequest{1500}}},
        {"lookup_request_long", {1, 6, LookupLeaseRequest{1500, 9}}},
        {"next_request", {1, 7, NextRequest{0}}},
        {"list_request", {1, 8, ListRequest{0, 0}}},
        {"list_request_limit", {1, 8, ListRequest{top, 2}}},
        {"pools_request", {2, 9, PoolsRequest{}}},
        {"stats_request", {whole_daemon, 10, StatsRequest{}}},
        {"allocate_request_long", {1, 3, AllocateRequest{8, 4096}}},
        {"allocate_request_long_top", {0, 3, AllocateRequest{top, top}}},
        {"allocate_request_token", {1, 3, AllocateRequest{8}, some_token}},
        {"allocate_at_request_token", {1, 4, AllocateAtRequest{{1000, 1999}}, some_token}},
        {"release_request_others", {0, 5, ReleaseRequest{{42, 42}, 0, true}}},
        {"release_request_others_long", {1, 5, ReleaseRequest{{1000, 1999}, 9, true}}},
        {"bind_request", {0, 11, BindRequest{connection}}},
        {"bind_request_process", {0, 11, BindRequest{process}}},
        {"bind_request_ttl", {0, 11, BindRequest{ttl, 30'000, {}, "web"}}},
        {"bind_request_key", {0, 11, BindRequest{connection, 0, some_key()}}},
        {"bind_request_full", {0, 65535, BindRequest{ttl, top32, some_key(), long_holder_name}}},
        {"renew_request", {0, 12, RenewRequest{}}},
        {"release_all_request", {0, 13, ReleaseAllRequest{}}},
        {"release_all_request_holder", {0, 13, ReleaseAllRequest{top_holder}}},
        {"holders_request", {0, 14, HoldersRequest{}}},
        {"holders_request_limit", {0, 14, HoldersRequest{top32, 2}}},
        {"reserve_request", {1, 15, ReserveRequest{{1000, 1999}}}},
        {"unreserve_request", {65534, 16, UnreserveRequest{{0, top}}}},
        {"advance_request", {1, 17, AdvanceRequest{top}}},
        {"wait_request", {1, 18, WaitRequest{1500}}},
        {"wait_request_timeout", {1, 18, WaitRequest{1500, 9, 1000}}},
        {"watch_request", {1, 19, WatchRequest{}}},
        {"watch_request_limit", {1, 19, WatchRequest{77, 2, 0}}},
        {"token_epoch_request", {0, 21, TokenEpochRequest{}}},
        {"lookup_levels_request", {1, 20, LookupLevelsRequest{1500, 9}}},
    };
}

struct ReplyVector {
    std::string name;
    Reply reply;
};

// Of the operations on holders, and what they changed elsewhere.
std::vector<ReplyVector> holder_reply_vectors() {
    const LeaseRecord of_top{{1000, 1999}, 9, 1000, 100, Binding::process, top_holder};
    const LeaseRecord of_seven{{1000, 1999}, 9, 1000, 100, Binding::connection, 7};
    const HolderRecord process{7, 1000, 3, 1000, 100, Binding::process, 4321, 0, ""};
    const HolderRecord ttl{8, 1, 9, 1000, 100, Binding::ttl, 0, 29'999, "web"};
    const HolderRecord largest{top_holder,   top,   top32, top32,           top32,
                               Binding::ttl, top32, top,   long_holder_name};
    using enum Operation;
    return {
        {"next_reply_holder", {next, 7, of_top}},
        {"lookup_reply_long_holder", {lookup, 6, of_seven}},
        {"bind_reply", {bind, 11, BindReply{7, some_key()}}},
        {"bind_reply_no_key", {bind, 11, BindReply{top_holder}}},
        {"renew_reply", {renew, 12, DoneReply{}}},
        {"release_all_reply", {release_all, 13, CountReply{1000}}},
        {"token_epoch_reply", {token_epoch, 21, EpochReply{0x0102'0304'0506'0708}}},
        {"holders_reply", {holders, 14, HoldersReply{true, packed<HolderRecord>({process, ttl})}}},
        {"holders_reply_empty", {holders, 14, HoldersReply{}}},
        {"holders_reply_top", {holders, 14, HoldersReply{false, packed<HolderRecord>({largest})}}},
        {"reserve_reply", {reserve, 15, DoneReply{}}},
        {"unreserve_reply", {unreserve, 16, DoneReply{}}},
        {"advance_reply", {advance, 17, DoneReply{}}},
        {"lookup_levels_reply",
         {lookup_levels, 20, LevelsReply{packed<LevelRecord>({{0, 4321, 2}, {1, 1500, 9}})}}},
    };
}

std::vector<ReplyVector> watch_reply_vectors() {
    const Event lease{78, {1000, 1999}, 9, 1000, EventKind::allocated, 7};
    const Event end{81, {0, 0}, 0, 1000, EventKind::holder_ended, 7};
    const Event largest{top, {top - 1, top}, top, top32, EventKind::released, top_holder};
    using enum Operation;
    return {
        {"wait_reply", {wait, 18, WaitReply{true}}},
        {"wait_reply_live", {wait, 18, WaitReply{false}}},
        {"watch_reply", {watch, 19, WatchReply{81, 0, true, packed<Event>({lease, end})}}},
        {"watch_reply_empty", {watch, 19, WatchReply{.next = 77, .events = {}}}},
        {"watch_reply_top", {watch, 19, WatchReply{top, top - 1, false, packed<Event>({largest})}}},
    };
}

std::vector<ReplyVector> reply_vectors() {
    const PoolEntry inode{0, PoolPolicy::unique, PoolDurability::lease, 65'536, {1, top}, "inode"};
    const PoolEntry pid{1,      PoolPolicy::cyclic, PoolDurability::lease,
                        65'536, {2, 4'194'303},     "pid"};
    static const std::string long_name(pool_name_size_max, 'p');
    const PoolEntry largest{65534, PoolPolicy::unique, PoolDurability::block,
                            top32, {0, top},           long_name};
    const LeaseRecord lease{{1000, 1999}, 9, 1000, 100, Binding::persistent};
    const LeaseRecord second{{2000, 2999}, 10, 1000, 100, Binding::process};
    const LeaseRecord last{{top - 1, top}, top, top32, top32, Binding::ttl};
    const HelloReply shipped{1, 4096, 0, 0, {}, 0, {false, packed<PoolEntry>({inode, pid})}};
    const HelloReply full{1, 4096, 5, 7, some_key(), 256, {true, packed<PoolEntry>({inode})}};
    using enum Operation;
    return {
        {"hello_reply", {Operation::hello, 1, shipped}},
        {"hello_reply_full", {Operation::hello, 2, full}},
        {"ping_reply", {ping, 1, DoneReply{}}},
        {"allocate_reply", {allocate, 3, LeaseReply{{42, 42}, 0}}},
        {"allocate_reply_top", {allocate, 3, LeaseReply{{top - 2, top}, top}}},
        {"allocate_at_reply", {allocate_at, 4, LeaseReply{{1000, 1999}, 9}}},
        {"release_reply", {release, 5, DoneReply{}}},
        {"lookup_reply", {lookup, 6, LookupReply{9, 1000, 100, 500, 499}}},
        {"lookup_reply_saturated", {lookup, 6, LookupReply{0, 0, top32, top32, top32}}},
        {"lookup_reply_long", {lookup, 6, lease}},
        {"next_reply", {next, 7, lease}},
        {"next_reply_top", {next, 7, last}},
        {"list_reply", {list, 8, ListReply{true, packed<LeaseRecord>({lease, second})}}},
        {"list_reply_empty", {list, 8, ListReply{}}},
        {"pools_reply", {pools, 9, PoolsReply{false, packed<PoolEntry>({largest})}}},
        {"stats_reply",
         {stats, 10,
          StatsReply{
              packed<Stat>({{StatId::connections, 3}, {StatId::journal_durable_lsn, top}})}}},
        {"error_reply", {allocate, 3, ErrorReply{Errc::pool_exhausted, ""}}},
        {"error_reply_detail", {release, 5, ErrorReply{{Errc::stale_generation, top}, ""}}},
        {"error_reply_text",
         {Operation::hello, 1, ErrorReply{Errc::pool_unknown, "no pool \"na\xc3\xafve\""}}},
        {"error_reply_unasked", {none, 0, ErrorReply{Errc::frame_malformed, ""}}},
    };
}

std::vector<ReplyVector> all_reply_vectors() {
    std::vector<ReplyVector> all = reply_vectors();
    for (auto vectors : {holder_reply_vectors(), watch_reply_vectors()})
        all.insert(all.end(), vectors.begin(), vectors.end());
    return all;
}

struct RefusedVector {
    std::string name;
    Error error;
};

const std::vector<RefusedVector>& refused_vectors() {
    static const std::vector<RefusedVector> vectors{
        {"refused_extension_required", {Errc::extension_unknown, 32773}},
        {"refused_extension_and_value", {Errc::extension_unknown, 32773}},
        {"refused_extension_cut", Errc::body_malformed},
        {"refused_extension_unflagged", Errc::body_malformed},
        {"refused_count_zero", Errc::count_zero},
        {"refused_range_reversed", Errc::range_reversed},
        {"refused_range_reversed_release", Errc::range_reversed},
        {"refused_body_short", Errc::body_malformed},
        {"refused_body_long", Errc::body_malformed},
        {"refused_long_form", Errc::body_malformed},
        {"refused_flag_reply", Errc::body_malformed},
        {"refused_flag_unknown", Errc::body_malformed},
        {"refused_tag_zero", Errc::body_malformed},
        {"refused_pool_of_none", Errc::body_malformed},
        {"refused_list_zero", Errc::body_malformed},
        {"refused_operation", {Errc::operation_unknown, 200}},
        {"refused_operation_none", {Errc::operation_unknown, 0}},
        {"refused_hello_magic", Errc::frame_malformed},
        {"refused_hello_versions", Errc::body_malformed},
        {"refused_hello_names_cut", Errc::body_malformed},
        {"refused_long_form_none", Errc::body_malformed},
        {"refused_others", Errc::body_malformed},
        {"refused_count_zero_long", Errc::count_zero},
        {"refused_bind_zero", Errc::body_malformed},
        {"refused_bind_name_cut", Errc::body_malformed},
        {"refused_bind_pool", Errc::body_malformed},
        {"refused_renew_body", Errc::body_malformed},
        {"refused_range_reversed_reserve", Errc::range_reversed},
        {"refused_token_cut", Errc::body_malformed},
        {"refused_token_twice", Errc::body_malformed},
        {"refused_token_of_none", Errc::body_malformed},
        {"refused_wait_zero", Errc::body_malformed},
        {"refused_watch_body", Errc::body_malformed},
    };
    return vectors;
}

std::vector<std::byte> bytes_of(const Request& request) {
    std::array<std::byte, request_size_max> memory{};
    ByteWriter out(memory);
    EXPECT_TRUE(encode_request(out, request));
    return {out.written().begin(), out.written().end()};
}

std::vector<std::byte> bytes_of(const Reply& reply) {
    std::vector<std::byte> memory(reply_size_max);
    ByteWriter out(memory);
    EXPECT_TRUE(encode_reply(out, reply));
    return {out.written().begin(), out.written().end()};
}

// With one optional extension, or two, that nobody knows.
std::vector<std::byte> extended(std::vector<std::byte> frame, bool two) {
    static constexpr std::array data{std::byte{'a'}, std::byte{'b'}, std::byte{'c'}};
    std::size_t size = frame.size();
    frame.resize(size + 64);
    size = add_extension(frame, size, {0x0101, data});
    if (two) size = add_extension(frame, size, {0x0102, {}});
    frame.resize(size);
    return frame;
}

TEST(Golden, RequestsBecomeTheseBytesAndBack) {
    for (const auto& [name, request] : request_vectors()) {
        SCOPED_TRACE(name);
        const auto want = golden(name);
        EXPECT_EQ(bytes_of(request), want);
        const auto got = decode_request(want);
        ASSERT_TRUE(got) << inod::name(got.error().code);
        EXPECT_EQ(*got, request);
    }
}

TEST(Golden, RepliesBecomeTheseBytesAndBack) {
    for (const auto& [name, reply] : all_reply_vectors()) {
        SCOPED_TRACE(name);
        const auto want = golden(name);
        EXPECT_EQ(bytes_of(reply), want);
        const auto got = decode_reply(want);
        ASSERT_TRUE(got) << inod::name(got.error().code);
        EXPECT_EQ(*got, reply);
    }
}

TEST(Golden, RefusedRequestsHaveTheirError) {
    for (const auto& [name, error] : refused_vectors()) {
        SCOPED_TRACE(name);
        const auto got = decode_request(golden(name));
        ASSERT_FALSE(got);
        EXPECT_EQ(got.error(), error) << inod::name(got.error().code);
    }
}

TEST(Golden, UnknownOptionalExtensionsOfARequestAreSkipped) {
    const Request allocate{0, 3, AllocateRequest{1}};
    EXPECT_EQ(extended(bytes_of(allocate), true), golden("extension_request_optional"));
    EXPECT_EQ(decode_request(golden("extension_request_optional")).value(), allocate);

    const Request hello{0, 1, HelloRequest{1, 1, 0, 0, {}, names({"pid"})}};
    EXPECT_EQ(extended(bytes_of(hello), false), golden("extension_request_names"));
    EXPECT_EQ(decode_request(golden("extension_request_names")).value(), hello);

    const Request ping{0, 1, PingRequest{}};
    EXPECT_EQ(decode_request(golden("extension_request_none")).value(), ping);
}

TEST(Golden, UnknownOptionalExtensionsOfAReplyAreSkipped) {
    const Reply lookup{Operation::lookup, 6, LookupReply{9, 1000, 100, 0, 0}};
    EXPECT_EQ(extended(bytes_of(lookup), false), golden("extension_reply_optional"));
    EXPECT_EQ(decode_reply(golden("extension_reply_optional")).value(), lookup);

    const Reply error{Operation::allocate, 3, ErrorReply{Errc::pool_exhausted, "full"}};
    EXPECT_EQ(extended(bytes_of(error), false), golden("extension_reply_error"));
    EXPECT_EQ(decode_reply(golden("extension_reply_error")).value(), error);
}

TEST(Golden, TheWordsOfAConnectionThatGoesOn) {
    Resumed resumed{.mark = some_key(), .unanswered = Unanswered::in_doubt};
    const auto bytes = golden("stream_resumed");
    std::array<std::byte, resumed_size> memory{};
    ByteWriter out(memory);
    encode_resumed(out, resumed);
    EXPECT_EQ(std::vector(memory.begin(), memory.end()), bytes);
    EXPECT_EQ(decode_resumed({decode_header(bytes), bytes}).value(), resumed);

    const auto answer = encode_resume(resumed.mark);
    EXPECT_EQ(std::vector(answer.begin(), answer.end()), golden("stream_resume"));
}

// Each byte of it has to be right.
TEST(Golden, WhatIsNoSuchWordIsRefused) {
    auto bytes = golden("stream_resumed");
    const auto refused = [&bytes](std::size_t at, int value) {
        auto changed = bytes;
        changed.at(at) = static_cast<std::byte>(value);
        const auto got = decode_resumed({decode_header(changed), changed});
        return got ? Errc::ok : got.error().code;
    };
    EXPECT_EQ(refused(2, 21), Errc::operation_unknown);
    EXPECT_EQ(refused(3, 0), Errc::body_malformed) << "not from a daemon";
    EXPECT_EQ(refused(4, 1), Errc::body_malformed) << "an error code";
    EXPECT_EQ(refused(6, 1), Errc::body_malformed) << "a tag";
    EXPECT_EQ(refused(24, 2), Errc::body_malformed) << "what becomes of the unanswered";
    EXPECT_EQ(refused(25, 1), Errc::ok) << "what is zero is passed over";
    bytes.pop_back();
    EXPECT_EQ(refused(24, 1), Errc::body_malformed) << "too short";
}

TEST(Golden, EveryFileIsTested) {
    std::vector<std::string> tested{
        "extension_request_optional", "extension_request_names", "extension_request_none",
        "extension_reply_optional",   "extension_reply_error",   "stream_size_small",
        "stream_size_large",          "stream_resume",           "stream_resumed"};
    for (const auto& vector : request_vectors())
        tested.push_back(vector.name);
    for (const auto& vector : all_reply_vectors())
        tested.push_back(vector.name);
    for (const auto& vector : refused_vectors())
        tested.push_back(vector.name);
    std::sort(tested.begin(), tested.end());
    EXPECT_EQ(golden_names(), tested);
}

// The sizes that the wire promises for what is done most.
TEST(Golden, CommonFormsFitSixteenBytesAndTheirRepliesThirtyTwo) {
    for (const char* name : {"allocate_request", "release_request", "lookup_request"})
        EXPECT_EQ(golden(name).size(), 16U) << name;
    for (const char* name : {"allocate_reply", "release_reply", "lookup_reply"})
        EXPECT_LE(golden(name).size(), 32U) << name;
}

}  // namespace
}  // namespace inod::proto
