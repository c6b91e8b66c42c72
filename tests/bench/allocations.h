// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace kvmx::bench {

/// Calls of operator new by all threads since the program started.
std::uint64_t allocations();

}  // namespace kvmx::bench
