// Requests made of an input's bytes: sound ones, or nearly so.
#pragma once

#include <cstddef>
#include <vector>

#include "proto/request.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/session_client.h"

namespace inod::daemon {

// The first of a connection, which has the features that the bits say.
std::vector<std::byte> hello_frame(std::uint64_t features);

std::vector<std::byte> ping_frame();

// The next that the input says, with what was learnt so far.
std::vector<std::byte> request_frame(Input& input, const Learnt& learnt);

}  // namespace inod::daemon
