// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "exporter/base/vm_key.h"
#include "exporter/lifecycle/lifecycle.h"

namespace kvmx {

/// Whether the process of this VM is there, by /proc/PID/stat below `proc`. Only a process that is
/// certainly not there is gone: a lack of descriptors, memory or permission tells nothing.
ProcessState read_process_state(const std::filesystem::path& proc, const VmKey& vm);

}  // namespace kvmx
