// Promise: how a stream of requests is cut makes no difference. Every golden frame that a client can send is
// sent whole to one daemon, and byte by byte to another, which reads each byte by itself, with other clients
// between any two of them that do the same: the answers are those of the whole frame.

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "tests/e2e/daemon_process.h"
#include "tests/e2e/raw_connection.h"
#include "tests/e2e/support.h"
#include "tests/proto/golden.h"

namespace inod::e2e {
namespace {

using proto::Operation;

constexpr std::size_t neighbour_count = 4;

// Waits until the daemon has read all that was sent, or has closed the connection.
void wait_until_read(const RawConnection& connection) {
    for (const Deadline deadline = soon(); std::chrono::steady_clock::now() < deadline;) {
        int unread = 0;
        if (ioctl(connection.fd(), SIOCOUTQ, &unread) != 0) throw std::runtime_error("SIOCOUTQ");
        if (unread == 0) return;
        std::this_thread::yield();
    }
    throw std::runtime_error("the daemon does not read");
}

// Somebody who sends pings byte by byte, a byte at a time, and counts what comes back.
class Neighbour {
public:
    explicit Neighbour(const std::string& socket) : connection_(socket) { connection_.greet(); }

    void send_a_byte() {
        ASSERT_TRUE(connection_.send(Bytes{ping_[sent_]}));
        wait_until_read(connection_);
        if (++sent_ < ping_.size()) return;
        sent_ = 0;
        const auto answer = connection_.receive();
        ASSERT_TRUE(answer.has_value());
        ASSERT_EQ(answer->code(), Errc::ok);
        ASSERT_EQ(answer->header.tag, 9);
    }

private:
    RawConnection connection_;
    const Bytes ping_ = encoded({.tag = 9, .body = proto::PingRequest{}});
    std::size_t sent_ = 0;
};

// All answers to what was sent, to the end. They may overtake each other.
std::vector<Answer> answers_of(RawConnection& connection) {
    std::vector<Answer> answers;
    while (auto answer = connection.receive())
        answers.push_back(*std::move(answer));
    // A golden frame may have the tag of the ping behind it.
    const auto key = [](const Answer& answer) {
        return std::pair(answer.header.tag, answer.header.operation);
    };
    std::sort(answers.begin(), answers.end(),
              [&](const Answer& a, const Answer& b) { return key(a) < key(b); });
    return answers;
}

// Has the reply something that is another for each daemon, or a time?
bool is_its_own(const Answer& answer) {
    const Operation operation = answer.header.operation;
    if (answer.code() == Errc::token_expired) return true;  // which epoch it is instead
    return answer.code() == Errc::ok &&
           (operation == Operation::hello || operation == Operation::bind ||
            operation == Operation::stats || operation == Operation::token_epoch ||
            operation == Operation::holders);
}

void expect_same(const std::vector<Answer>& got, const std::vector<Answer>& want) {
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_EQ(got[i].code(), want[i].code());
        EXPECT_EQ(got[i].header.operation, want[i].header.operation);
        EXPECT_EQ(got[i].header.tag, want[i].header.tag);
        EXPECT_EQ(got[i].bytes.size(), want[i].bytes.size());
        if (!is_its_own(want[i])) {
            EXPECT_EQ(got[i].bytes, want[i].bytes);
        }
    }
}

class Bytewise : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(whole_.start()) << whole_.log();
        ASSERT_TRUE(bytewise_.start()) << bytewise_.log();
        while (neighbours_.size() < neighbour_count)
            neighbours_.emplace_back(bytewise_.socket());
    }

    std::vector<Answer> send_whole(const Bytes& bytes) {
        RawConnection connection(whole_.socket());
        if (connection.send(bytes)) connection.finish_sending();
        return answers_of(connection);
    }
    std::vector<Answer> send_bytewise(const Bytes& bytes) {
        RawConnection connection(bytewise_.socket());
        for (const std::byte byte : bytes) {
            if (!connection.send(Bytes{byte})) return answers_of(connection);
            wait_until_read(connection);
            for (Neighbour& neighbour : neighbours_)
                neighbour.send_a_byte();
        }
        connection.finish_sending();
        return answers_of(connection);
    }

    DaemonProcess whole_{three_pools};
    DaemonProcess bytewise_{three_pools};
    std::vector<Neighbour> neighbours_;
};

TEST_F(Bytewise, EveryGoldenFrameIsAnsweredAsAWhole) {
    const Bytes hello = encoded({.tag = 1, .body = proto::HelloRequest{}});
    const Bytes ping = encoded({.tag = 65'535, .body = proto::PingRequest{}});
    for (const std::string& name : proto::golden_names_of_clients()) {
        SCOPED_TRACE(name);
        const Bytes frame = proto::golden(name);
        const bool is_hello = name.find("hello") != std::string::npos;
        Bytes bytes = is_hello ? Bytes() : hello;
        for (const Bytes& part : {frame, ping})
            bytes.insert(bytes.end(), part.begin(), part.end());
        const std::vector<Answer> want = send_whole(bytes);
        ASSERT_FALSE(want.empty());
        ASSERT_NO_FATAL_FAILURE(expect_same(send_bytewise(bytes), want));
        ASSERT_FALSE(HasFailure());
    }
}

}  // namespace
}  // namespace inod::e2e
