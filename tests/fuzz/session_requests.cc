#include "tests/fuzz/session_requests.h"

#include <array>
#include <string_view>

#include "tests/proto/encoded.h"

namespace inod::daemon {
namespace {

using proto::Request;

// A whole number of any size, though most are small.
std::uint64_t number(Input& input) {
    const std::uint8_t byte = input.byte();
    if (byte < 192) return byte % 64U;
    std::uint64_t number = 0;
    for (unsigned i = 0; i < 1U + byte % 8U; ++i)
        number = number << 8U | input.byte();
    return byte < 224 ? number : ~number;
}

Id id(Input& input, const Learnt& learnt) {
    const std::uint8_t byte = input.byte();
    const std::uint64_t n = byte % 64U;
    switch (byte / 64U) {
        case 0: return n;
        case 1: return learnt.last_lease.first + n % 8 - 2;
        case 2: return 300 + n;
        default: return number(input);
    }
}

// Now and then one that is turned round.
Range range(Input& input, const Learnt& learnt) {
    const Id first = id(input, learnt);
    const std::uint8_t more = input.byte();
    if (more == 255) return learnt.last_lease;
    return {first, first + more % 16U - (more >= 240 ? 16 : 0)};
}

std::uint64_t generation(Input& input, const Learnt& learnt) {
    const std::uint8_t byte = input.byte();
    return byte < 128 ? learnt.last_generation : byte % 8U;
}

std::uint64_t holder(Input& input, const Learnt& learnt) {
    const std::uint8_t byte = input.byte();
    return byte < 64 ? 0 : byte < 128 ? learnt.last_holder : byte % 8U;
}

std::uint32_t timeout(Input& input) {
    constexpr std::uint32_t timeouts[] = {proto::no_wait, proto::wait_for_ever, 1, 3'600'000};
    return timeouts[input.byte() % 4U];
}

proto::BindRequest bind(Input& input, const Learnt& learnt) {
    constexpr std::array<std::string_view, 4> names{"", "a", "b", "much the same as any other"};
    const std::uint8_t how = input.byte();
    proto::BindRequest bind{.binding = static_cast<proto::Binding>(1 + how % 4U)};
    const bool is_odd = how >= 224;  // it may have what such a holder cannot have
    if (bind.binding == proto::Binding::ttl || is_odd) {
        bind.ttl_ms = static_cast<std::uint32_t>(number(input));
    }
    const bool has_name =
        bind.binding == proto::Binding::persistent || bind.binding == proto::Binding::ttl;
    if (has_name || is_odd) bind.name = names.at(how / 4U % names.size());
    if (how / 16U % 4U == 3) bind.key = learnt.last_key;
    return bind;
}

Request::Body body(std::uint8_t which, Input& input, const Learnt& learnt) {
    switch (which % 24U) {
        case 0: return proto::PingRequest{};
        case 1:
        case 2: return proto::AllocateRequest{.count = number(input)};
        case 3: return proto::AllocateRequest{.count = number(input), .align = number(input)};
        case 4: return proto::AllocateAtRequest{range(input, learnt)};
        case 5:
        case 6: return proto::ReleaseRequest{range(input, learnt), generation(input, learnt)};
        case 7: return proto::ReleaseRequest{range(input, learnt), generation(input, learnt), true};
        case 8: return proto::LookupRequest{id(input, learnt)};
        case 9: return proto::LookupLeaseRequest{id(input, learnt), generation(input, learnt)};
        case 10: return proto::LookupLevelsRequest{id(input, learnt), generation(input, learnt)};
        case 11: return proto::NextRequest{id(input, learnt)};
        case 12: return proto::ListRequest{id(input, learnt), input.byte() % 4U};
        case 13: return proto::PoolsRequest{};
        case 14: return proto::StatsRequest{};
        case 15: return bind(input, learnt);
        case 16: return proto::RenewRequest{};
        case 17: return proto::ReleaseAllRequest{holder(input, learnt)};
        case 18: return proto::HoldersRequest{input.byte() % 4U, input.byte() % 4U};
        case 19: return proto::ReserveRequest{range(input, learnt)};
        case 20: return proto::UnreserveRequest{range(input, learnt)};
        case 21: return proto::AdvanceRequest{id(input, learnt)};
        case 22:
            return proto::WaitRequest{id(input, learnt), generation(input, learnt), timeout(input)};
        default: {
            const std::uint8_t from = input.byte();
            return proto::WatchRequest{from < 85    ? proto::from_now
                                       : from < 170 ? learnt.last_lsn
                                                    : from % 8U,
                                       from % 4U, timeout(input)};
        }
    }
}

// Does it concern the connection or the daemon, and no pool?
bool is_of_no_pool(const Request::Body& body) {
    switch (proto::operation_of(body)) {
        case proto::Operation::hello:
        case proto::Operation::ping:
        case proto::Operation::bind:
        case proto::Operation::renew:
        case proto::Operation::release_all:
        case proto::Operation::holders:
        case proto::Operation::token_epoch: return true;
        default: return false;
    }
}

}  // namespace

std::vector<std::byte> hello_frame(std::uint64_t features) {
    proto::HelloRequest hello;
    hello.features = features;
    return encoded({.tag = 1, .body = hello});
}

std::vector<std::byte> ping_frame() {
    return encoded({.tag = 1, .body = proto::PingRequest{}});
}

std::vector<std::byte> request_frame(Input& input, const Learnt& learnt) {
    const std::uint8_t which = input.byte();
    const std::uint8_t where = input.byte();
    if (which == 255) return hello_frame(where);
    Request request;
    request.pool = static_cast<std::uint16_t>(where % 8U);
    request.tag = static_cast<std::uint16_t>(1 + where / 8U);
    request.body = which == 254 ? proto::TokenEpochRequest{} : body(which, input, learnt);
    // Now and then it names one all the same.
    if (where < 224 && is_of_no_pool(request.body)) request.pool = 0;
    const bool takes_token = std::holds_alternative<proto::AllocateRequest>(request.body) ||
                             std::holds_alternative<proto::AllocateAtRequest>(request.body);
    if (takes_token && which >= 168) {
        request.token = {.epoch = learnt.token_epoch, .number = input.byte() % 4U};
    }
    return encoded(request);
}

}  // namespace inod::daemon
