// Input that no client of good will sends: each its own named error; the connection goes on or is
// closed as PROTOCOL.md says; everybody else is served as if nothing had happened.

#include <functional>
#include <random>

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "tests/e2e/daemon_process.h"
#include "tests/e2e/raw_connection.h"
#include "tests/e2e/support.h"

namespace inod::e2e {
namespace {

constexpr std::uint16_t inode = 0;
constexpr std::uint16_t pid = 1;
constexpr uid_t granted_uid = 54'321;
constexpr uid_t other_uid = 54'322;

class BadInput : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(daemon_.start()) << daemon_.log();
        bystander_.emplace(daemon_.connect());
        ASSERT_EQ(bystander_->allocate("inode", 10).value().range, (Range{1, 10}));
        ASSERT_EQ(bystander_->allocate("pid", 10).value().range, (Range{2, 11}));
    }
    // Whatever a test did: the daemon is the same, and so is the other client's connection.
    void TearDown() override {
        if (!bystander_) return;  // SetUp() said why
        EXPECT_TRUE(bystander_->ping().has_value());
        EXPECT_EQ(bystander_->lookup_lease("inode", 5).value().range, (Range{1, 10}));
        EXPECT_FALSE(daemon_.has_ended()) << daemon_.log();
        EXPECT_EQ(daemon_.terminate(), (Exit{.status = 0})) << daemon_.log();
    }

    DaemonProcess daemon_{R"({
      "pools": [
        {"name": "inode", "policy": "unique", "min": 1, "max": 1000000, "lease_count_max": 100},
        {"name": "pid", "policy": "cyclic", "min": 2, "max": 20000},
        {"name": "shared", "policy": "unique", "min": 1, "max": 1000000,
         "grants": [{"uid": 54321}]},
        {"name": "grouped", "policy": "unique", "min": 1, "max": 1000000,
         "grants": [{"gid": 54321}]}
      ]
    })"};
    std::optional<Client> bystander_;
};

struct Refusal {
    const char* name;
    Bytes request;  // its tag is 7
    Errc code;
    std::uint64_t detail;
};

// Not in braces, which the formatter cannot align within a table.
template <class... Values>
Bytes bytes(Values... values) {
    return {static_cast<std::byte>(values)...};
}

// Integers one behind the other, eight bytes each.
template <class... Values>
Bytes words(Values... values) {
    Bytes memory(sizeof...(values) * sizeof(std::uint64_t));
    ByteWriter out(memory);
    (out.put(static_cast<std::uint64_t>(values)), ...);
    return memory;
}

// A hello's body with this beginning, and room for no names.
Bytes hello_body(const char* magic, unsigned version_min, unsigned version_max) {
    Bytes body(42);
    for (std::size_t i = 0; i < 4; ++i)
        body[i] = static_cast<std::byte>(magic[i]);
    body[4] = static_cast<std::byte>(version_min);
    body[6] = static_cast<std::byte>(version_max);
    return body;
}

TEST_F(BadInput, EachHasItsNameAndTheConnectionGoesOn) {
    const std::uint8_t flag_long = proto::flag_long;
    const std::uint8_t flag_extensions = proto::flag_extensions;
    const std::uint64_t top = id_max;
    // clang-format 14 crashes on this table.
    // clang-format off
    const Refusal cases[] = {
        {"operation 0",              frame(0, 0, 7),                              Errc::operation_unknown,   0      },
        {"operation 22",             frame(22, 0, 7),                             Errc::operation_unknown,   22     },
        {"operation 255, any body",  frame(255, 9, 7, words(1, 2, 3)),          Errc::operation_unknown,   255    },
        {"no body",                  frame(3, inode, 7),                          Errc::body_malformed, 0},
        {"body too short",           frame(3, inode, 7, bytes(1, 0, 0)),        Errc::body_malformed, 0},
        {"body too long",            frame(3, inode, 7, words(1, 1)),           Errc::body_malformed, 0},
        {"a ping with a pool",       frame(2, 1, 7),                              Errc::body_malformed, 0},
        {"long form of what has none", frame(3, inode, 7, words(1), flag_long), Errc::body_malformed, 0},
        {"the reply flag",           frame(3, inode, 7, words(1), proto::flag_reply), Errc::body_malformed, 0},
        {"an unknown flag",          frame(3, inode, 7, words(1), 0x80),        Errc::body_malformed, 0},
        {"extension cut short",      frame(2, 0, 7, bytes(1, 0, 4), flag_extensions), Errc::body_malformed, 0},
        {"required extension",       frame(2, 0, 7, bytes(5, 0x80, 0, 0), flag_extensions),
                                                                                  Errc::extension_unknown,   0x8005 },
        {"count 0",                  frame(3, inode, 7, words(0)),              Errc::count_zero, 0},
        {"more than a lease has",    frame(3, inode, 7, words(101)),            Errc::lease_too_large,     100    },
        {"count 2^64 - 1",           frame(3, inode, 7, words(top)),            Errc::lease_too_large,     100    },
        {"claim turned round",       frame(4, inode, 7, words(9, 8)),           Errc::range_reversed, 0},
        {"claim of all there is",    frame(4, inode, 7, words(0, top)),         Errc::lease_too_large,     100    },
        {"claim outside",            frame(4, inode, 7, words(0, 0)),           Errc::id_out_of_range,     0      },
        {"release turned round",     frame(5, inode, 7, words(9, 8, 0), flag_long), Errc::range_reversed, 0},
        {"release of all there is",  frame(5, inode, 7, words(0, top, 0), flag_long), Errc::id_out_of_range, 0    },
        {"release of nothing",       frame(5, inode, 7, words(11)),             Errc::never_allocated,     11     },
        {"release without generation", frame(5, pid, 7, words(2)),              Errc::generation_required, 0},
        {"release of another generation", frame(5, pid, 7, words(2, 2, 9), flag_long), Errc::stale_generation, 1  },
        {"lookup outside",           frame(6, inode, 7, words(top)),            Errc::id_out_of_range,     top    },
        {"pool 4",                   frame(3, 4, 7, words(1)),                  Errc::pool_unknown, 0},
        {"pool 65535",               frame(6, 65'535, 7, words(1)),             Errc::pool_unknown, 0},
        {"stats of no pool",         frame(10, 9, 7),                             Errc::pool_unknown, 0},
        {"list with more than zero", frame(8, inode, 7, words(1, top)),         Errc::body_malformed, 0},
        {"a second hello",           frame(1, 0, 7, hello_body("INOD", 1, 1)),    Errc::body_malformed, 0},
    };
    // clang-format on
    RawConnection connection(daemon_.socket());
    connection.greet();
    for (const Refusal& c : cases) {
        SCOPED_TRACE(c.name);
        const Answer answer = connection.ask(c.request);
        EXPECT_EQ(answer.code(), c.code) << name(answer.code()) << ", not " << name(c.code);
        EXPECT_EQ(answer.header.tag, 7);
        EXPECT_EQ(answer.header.operation, proto::decode_header(c.request).operation);
        EXPECT_EQ(answer.detail(), c.detail);
        ASSERT_EQ(connection.ask({.tag = 8, .body = proto::PingRequest{}}).code(), Errc::ok);
        ASSERT_TRUE(bystander_->ping().has_value());
    }
}

TEST_F(BadInput, AnOptionalExtensionIsPassedOver) {
    RawConnection connection(daemon_.socket());
    connection.greet();
    const Bytes extension = bytes(5, 0, 2, 0, 0xaa, 0xbb);
    EXPECT_EQ(connection.ask(frame(2, 0, 7, extension, proto::flag_extensions)).code(), Errc::ok);
}

TEST_F(BadInput, TagZeroIsRefusedByAFrameWithTagZero) {
    RawConnection connection(daemon_.socket());
    connection.greet();
    const Answer answer = connection.ask(frame(2, 0, 0));
    EXPECT_EQ(answer.code(), Errc::body_malformed);
    EXPECT_EQ(answer.header.tag, 0);
    EXPECT_EQ(connection.ask(frame(2, 0, 7)).code(), Errc::ok);
}

// The stream is out of step: an error frame with tag 0 says so, then the connection ends. What was
// asked before is answered.
TEST_F(BadInput, AStreamOutOfStepEndsItsConnection) {
    struct Case {
        const char* name;
        Bytes header;
        Errc code;
    };
    const Case cases[] = {
        {"size 0", bytes(0, 0, 2, 0, 0, 0, 7, 0), Errc::frame_malformed},
        {"size 7", bytes(7, 0, 2, 0, 0, 0, 7, 0), Errc::frame_malformed},
        {"size 4097", bytes(1, 0x10, 2, 0, 0, 0, 7, 0), Errc::frame_too_long},
        {"size 65535", bytes(0xff, 0xff, 2, 0, 0, 0, 7, 0), Errc::frame_too_long},
    };
    for (const Case& c : cases) {
        for (const bool greets : {true, false}) {
            SCOPED_TRACE(c.name);
            RawConnection connection(daemon_.socket());
            if (greets) connection.greet();
            Bytes all;
            if (greets) all = encoded({.pool = pid, .tag = 6, .body = proto::AllocateRequest{}});
            all.insert(all.end(), c.header.begin(), c.header.end());
            const Bytes behind = frame(2, 0, 8);
            all.insert(all.end(), behind.begin(), behind.end());
            ASSERT_TRUE(connection.send(all));
            bool answered = false;
            bool told = false;
            while (const auto answer = connection.receive()) {
                EXPECT_NE(answer->header.tag, 8) << "what is behind it is not looked at";
                if (answer->header.tag == 6) answered = true;
                if (answer->header.tag != 0) continue;
                told = true;
                EXPECT_EQ(answer->code(), c.code);
                EXPECT_EQ(answer->header.operation, proto::Operation::none);
            }
            EXPECT_EQ(answered, greets);
            EXPECT_TRUE(told);
        }
    }
}

TEST_F(BadInput, TheFirstFrameMustBeAGoodHello) {
    const Bytes long_magic = hello_body("DONI", 1, 1);
    struct Case {
        const char* name;
        Bytes first;
        Errc code;
        std::uint64_t detail;
        bool closes;
    };
    Bytes unknown_pool = hello_body("INOD", 1, 1);
    unknown_pool[40] = std::byte{1};
    for (const char byte : std::string("\7\0nothing", 9))
        unknown_pool.push_back(static_cast<std::byte>(byte));
    const Case cases[] = {
        {"a ping", frame(2, 0, 7), Errc::hello_required, 0, true},
        {"unknown", frame(99, 0, 7), Errc::hello_required, 0, true},
        {"another magic", frame(1, 0, 7, long_magic), Errc::frame_malformed, 0, true},
        {"version 2 to 3", frame(1, 0, 7, hello_body("INOD", 2, 3)), Errc::version_unsupported, 1,
         true},
        {"version 0", frame(1, 0, 7, hello_body("INOD", 0, 0)), Errc::version_unsupported, 1, true},
        {"with a pool", frame(1, 1, 7, hello_body("INOD", 1, 1)), Errc::body_malformed, 0, false},
        {"no such pool", frame(1, 0, 7, unknown_pool), Errc::pool_unknown, 0, false},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        RawConnection connection(daemon_.socket());
        const Answer answer = connection.ask(c.first);
        EXPECT_EQ(answer.code(), c.code) << name(answer.code());
        EXPECT_EQ(answer.header.tag, 7);
        EXPECT_EQ(answer.detail(), c.detail);
        const bool names_it = answer.text().find("nothing") != std::string::npos;
        EXPECT_EQ(names_it, c.code == Errc::pool_unknown) << answer.text();
        if (c.closes) {
            EXPECT_TRUE(connection.closed());
        } else {
            EXPECT_NO_THROW(connection.greet()) << "another hello may come";
        }
    }
}

TEST_F(BadInput, RandomBytesOnManyConnections) {
    const std::uint64_t seed = std::random_device()();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    for (int i = 0; i < 300; ++i) {
        RawConnection connection(daemon_.socket());
        if (i % 2 == 0) connection.greet();
        Bytes garbage(1 + random() % 20'000);
        for (std::byte& byte : garbage)
            byte = static_cast<std::byte>(random());
        // Often a sound header, so that the bytes get further.
        for (std::size_t at = 0; i % 3 != 0 && at + 64 < garbage.size(); at += 16 + random() % 8) {
            const Bytes header = frame(static_cast<std::uint8_t>(random() % 12),
                                       static_cast<std::uint16_t>(random() % 4), 7);
            std::copy(header.begin(), header.end(),
                      garbage.begin() + static_cast<std::ptrdiff_t>(at));
            garbage[at] = static_cast<std::byte>(16 + 8 * (random() % 3));
        }
        connection.send(garbage);
        if (i % 5 == 0) continue;  // closes with all of it under way
        connection.finish_sending();
        while (const auto answer = connection.receive())
            EXPECT_TRUE(answer->header.is_reply());
        ASSERT_TRUE(bystander_->ping().has_value());
    }
}

// Runs `act` in a process of another user, and returns what it returned there, 0 to 99.
int as_user(uid_t uid, gid_t gid, std::vector<gid_t> groups, const std::function<int()>& act) {
    const pid_t child = fork();
    if (child == 0) {
        int status = 100;
        if (setgroups(groups.size(), groups.data()) == 0 && setresgid(gid, gid, gid) == 0 &&
            setresuid(uid, uid, uid) == 0) {
            try {
                status = act();
            } catch (const std::exception&) {
                status = 101;
            }
        }
        _exit(status);
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) return 102;
    return WEXITSTATUS(status);
}

TEST_F(BadInput, OthersNeedAGrantAndReleaseOnlyWhatIsTheirs) {
    if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
    ASSERT_EQ(bystander_->allocate("shared", 5).value().range, (Range{1, 5}));
    const auto code = [](const auto& result) {
        return result.has_value() ? 0 : static_cast<int>(result.error().code);
    };
    const auto numbered = [](Errc errc) { return static_cast<int>(errc); };

    EXPECT_EQ(
        as_user(other_uid, other_uid, {}, [&] { return code(daemon_.connect().allocate(inode)); }),
        numbered(Errc::access_denied));
    EXPECT_EQ(as_user(other_uid, other_uid, {},
                      [&] { return static_cast<int>(daemon_.connect().pool_table().size()); }),
              0);
    EXPECT_EQ(as_user(other_uid, other_uid, {},
                      [&] {
                          return code(Client::connect({.socket_path = daemon_.socket(),
                                                       .pools = {"shared"},
                                                       .timeout = patience}));
                      }),
              numbered(Errc::access_denied));
    EXPECT_EQ(as_user(granted_uid, other_uid, {},
                      [&] {
                          return code(daemon_.connect().release("shared", {2, 3}));
                      }),
              numbered(Errc::not_holder));
    EXPECT_EQ(as_user(granted_uid, other_uid, {},
                      [&] {
                          Client client = daemon_.connect();
                          return code(
                              client.release("shared", client.allocate("shared", 3).value().range));
                      }),
              0);
    EXPECT_EQ(as_user(granted_uid, other_uid, {},
                      [&] { return code(daemon_.connect().allocate(inode)); }),
              numbered(Errc::access_denied));
    EXPECT_EQ(as_user(other_uid, granted_uid, {},
                      [&] { return code(daemon_.connect().allocate("grouped")); }),
              0);
    EXPECT_EQ(as_user(other_uid, other_uid, {1, granted_uid},
                      [&] { return code(daemon_.connect().allocate("grouped")); }),
              0)
        << "a supplementary group will do";
    EXPECT_EQ(bystander_->lookup("grouped", 1).value().uid, other_uid);
    EXPECT_EQ(bystander_->lookup_lease("shared", 2).value().range, (Range{1, 5}));
    EXPECT_EQ(bystander_->release("grouped", {1, 1}).error(), (Error{Errc::not_holder, 1}))
        << "not even by root";
}

}  // namespace
}  // namespace inod::e2e
