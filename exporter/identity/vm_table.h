// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <vector>

#include "exporter/snapshot/snapshot.h"

namespace kvmx {

/// Who every VM is, remembered for as long as its counts are kept.
class VmTable {
 public:
  /// Sets comm, identity, label and gone of each of `vms`, which is all there are: others are
  /// forgotten. A VM is looked up in /proc when it is first seen.
  void identify(std::vector<VmCounts>& vms);

  /// Looks for VMs whose process has ended since this was last called.
  void notice_ended();

  /// Whether a VM was noticed to have ended before `time`.
  [[nodiscard]] bool ended_before(const VmKey& key,
                                  std::chrono::steady_clock::time_point time) const;

 private:
  struct Known {
    VmIdentity identity;
    std::optional<std::chrono::steady_clock::time_point> ended;
  };
  std::map<VmKey, Known> known_;
};

}  // namespace kvmx
