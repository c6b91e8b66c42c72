// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <span>

#include "exporter/base/vm_key.h"
#include "exporter/counts/vm_counts.h"
#include "exporter/kernel/listed_vcpus.h"

namespace kvmx {

/// How long KVM polled for wake-ups that did not come, from its own statistics of vCPUs that exist,
/// so that it never steps back: each listing adds what was new, and a vCPU that ends keeps what it
/// had.
class FailedPolls {
 public:
  /// Takes a listing, and forgets VMs that are not among `vms`, which are in order of keys.
  void observe(const VcpuListing& listing, std::span<const VmCounts> vms);

  /// Sets poll_failed_ns of `vms`, totals included.
  void fill(std::span<VmCounts> vms) const;

 private:
  struct Vcpu {
    std::uint64_t last_ns = 0;  ///< KVM's own figure; that of a new vCPU with an old id is lower
    std::uint64_t ns = 0;
  };
  std::map<VmKey, std::map<std::uint32_t, Vcpu>> vms_;  ///< vCPUs by id
};

}  // namespace kvmx
