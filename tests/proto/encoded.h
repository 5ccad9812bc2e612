// A request as it goes over the wire.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <vector>

#include "proto/request.h"

namespace inod {

// Throws if it cannot be encoded.
inline std::vector<std::byte> encoded(const proto::Request& request) {
    std::vector<std::byte> memory(proto::request_size_max);
    ByteWriter out(memory);
    if (!proto::encode_request(out, request)) throw std::logic_error("no such request");
    memory.resize(out.size());
    return memory;
}

}  // namespace inod
