// What came out of a group, as a picture.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/report.h"

namespace inod::bench {

// A bar for each row's ratio, on a scale by powers, with a mark at its goal, below a caption of one line or
// more. Its colours go with a light and with a dark page. A row that could not run says why.
std::string as_svg(const std::vector<Outcome>& outcomes, const std::string& caption);

// The text as XML can have it, in ASCII: what is no printable character of that is a '?'.
std::string escaped(std::string_view text);

}  // namespace inod::bench
