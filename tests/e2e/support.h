// What several of the end-to-end tests need.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/client/client.h"

namespace inod::e2e {

// One pool of each kind.
inline const std::string three_pools = R"({
  "pools": [
    {"name": "inode", "policy": "unique", "min": 1, "max": 18446744073709551615},
    {"name": "pid", "policy": "cyclic", "min": 2, "max": 20000},
    {"name": "block", "policy": "unique", "min": 1, "max": 18446744073709551615,
     "durability": "block"}
  ],
  "journal": {"segment_size": 1048576}
})";

// Runs the command as a shell does, with the inoctl of this build first in the PATH. Returns its
// status, -1 if it did not end by itself.
int run_in_shell(const std::string& command);

// Every lease of the pool, page by page. Throws where a page fails.
std::vector<proto::LeaseRecord> list_all(Client& client, PoolRef pool, std::uint32_t limit = 0);

// The value with that ID. Throws if it is not there.
std::uint64_t value_of(const std::vector<proto::Stat>& stats, proto::StatId id);

}  // namespace inod::e2e
