// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "exporter/base/vm_key.h"

namespace kvmx {

/// What is known of a VM's process.
enum class ProcessState : std::uint8_t {
  lives,
  gone,     ///< there is none of its id, or another one that started at another time
  unknown,  ///< it could not be read
};

/// Whether the process of this VM is there, by /proc/PID/stat below the directory `proc`. Only a
/// process that is certainly not there is gone: a lack of descriptors, memory or permission tells
/// nothing.
ProcessState read_process_state(const std::string& proc, const VmKey& vm);

}  // namespace kvmx
