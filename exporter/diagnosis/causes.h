// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "exporter/diagnosis/counters.h"
#include "exporter/diagnosis/window.h"

namespace kvmx {

/// Which MSR, exit reason, KVM_EXIT_*, port or page accounts for most of what a VM did in the last
/// ten to twenty seconds. Kept only for VMs that do much of it: most hosts have none.
class Causes {
 public:
  /// To be called each round with the VM's counters so far.
  void record(const VmCounters& vm, std::uint64_t now_ns);

  /// Sets what is known. Call it after record().
  void name(VmWindow& window) const;

 private:
  struct Sample {
    std::uint64_t at_ns = 0;
    std::vector<IoCount> io;
    std::vector<CodeCounter> msrs;
    std::vector<CodeCounter> reasons;
    std::vector<CodeCounter> userspace_exits;
  };

  Sample older_;
  Sample newer_;
  Sample current_;
};

}  // namespace kvmx
