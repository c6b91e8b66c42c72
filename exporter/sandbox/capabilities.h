// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "exporter/base/result.h"

namespace kvmx {

/// Gives up this thread's capabilities, and those of threads it will make, for good. Returns the
/// name of the one kept: none, or cap_bpf where BPF maps cannot be used without (cap_sys_admin, if
/// it was not given cap_bpf besides). That is so before Linux 5.19, if the sysctl
/// kernel.unprivileged_bpf_disabled is set, as it mostly is.
Result<std::string> drop_capabilities();

}  // namespace kvmx
