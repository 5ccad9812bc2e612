// Promise: no frame, however malformed, does more than end its own connection.
// Method: every golden frame that a client can send, with every byte changed to every other value. Whoever
// sends them is answered frame by frame, or refused as PROTOCOL.md says; whoever does not is served as if
// nothing had happened, and keeps what is his.
//
// What leaves the stream in step goes over one connection, all values of a byte after each other; what does
// not, and what begins a connection, has one of its own: few values of each byte, with INOD_TEST_LONG=1 all.

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <iostream>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/e2e/daemon_process.h"
#include "tests/e2e/raw_connection.h"
#include "tests/e2e/support.h"
#include "tests/proto/golden.h"

namespace inod::e2e {
namespace {

using proto::Operation;

constexpr uid_t attacker_uid = 54'321;
constexpr std::size_t operation_at = 2;

// The frames of a stream, as the daemon is to see them, up to where it is out of step.
struct Stream {
    std::vector<proto::FrameHeader> frames;
    Errc error = Errc::ok;
};

Stream parse(std::span<const std::byte> bytes) {
    Stream stream;
    while (bytes.size() >= proto::frame_header_size) {
        const proto::FrameHeader header = proto::decode_header(bytes);
        if (header.size < proto::frame_header_size) stream.error = Errc::frame_malformed;
        if (header.size > proto::request_size_max) stream.error = Errc::frame_too_long;
        if (stream.error != Errc::ok || header.size > bytes.size()) break;
        stream.frames.push_back(header);
        bytes = bytes.subspan(header.size);
    }
    return stream;
}

bool closes(Errc code) {
    return code == Errc::frame_malformed || code == Errc::frame_too_long ||
           code == Errc::hello_required || code == Errc::version_unsupported;
}

// May it go without an answer, as its connection has ended before what it waits for?
bool waits(Operation operation) {
    return operation == Operation::wait || operation == Operation::watch;
}

// What was sent on a connection, and which answers there are to be.
class Exchange {
public:
    explicit Exchange(const Bytes& sent) : stream_(parse(sent)) {
        for (const proto::FrameHeader& frame : stream_.frames)
            ++asked_[{frame.operation, frame.tag}];
    }

    void take(const Answer& answer) {
        ASSERT_TRUE(answer.header.is_reply());
        ASSERT_NO_THROW((void)answer.reply());
        const Key key{answer.header.operation, answer.header.tag};
        if (const auto asked = asked_.find(key); asked != asked_.end() && asked->second > 0) {
            --asked->second;
            ASSERT_TRUE(!closed_by_ || is_before(*closed_by_, key))
                << "what is behind it is not looked at";
            if (closes(answer.code())) closed_by_ = key;
            return;
        }
        ASSERT_EQ(key, Key(Operation::none, 0)) << "an answer to nothing that was asked";
        ASSERT_FALSE(refused_) << "it is said once";
        ASSERT_NE(stream_.error, Errc::ok);
        EXPECT_EQ(answer.code(), stream_.error);
        refused_ = true;
    }
    // Behind the last answer.
    void end() const {
        EXPECT_EQ(refused_, stream_.error != Errc::ok && !closed_by_);
        std::map<Key, std::size_t> unanswered = asked_;
        if (closed_by_) forgive_behind(*closed_by_, unanswered);
        for (const auto& [key, count] : unanswered) {
            if (waits(key.first)) continue;
            EXPECT_EQ(count, 0U) << name(key.first) << " with tag " << key.second;
        }
    }

private:
    using Key = std::pair<Operation, std::uint16_t>;

    static auto has_key(const Key& key) {
        return [&key](const proto::FrameHeader& frame) {
            return Key(frame.operation, frame.tag) == key;
        };
    }
    // Was such a frame sent before the one that closed the connection?
    [[nodiscard]] bool is_before(const Key& closing, const Key& key) const {
        const auto end =
            std::find_if(stream_.frames.begin(), stream_.frames.end(), has_key(closing));
        return std::any_of(stream_.frames.begin(), end, has_key(key));
    }
    // What came behind a frame that closed the connection.
    void forgive_behind(const Key& key, std::map<Key, std::size_t>& unanswered) const {
        auto frame = std::find_if(stream_.frames.begin(), stream_.frames.end(), has_key(key));
        while (frame != stream_.frames.end()) {
            auto& count = unanswered[{frame->operation, frame->tag}];
            if (count > 0) --count;
            ++frame;
        }
    }

    const Stream stream_;
    std::map<Key, std::size_t> asked_;  // and not answered
    std::optional<Key> closed_by_;
    bool refused_ = false;
};

std::vector<std::byte> all_but(std::byte original) {
    std::vector<std::byte> values;
    for (unsigned value = 0; value < 256; ++value) {
        if (std::byte(value) != original) values.push_back(std::byte(value));
    }
    return values;
}

// Each bit turned round, the ends, and the neighbours.
bool is_near(std::byte original, std::byte value) {
    const auto number = std::to_integer<unsigned>(value);
    const auto difference = (256 + number - std::to_integer<unsigned>(original)) % 256;
    return std::has_single_bit(std::to_integer<unsigned>(original ^ value)) || number == 0 ||
           number == 255 || difference == 1 || difference == 255;
}

// Is what follows it on a connection looked at, too?
bool goes_on_behind(const Bytes& frame) {
    const Stream stream = parse(frame);
    if (stream.error != Errc::ok || stream.frames.size() != 1) return false;
    if (stream.frames[0].size != frame.size()) return false;
    const auto request = proto::decode_request(frame);
    return request || !closes(request.error().code);
}

bool is_long() {
    return std::getenv("INOD_TEST_LONG") != nullptr;  // NOLINT(concurrency-mt-unsafe)
}

// Connections are another user's as long as there is one of these. The kernel keeps who connected.
class As {
public:
    explicit As(uid_t uid) {
        if (seteuid(uid) != 0) throw std::runtime_error("seteuid");
    }
    As(const As&) = delete;
    As& operator=(const As&) = delete;
    ~As() { EXPECT_EQ(seteuid(own_), 0); }

private:
    const uid_t own_ = geteuid();
};

class MutatedGolden : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(daemon_.start()) << daemon_.log();
        bystander_.emplace(daemon_.socket());
        bystander_->greet();
        const auto bound =
            bystander_->ask({.tag = 2, .body = proto::BindRequest{.name = "bystander"}});
        ASSERT_EQ(bound.code(), Errc::ok);
        for (const std::uint16_t pool : {inode, pid}) {
            const auto lease = bystander_->ask(
                {.pool = pool, .tag = 3, .body = proto::AllocateRequest{.count = 10}});
            ASSERT_EQ(lease.code(), Errc::ok);
            held_.push_back(std::get<proto::LeaseReply>(lease.reply().body));
        }
    }
    // The daemon is the same, and ends in peace. What it says of its pools is so.
    void TearDown() override {
        if (held_.size() < 2) return;  // SetUp() said why
        Client client = daemon_.connect();
        for (const std::uint16_t pool : {inode, pid}) {
            std::uint64_t ids = 0;
            for (const proto::LeaseRecord& lease : list_all(client, pool))
                ids += lease.range.count();
            EXPECT_EQ(value_of(client.stats(pool).value(), proto::StatId::live_ids), ids);
        }
        EXPECT_FALSE(daemon_.has_ended()) << daemon_.log();
        EXPECT_EQ(daemon_.terminate(), (Exit{.status = 0})) << daemon_.log();
    }

    // Sends all, says that this is all, and reads to the end.
    void exchange(const Bytes& bytes, uid_t uid) {
        std::optional<As> as(uid);
        RawConnection connection(daemon_.socket());
        as.reset();
        // What the daemon does not read any more can be left over.
        if (connection.send(bytes)) connection.finish_sending();
        Exchange exchange(bytes);
        while (const auto answer = connection.receive())
            ASSERT_NO_FATAL_FAILURE(exchange.take(*answer));
        exchange.end();
        ++connections_;
    }
    // Somebody else is answered what he asks, and nothing else.
    void bystander_is_served() {
        const std::uint16_t tag = ++bystander_tag_ % 65'000 + 1;
        const Answer answer = bystander_->ask(
            {.pool = inode, .tag = tag, .body = proto::LookupLeaseRequest{.id = id()}});
        ASSERT_EQ(answer.header.operation, Operation::lookup);
        ASSERT_EQ(answer.header.tag, tag);
        if (is_held_) {
            ASSERT_EQ(answer.code(), Errc::ok);
            ASSERT_EQ(std::get<proto::LeaseRecord>(answer.reply().body).range, held_[0].range);
        }
    }
    // All that he has, after a restart too.
    void bystander_holds_what_he_had(Client& client) {
        for (const std::uint16_t pool : {inode, pid}) {
            const auto& lease = held_[pool];
            const auto found = client.lookup_lease(pool, lease.range.first, lease.generation);
            ASSERT_TRUE(found) << name(found.error().code);
            EXPECT_EQ(found->range, lease.range);
        }
    }

    // Every change of every golden frame, each behind a hello, but where it begins the connection.
    void send_all_as(uid_t uid) {
        for (const std::string& name : proto::golden_names_of_clients()) {
            SCOPED_TRACE(name);
            const Bytes original = proto::golden(name);
            for (std::size_t at = 0; at < original.size(); ++at) {
                SCOPED_TRACE("byte " + std::to_string(at));
                ASSERT_NO_FATAL_FAILURE(send_changed(original, at, uid));
            }
            ASSERT_NO_FATAL_FAILURE(bystander_is_served());
        }
        std::cout << mutants_ << " changed frames on " << connections_ << " connections\n";
    }
    void send_changed(const Bytes& original, std::size_t at, uid_t uid) {
        Bytes together = hello_;
        for (const std::byte value : all_but(original[at])) {
            Bytes changed = original;
            changed[at] = value;
            if (goes_on_behind(changed)) {
                together.insert(together.end(), changed.begin(), changed.end());
                ++mutants_;
            } else if (is_chosen(original, at, value)) {
                ASSERT_NO_FATAL_FAILURE(send_apart(hello_, changed, uid));
            }
            const bool is_hello = proto::decode_header(original).operation == Operation::hello;
            if (is_hello && is_chosen(original, at, value)) {
                ASSERT_NO_FATAL_FAILURE(send_apart({}, changed, uid));
            }
        }
        if (together.size() > hello_.size()) exchange(together, uid);
    }
    // Of what has a connection of its own.
    static bool is_chosen(const Bytes& original, std::size_t at, std::byte value) {
        static const bool all = is_long();
        return all || at == operation_at || is_near(original[at], value);
    }
    void send_apart(Bytes all, const Bytes& changed, uid_t uid) {
        all.insert(all.end(), changed.begin(), changed.end());
        // Something follows that may come to be a part of it.
        all.insert(all.end(), ping_.begin(), ping_.end());
        exchange(all, uid);
        ++mutants_;
    }

    static constexpr std::uint16_t inode = 0;
    static constexpr std::uint16_t pid = 1;

    [[nodiscard]] Id id() const { return held_[0].range.first + 3; }

    DaemonProcess daemon_{R"({
      "pools": [
        {"name": "inode", "policy": "unique", "min": 1, "max": 18446744073709551615,
         "grants": [{"uid": 54321}]},
        {"name": "pid", "policy": "cyclic", "min": 2, "max": 20000, "grants": [{"uid": 54321}]}
      ]
    })"};
    const Bytes hello_ = encoded({.tag = 1, .body = proto::HelloRequest{}});
    const Bytes ping_ = encoded({.tag = 9, .body = proto::PingRequest{}});
    std::optional<RawConnection> bystander_;
    std::uint16_t bystander_tag_ = 0;
    std::vector<proto::LeaseReply> held_;  // by pool
    bool is_held_ = true;                  // nobody may take it
    std::size_t connections_ = 0;
    std::size_t mutants_ = 0;
};

// Who may do nothing to others does nothing to them.
TEST_F(MutatedGolden, OfAnotherUserLeaveEverybodyElseAlone) {
    if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
    ASSERT_NO_FATAL_FAILURE(send_all_as(attacker_uid));
    Client client = daemon_.connect();
    ASSERT_NO_FATAL_FAILURE(bystander_holds_what_he_had(client));
    EXPECT_EQ(daemon_.terminate(), (Exit{.status = 0})) << daemon_.log();
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    Client later = daemon_.connect();
    ASSERT_NO_FATAL_FAILURE(bystander_holds_what_he_had(later));
}

// Who may do everything does it; all are answered all the same.
TEST_F(MutatedGolden, OfTheDaemonsOwnUserAreAnsweredToo) {
    is_held_ = false;
    ASSERT_NO_FATAL_FAILURE(send_all_as(geteuid()));
}

}  // namespace
}  // namespace inod::e2e
