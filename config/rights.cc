#include "config/rights.h"

namespace inod {

std::string_view name(Right right) noexcept {
    switch (right) {
        case Right::allocate: return "allocate";
        case Right::lookup: return "lookup";
        case Right::list: return "list";
        case Right::release_others: return "release_others";
        case Right::administer: return "administer";
    }
    return "unknown";
}

}  // namespace inod
