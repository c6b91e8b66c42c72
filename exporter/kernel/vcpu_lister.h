// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "exporter/base/result.h"
#include "exporter/kernel/bpf_owners.h"
#include "exporter/kernel/listed_vcpus.h"

namespace kvmx {

/// Lists the vCPUs that exist on this host. That is a walk over the open files of all processes, at
/// some 0.15 us each.
class VcpuLister {
 public:
  /// Loads the kernel's side. The error says why there can be no list.
  static Result<VcpuLister> load();

  [[nodiscard]] Result<std::vector<ListedVcpu>> list() const;

 private:
  VcpuLister() = default;

  ListVcpusSkeletonPtr skeleton_;
  LinkPtr link_;  ///< gone before the program is
};

}  // namespace kvmx
