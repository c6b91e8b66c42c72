// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace kvmx {

/// Which families have a label vcpu (--metrics.per-vcpu), from fewest series to most. The others
/// are sums over the VM, so that sums over vcpu are the same whichever is chosen.
enum class PerVcpu : std::uint8_t {
  none,
  counts,  ///< those that count; not those of time spent, nor of userspace exits
  all,
};

}  // namespace kvmx
