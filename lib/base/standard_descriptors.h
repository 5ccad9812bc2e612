// Standard input, output and error of a program that was started without some of them.
#pragma once

namespace inod {

// Puts /dev/null, for reading, in the place of those that are closed, so that no file or socket
// opened later becomes one of them and gets what is meant for people. Writing there fails with
// EBADF, as it did before. To be called before anything is opened, while there is one thread.
void take_standard_descriptors() noexcept;

}  // namespace inod
