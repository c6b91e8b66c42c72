// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "bpf/listed_thread.h"
#include "exporter/base/result.h"
#include "exporter/kernel/bpf_owners.h"

namespace kvmx {

/// Lists the threads that work for VMs, with their CPU times. That is a walk over all threads of
/// the host, at some 0.1 us each.
class ThreadLister {
 public:
  /// Loads the kernel's side, with room for so many VMs. The error says why there can be no list.
  static Result<ThreadLister> load(std::uint32_t max_vms);

  /// The threads of these processes, and the kernel's own that vhost or KVM made for anyone; in
  /// order of their ids. A record's times are of one moment, those of two are not.
  Result<std::vector<listed_thread>> list(const std::set<std::uint32_t>& processes);

 private:
  ThreadLister() = default;

  ListThreadsSkeletonPtr skeleton_;
  LinkPtr link_;                       ///< gone before the program is
  std::set<std::uint32_t> processes_;  ///< that the kernel's side knows
};

}  // namespace kvmx
