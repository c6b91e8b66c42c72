// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "exporter/base/result.h"
#include "exporter/kernel/bpf_owners.h"
#include "exporter/kernel/profile_counts.h"
#include "exporter/names/isa.h"

namespace kvmx {

/// Counts the exits of one process's VMs by place: programs of their own, which nothing else uses,
/// gone with this object.
class ExitProfiler {
 public:
  /// Loads the kernel's side. `reasons`: the codes of those that are chosen, at most
  /// KVMX_PROFILE_CHOSEN; none: all. The error says why it cannot be, and the cure.
  static Result<ExitProfiler> load(std::uint32_t process, Isa isa,
                                   std::span<const std::uint32_t> reasons);

  /// Counts from now on, until stop(). May be done again and again; counts go on.
  Result<void> start();
  void stop();

  /// All that was counted between start() and stop(), which must have been called.
  [[nodiscard]] Result<ProfileCounts> counts() const;

 private:
  ExitProfiler() = default;
  void settle_waiting();

  ProfileSkeletonPtr skeleton_;
  LinkPtr exit_link_;  ///< gone before the programs are
  LinkPtr msr_link_;
  std::vector<PlaceCount> settled_;  ///< exits that waited for their MSR when counting stopped
};

}  // namespace kvmx
