// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace kvmx::bench {

/// The most memory that this process has had resident, in bytes (VmHWM).
double peak_memory();

/// Runs this program again with `arguments`, for what it prints as its peak_memory().
double peak_memory_of(const std::string& arguments);

}  // namespace kvmx::bench
