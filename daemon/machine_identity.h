// Which machine this is, so that a state directory that was cloned with its machine, or went back
// to a snapshot with it, is noticed when it is started.
//
// Thread safety: none needed.
#pragma once

#include <string>

#include "lib/journal/witness.h"

namespace inod::daemon {

// Where the system says it; other paths are for tests.
struct IdentityFiles {
    // 32 hexadecimal digits and a line feed (machine-id(5)).
    std::string machine_id = "/etc/machine-id";
    // What QEMU shows its guests of the VM generation ID: 16 bytes at offset 40 of 4096, as
    // docs/specs/vmgenid.rst of QEMU says. Linux has it as a file through the module qemu_fw_cfg,
    // and for root alone. It offers no other way to read the ID: its driver vmgenid takes it for
    // the random number generator and only announces a change.
    std::string vm_generation_id = "/sys/firmware/qemu_fw_cfg/by_name/etc/vmgenid_guid/raw";
};

// What there is to know; zeros for what is absent, unreadable, malformed or itself all zeros. That
// is not an error: containers have no machine ID, and most machines no VM generation ID.
MachineIdentity machine_identity(const IdentityFiles& files = {});

}  // namespace inod::daemon
