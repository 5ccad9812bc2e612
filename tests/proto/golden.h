// The golden vectors of tests/golden: frames as text, one per file. Lines hold bytes in hexadecimal
// and, behind a '#', what they mean.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace inod::proto {

// Every vector's name, that of its file without ".txt", in order.
std::vector<std::string> golden_names();
// Those that a client sends, sound or not.
std::vector<std::string> golden_names_of_clients();

// The bytes of one of them. Fails the running test if there is none or it cannot be read.
std::vector<std::byte> golden(const std::string& name);

}  // namespace inod::proto
