// tools/soak: a daemon under mixed load for an hour, whose every answer is compared with what it has to be.
#include <chrono>
#include <cstdio>
#include <exception>

#include <CLI/CLI.hpp>

#include "tests/soak/soak.h"

int main(int argc, char** argv) {
    using inod::soak::Soak;
    using inod::soak::SoakOptions;
    SoakOptions options;
    std::int64_t seconds = options.duration.count();
    std::int64_t window = options.window.count();
    std::int64_t quiet_every = options.quiet_every.count();
    CLI::App app{
        "Runs a daemon under mixed load, and ends with status 1 at what is not as it has to be"};
    app.add_option("--seconds", seconds, "For how long")->capture_default_str();
    app.add_option("--window", window, "Seconds in which memory is compared")
        ->capture_default_str();
    app.add_option("--quiet-every", quiet_every, "Seconds between two quiet points")
        ->capture_default_str();
    app.add_option("--leases", options.lease_count, "Live at a time")->capture_default_str();
    app.add_option("--burst", options.burst, "Requests of each of 24 clients, 50 times a second")
        ->capture_default_str();
    app.add_option("--seed", options.seed, "Of what is asked")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    options.duration = std::chrono::seconds(seconds);
    options.window = std::chrono::seconds(window);
    options.quiet_every = std::chrono::seconds(quiet_every);
    try {
        Soak soak(options);
        int status = 0;
        try {
            soak.run();
        } catch (const std::exception& error) {
            std::fprintf(stderr, "soak: %s\n", error.what());
            status = 1;
        }
        soak.print_summary();
        if (status == 0) std::puts("all is as it has to be");
        return status;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "soak: %s\n", error.what());
        return 1;
    }
}
