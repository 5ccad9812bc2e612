// How calls fail: a Result holds a value or says why there is none.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

#include <boost/system/result.hpp>

#include "lib/base/errc.h"

namespace inod {

// Why a request was refused. Small enough for the hot path; an Errc converts to it.
struct Error {
    Errc code = Errc::ok;
    std::uint64_t detail = 0;  // What the Errc's comment says: an ID, a limit, a generation.

    constexpr Error() = default;  // What a Result without an error says when asked for one.
    constexpr Error(Errc error_code) : code(error_code) {}  // NOLINT(google-explicit-constructor)
    constexpr Error(Errc error_code, std::uint64_t error_detail)
        : code(error_code), detail(error_detail) {}

    friend constexpr bool operator==(const Error&, const Error&) = default;
};

// Why a start, a file or a configuration was refused: the message names the place and the remedy.
struct Failure {
    Errc code;
    std::string message;
};

// A T, or an E. `if (!result) return result.error();` is the usual shape of a caller.
template <class T = void, class E = Error>
using Result = boost::system::result<T, E>;

// What Result::value() throws when there is none; only tests call value() unchecked.
[[noreturn]] inline void throw_exception_from_error(const Error& error,
                                                    const boost::source_location& /*where*/) {
    throw std::runtime_error(std::string(name(error.code)));
}
[[noreturn]] inline void throw_exception_from_error(const Failure& failure,
                                                    const boost::source_location& /*where*/) {
    throw std::runtime_error(std::string(name(failure.code)) + ": " + failure.message);
}

}  // namespace inod
