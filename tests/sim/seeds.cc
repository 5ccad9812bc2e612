#include "tests/sim/seeds.h"

#include <atomic>
#include <charconv>
#include <csignal>
#include <string_view>

#include <malloc.h>
#include <unistd.h>

#include "lib/base/assert.h"
#include "tests/sim/world.h"

namespace inod::sim {
namespace {

constexpr std::size_t lines_in_report = 60;

// Lock-free, so a signal handler may read it.
std::atomic<std::uint64_t> seed_being_lived{0};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

std::string how_to_repeat(std::uint64_t seed) {
    return "its whole story: tools/sim --story " + std::to_string(seed) + "\n";
}

// Only what is safe in a signal handler.
void say(std::string_view text) {
    static_cast<void>(!::write(STDERR_FILENO, text.data(), text.size()));
}

void on_signal(int number) {
    std::array<char, 24> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(),
                                   seed_being_lived.load(std::memory_order_relaxed));
    const std::string_view seed(digits.data(), static_cast<std::size_t>(end.ptr - digits.data()));
    say("seed ");
    say(seed);
    say(" has ended the program; its whole story: tools/sim --story ");
    say(seed);
    say("\n");
    static_cast<void>(std::signal(number, SIG_DFL));
    static_cast<void>(std::raise(number));
}

}  // namespace

std::optional<std::string> live_seed(std::uint64_t seed, Story& story, Figures& figures) {
    seed_being_lived.store(seed, std::memory_order_relaxed);
    story.step("Seed ", seed);
    try {
        World(seed, story, figures).run(lives_per_seed);
    } catch (const Violated& violation) {
        story.step("VIOLATED: ", violation.what);
        return violation.what;
    }
    story.step("All promises held");
    return std::nullopt;
}

std::string failure_report(std::uint64_t seed) {
    std::vector<std::string> lines;
    Story story(lines, lines_in_report);
    Figures figures;
    const auto violation = live_seed(seed, story, figures);
    std::string text = "The end of the story of seed " + std::to_string(seed) + ":\n";
    const std::size_t from = lines.size() - std::min(lines.size(), lines_in_report);
    for (std::size_t i = from; i < lines.size(); ++i)
        text += lines[i] + "\n";
    if (!violation) text += "It does not fail a second time, which is a fault of the simulation.\n";
    return text + how_to_repeat(seed);
}

void prepare_process() {
    // Disks of many 64 KiB come and go: memory is not given back to the system each time. glibc takes
    // no threshold above 32 MiB for what it maps.
    INOD_ASSERT(::mallopt(M_MMAP_THRESHOLD, 1 << 25) == 1);
    INOD_ASSERT(::mallopt(M_TRIM_THRESHOLD, 1 << 30) == 1);
    for (const int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL})
        static_cast<void>(std::signal(number, on_signal));
}

}  // namespace inod::sim
