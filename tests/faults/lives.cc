#include "tests/faults/lives.h"

#include <cstdlib>
#include <latch>
#include <random>
#include <string_view>
#include <thread>

#include <gtest/gtest.h>

#include "tests/e2e/support.h"

namespace inod::faults {

Lives::Lives(std::uint64_t seed, std::size_t client_count, const LoadOptions& options) {
    std::mt19937_64 random(seed);
    for (std::size_t i = 0; i < client_count; ++i)
        clients_.emplace_back(random(), options);
}

void Lives::load(const std::function<void()>& meanwhile) {
    std::vector<Report> reports(clients_.size());
    std::latch begun(static_cast<std::ptrdiff_t>(clients_.size()));
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < clients_.size(); ++i) {
        threads.emplace_back([&, i] {
            reports[i] = clients_[i].run(daemon_.socket(), [&] { begun.count_down(); });
        });
    }
    begun.wait();
    meanwhile();
    for (std::thread& thread : threads)
        thread.join();
    for (const Report& report : reports)
        oracle_.take(report);
}

void Lives::load_a_little() {
    LoadClient& client = clients_.front();
    client.request_count(100);
    oracle_.take(client.run(daemon_.socket(), [] {}));
}

void Lives::crash() {
    daemon_.kill9();
    for (LoadClient& load : clients_)
        load.forget(block_pool);
}

void Lives::restart_and_compare(LastStop last_stop) {
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    compare(last_stop == LastStop::crash ||
            daemon_.log().find("last_stop=clean") == std::string::npos);
}

void Lives::compare(bool crashed) {
    Client client = daemon_.connect();
    for (const std::size_t pool : {inode_pool, pid_pool}) {
        const auto leases = e2e::list_all(client, static_cast<std::uint16_t>(pool));
        // To all in turn: one alone might not get to releasing them as fast as they come.
        std::size_t next = 0;
        for (const Numbers& numbers : oracle_.compare(pool, leases))
            clients_.at(next++ % clients_.size()).hold(numbers);
        for (const Numbers& numbers : oracle_.still_held())
            clients_.at(next++ % clients_.size()).hold(numbers);
    }
    for (LoadClient& load : clients_)
        load.forget(block_pool);
    if (!crashed) return;
    const auto forgotten = e2e::list_all(client, static_cast<std::uint16_t>(block_pool));
    EXPECT_TRUE(oracle_.compare(block_pool, forgotten).empty());
    EXPECT_TRUE(forgotten.empty()) << "a crash forgets who held what in a block pool";
}

void Lives::expect_no_faults() const {
    for (const std::string& fault : oracle_.faults())
        ADD_FAILURE() << fault;
    EXPECT_EQ(totals().repeats, 0U);
    EXPECT_EQ(totals().lost, 0U);
    EXPECT_EQ(totals().undone, 0U);
}

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
    const char* const text = std::getenv(name);
    return text == nullptr || *text == '\0' ? otherwise : std::strtoull(text, nullptr, 10);
}

std::uint64_t seed_of_this_run() {
    return number_from_environment("INOD_FAULTS_SEED", std::random_device()());
}

bool takes_long_sizes() {
    return number_from_environment("INOD_TEST_LONG", 0) == 1;
}

}  // namespace inod::faults
