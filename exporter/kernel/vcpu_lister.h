// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "exporter/base/result.h"
#include "exporter/kernel/listed_vcpus.h"

struct bpf_link;
struct list_vcpus_bpf;

namespace kvmx {

/// Lists the vCPUs that exist on this host. That is a walk over the open files of all processes, at
/// some 0.15 us each.
class VcpuLister {
 public:
  /// Loads the kernel's side. The error says why there can be no list.
  static Result<VcpuLister> load();

  VcpuLister(VcpuLister&&) noexcept;
  VcpuLister& operator=(VcpuLister&&) noexcept;
  ~VcpuLister();

  [[nodiscard]] Result<std::vector<ListedVcpu>> list() const;

 private:
  struct SkeletonDeleter {
    void operator()(list_vcpus_bpf* skeleton) const;
  };
  struct LinkDeleter {
    void operator()(bpf_link* link) const;
  };
  VcpuLister();

  std::unique_ptr<list_vcpus_bpf, SkeletonDeleter> skeleton_;
  std::unique_ptr<bpf_link, LinkDeleter> link_;  ///< gone before the program is
};

}  // namespace kvmx
