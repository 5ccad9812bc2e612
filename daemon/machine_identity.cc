#include "daemon/machine_identity.h"

#include <algorithm>
#include <fstream>

#include "lib/base/hex.h"

namespace inod::daemon {
namespace {

constexpr std::size_t generation_offset = 40;
constexpr std::size_t generation_file_size = 4096;

// The first `size_max` bytes of the file, or as many as there are; none of one that is not there.
std::string beginning_of(const std::string& path, std::size_t size_max) {
    std::ifstream file(path, std::ios::binary);
    std::string text(size_max, '\0');
    file.read(text.data(), static_cast<std::streamsize>(size_max));
    text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
    return text;
}

Id128 parse_machine_id(std::string text) {
    if (text.ends_with('\n')) text.pop_back();
    return parse_hex(text).value_or(Id128{});
}

Id128 parse_vm_generation(const std::string& content) {
    Id128 id{};
    if (content.size() != generation_file_size) return {};
    std::transform(content.begin() + generation_offset,
                   content.begin() + generation_offset + std::ptrdiff_t(id.size()), id.begin(),
                   [](char c) { return std::byte(static_cast<unsigned char>(c)); });
    return id;
}

}  // namespace

MachineIdentity machine_identity(const IdentityFiles& files) {
    // One byte more than fits, so that what is too long is not taken for what is whole.
    return {.machine = parse_machine_id(beginning_of(files.machine_id, 2 * sizeof(Id128) + 2)),
            .vm_generation = parse_vm_generation(
                beginning_of(files.vm_generation_id, generation_file_size + 1))};
}

}  // namespace inod::daemon
