// What a snapshot costs whoever asks meanwhile: the real daemon on a store, beside itself with no
// snapshot.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "lib/base/result.h"

namespace inod::bench {

// One side of it, as clients see it.
struct Seen {
    double requests_per_second;
    double p50_ms;
    double p999_ms;
};

struct Beside {
    unsigned connections;  // each with one request at a time
    std::vector<Seen> without;
    std::vector<Seen> with;  // one under way nearly all the time
};

struct BesideWork {
    std::filesystem::path programs;  // the folder of tests/bench in the build
    std::string directory;  // of the store, with a pool "bench"; other files may be beside it
    double seconds;         // of each load
    int repetitions;        // of either side, in turns
};

// The daemon has the first core and the load the second. Errors: io_error, with what the daemon or the
// load said; timed_out.
Result<std::vector<Beside>, Failure> measure_beside_snapshot(const BesideWork& work);

}  // namespace inod::bench
