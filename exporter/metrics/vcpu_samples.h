// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exporter/exposition/text_writer.h"
#include "exporter/snapshot/snapshot.h"

namespace kvmx {

/// Calls `write(vcpu, labels)` for every vCPU of every VM, with the labels vm and vcpu set: the
/// form of every family that counts by vCPU. A vCPU that is not known has an empty label.
template <typename Write>
void for_each_vcpu(const Snapshot& snapshot, Write write) {
  Labels labels;
  for (const VmCounts& vm : snapshot.vms) {
    const Labels::Mark of_vm(labels);
    labels.add("vm", vm.label);
    for (const VcpuCounts& vcpu : vm.vcpus) {
      const Labels::Mark of_vcpu(labels);
      if (vcpu.id) {
        labels.add("vcpu", *vcpu.id);
      } else {
        labels.add("vcpu", std::string_view());
      }
      write(vm, vcpu, labels);
    }
  }
}

}  // namespace kvmx
