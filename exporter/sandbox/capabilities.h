// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "exporter/base/result.h"

namespace kvmx {

/// Makes all capabilities effective that this process may have. Those of a program file (setcap),
/// as in the container image, are only permitted: were they effective, it would not even start
/// where one of them is withheld. And lets it look at itself in /proc, which such a file prevents.
Result<void> raise_capabilities();

/// Gives up this thread's capabilities, and those of threads it will make, for good. Returns the
/// name of the one kept: none, or cap_bpf where BPF maps cannot be used without (cap_sys_admin, if
/// it was not given cap_bpf besides). That is so before Linux 5.19, if the sysctl
/// kernel.unprivileged_bpf_disabled is set, as it mostly is.
Result<std::string> drop_capabilities();

}  // namespace kvmx
