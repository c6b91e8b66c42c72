// SPDX-License-Identifier: Apache-2.0
// When a VM is looked up again, and how long its series wait for a name.
//
// Some of what says who a VM is comes seconds after its first vCPU: the scope of systemd-machined,
// the control group of a pod, libvirt's status file.
#pragma once

#include <chrono>
#include <cstddef>

#include "exporter/identity/vm_identity.h"

namespace kvmx {

/// Whether a better label can no longer be expected: the VM has a name, or an id that is its name
/// for want of another. The id of a container or sandbox is not final, as a pod's name may follow.
bool has_final_label(const VmIdentity& vm);

/// Whether nothing is missing that may still come: a final label, the name of its pod, and the
/// status file of a libvirt domain.
bool is_complete(const VmIdentity& vm);

/// Ages of a VM, since it was first seen, at which it is looked up again while it is not complete.
inline constexpr std::chrono::seconds kLookupAges[] = {
    std::chrono::seconds(1), std::chrono::seconds(2),  std::chrono::seconds(4),
    std::chrono::seconds(8), std::chrono::seconds(16), std::chrono::seconds(32)};

/// The age from which a VM is exported even under a label that is not final: that of the third
/// look-up.
inline constexpr std::chrono::seconds kLabelWait = kLookupAges[2];

/// The same where it is the exporter that has not come to read who the VM is, for others keep it
/// from it: that of the last look-up.
inline constexpr std::chrono::seconds kUnreadLabelWait = kLookupAges[5];

/// How long after the last look-up, which was made at `age`, the next one is due. `regular`: the
/// interval of look-ups that never end, for VMs that change their titles.
std::chrono::nanoseconds next_lookup(const VmIdentity& vm, std::chrono::nanoseconds age,
                                     std::chrono::nanoseconds regular);

}  // namespace kvmx
