// Promise: a daemon that may open no more descriptors serves whom it has, sleeps, and takes who waits as soon
// as one is free. Where its journal needs one, what makes the state larger is refused, and no release is.

#include <chrono>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>

#include "tests/e2e/daemon_figures.h"
#include "tests/e2e/daemon_process.h"
#include "tests/e2e/raw_connection.h"
#include "tests/e2e/support.h"

namespace inod::e2e {
namespace {

// It tries again after this time, and not before.
constexpr std::chrono::milliseconds accept_pause{100};

class Shortage : public testing::Test {
protected:
    void SetUp() override {
#ifdef __SANITIZE_ADDRESS__
        GTEST_SKIP()
            << "the sanitizer looks at objects through a pipe, and has no descriptor for it";
#endif
        ASSERT_TRUE(daemon_.start()) << daemon_.log();
        for (int i = 0; i < 10; ++i)
            served_.push_back(daemon_.connect());
        ASSERT_TRUE(served_[0].allocate("inode", 100).has_value());
        ASSERT_TRUE(comes_to_rest(daemon_.pid())) << "what the journal opens it has open";
        ASSERT_EQ(prlimit(daemon_.pid(), RLIMIT_NOFILE, nullptr, &before_), 0);
        rlimit used_up = before_;
        used_up.rlim_cur = free_descriptor(daemon_.pid());
        ASSERT_EQ(prlimit(daemon_.pid(), RLIMIT_NOFILE, &used_up, nullptr), 0);
    }
    void TearDown() override {
        if (daemon_.has_ended()) return;  // SetUp() said why
        EXPECT_EQ(daemon_.terminate(), (Exit{.status = 0})) << daemon_.log();
    }
    void expect_all_served() {
        for (Client& client : served_) {
            ASSERT_TRUE(client.ping().has_value());
            ASSERT_TRUE(client.lookup("inode", 100).has_value());
        }
        ASSERT_TRUE(served_[0].release("inode", {id_, id_}).has_value());
        ++id_;
    }

    void raise_limit() {
        ASSERT_EQ(prlimit(daemon_.pid(), RLIMIT_NOFILE, &before_, nullptr), 0);
    }

    DaemonProcess daemon_{R"({"pools": [{"name": "inode", "policy": "unique", "min": 1,
        "max": 1000000000}], "journal": {"segment_size": 65536}})"};
    std::vector<Client> served_;
    Id id_ = 1;  // the next to be released
    rlimit before_{};
};

TEST_F(Shortage, WhoIsThereIsServedAndWhoWaitsIsTakenWhenOneIsFree) {
    const Bytes hello = encoded({.tag = 1, .body = proto::HelloRequest{}});
    std::vector<RawConnection> waiting;
    std::vector<pollfd> answers;
    for (int i = 0; i < 5; ++i) {
        waiting.emplace_back(daemon_.socket());
        ASSERT_TRUE(waiting.back().send(hello));
        answers.push_back({.fd = waiting.back().fd(), .events = POLLIN, .revents = 0});
    }
    ASSERT_NO_FATAL_FAILURE(expect_all_served());

    // Each try is one wake, of a thread that sleeps in between.
    ASSERT_TRUE(comes_to_rest(daemon_.pid()));
    const auto begin = std::chrono::steady_clock::now();
    const std::uint64_t switches = switch_count(daemon_.pid());
    EXPECT_EQ(poll(answers.data(), answers.size(), 500), 0) << "they wait";
    const std::uint64_t woken = switch_count(daemon_.pid()) - switches;
    const auto tries = (std::chrono::steady_clock::now() - begin) / accept_pause + 1;
    EXPECT_LE(woken, 3 * static_cast<std::uint64_t>(tries)) << "it was woken too often";
    ASSERT_NO_FATAL_FAILURE(expect_all_served());
    EXPECT_NE(daemon_.log().find("accept failed"), std::string::npos) << daemon_.log();

    // One leaves, one is taken; the others wait on.
    for (int i = 0; i < 5; ++i) {
        served_.pop_back();
        ASSERT_TRUE(waiting[static_cast<std::size_t>(i)].receive().has_value());
        ASSERT_NO_FATAL_FAILURE(expect_all_served());
    }
    for (RawConnection& connection : waiting)
        EXPECT_EQ(connection.ask({.tag = 2, .body = proto::PingRequest{}}).code(), Errc::ok);

    RawConnection last(daemon_.socket());
    ASSERT_TRUE(last.send(hello));
    ASSERT_NO_FATAL_FAILURE(raise_limit());
    EXPECT_TRUE(last.receive().has_value()) << "the limit was raised";
}

// Whoever closes while he waits is in the way of who comes behind him for no longer than it takes to see it:
// with a pause for each of them this would be stuck.
TEST_F(Shortage, WhoGivesUpWaitingIsForgotten) {
    const std::size_t before = descriptor_count(daemon_.pid());
    constexpr auto count = 2 * (patience / accept_pause);
    for (int i = 0; i < count; ++i) {
        RawConnection gone(daemon_.socket());
        gone.send(encoded({.tag = 1, .body = proto::HelloRequest{}}));
    }
    RawConnection patient(daemon_.socket());
    ASSERT_TRUE(patient.send(encoded({.tag = 1, .body = proto::HelloRequest{}})));
    ASSERT_NO_FATAL_FAILURE(expect_all_served());
    served_.pop_back();
    ASSERT_TRUE(patient.receive().has_value());
    EXPECT_EQ(descriptor_count(daemon_.pid()), before) << "one left, one came";
    ASSERT_NO_FATAL_FAILURE(expect_all_served());
}

// The journal's next file is a descriptor too.
TEST_F(Shortage, WhatNeedsAnotherFileIsRefusedAndEveryReleaseSucceeds) {
    constexpr Id allocations_max = 100'000;
    Client& client = served_[0];
    Errc refusal = Errc::ok;
    Id last = 100;
    while (refusal == Errc::ok && last < allocations_max) {
        const auto lease = client.allocate("inode");
        if (lease) last = lease->range.first;
        if (!lease) refusal = lease.error().code;
    }
    ASSERT_EQ(refusal, Errc::out_of_memory) << daemon_.log();
    for (Id id = 1; id <= last; ++id)
        ASSERT_TRUE(client.release("inode", {id, id}).has_value()) << id << daemon_.log();
    EXPECT_NE(daemon_.log().find("no file descriptor"), std::string::npos) << daemon_.log();
    ASSERT_NO_FATAL_FAILURE(raise_limit());
    const Deadline deadline = soon();
    while (refusal != Errc::ok && std::chrono::steady_clock::now() < deadline)
        refusal = client.allocate("inode") ? Errc::ok : Errc::out_of_memory;
    EXPECT_EQ(refusal, Errc::ok) << daemon_.log();
}

}  // namespace
}  // namespace inod::e2e
