// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "exporter/identity/proc.h"
#include "exporter/snapshot/snapshot.h"

namespace kvmx {

/// Who every VM is, remembered for as long as its counts are kept.
class VmTable {
 public:
  explicit VmTable(Proc proc = Proc()) : proc_(std::move(proc)) {}

  /// Sets identity, label and gone of each of `vms`, which is all there are: others are forgotten.
  /// A VM is looked up in /proc when it is first seen.
  void identify(std::vector<VmCounts>& vms);

  /// Looks for VMs whose process has ended since this was last called.
  void notice_ended();

  /// Whether a VM's process was noticed to have ended.
  [[nodiscard]] bool ended(const VmKey& key) const;

  /// Whether a VM was noticed to have ended before `time`.
  [[nodiscard]] bool ended_before(const VmKey& key,
                                  std::chrono::steady_clock::time_point time) const;

 private:
  struct Known {
    VmIdentity identity;
    std::uint32_t ordinal = 0;  ///< which VM of its process
    std::optional<std::chrono::steady_clock::time_point> ended;
  };

  void forget_others(const std::vector<VmCounts>& vms);
  void learn(const VmCounts& vm);
  [[nodiscard]] bool lives(const VmKey& key) const;
  [[nodiscard]] std::uint32_t free_ordinal(const VmKey& key) const;

  Proc proc_;
  std::map<VmKey, Known> known_;
};

}  // namespace kvmx
