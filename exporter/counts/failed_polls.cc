// SPDX-License-Identifier: Apache-2.0
#include "exporter/counts/failed_polls.h"

#include <algorithm>
#include <optional>

namespace kvmx {

void FailedPolls::observe(const VcpuListing& listing, std::span<const VmCounts> vms) {
  for (const ListedVcpu& listed : listing.vcpus) {
    if (listed.poll_failed_ns == 0) continue;
    Vcpu& vcpu = vms_[listed.vm()][listed.id];
    vcpu.ns += listed.poll_failed_ns - (listed.poll_failed_ns < vcpu.last_ns ? 0 : vcpu.last_ns);
    vcpu.last_ns = listed.poll_failed_ns;
  }
  std::erase_if(vms_, [&](const auto& vm) {
    return !std::ranges::binary_search(vms, vm.first, {}, &VmCounts::key);
  });
}

void FailedPolls::fill(std::span<VmCounts> vms) const {
  for (VmCounts& vm : vms) {
    const auto found = vms_.find(vm.key);
    if (found == vms_.end()) continue;
    for (const auto& [id, polls] : found->second) {
      vm.total.poll_failed_ns += polls.ns;
      const auto vcpu = std::ranges::lower_bound(vm.vcpus, std::optional(id), {}, &VcpuCounts::id);
      if (vcpu != vm.vcpus.end() && vcpu->id == id) vcpu->poll_failed_ns = polls.ns;
    }
  }
}

}  // namespace kvmx
