// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "exporter/exposition/label_cache.h"
#include "exporter/exposition/metric_writer.h"
#include "exporter/metrics/per_vcpu.h"
#include "exporter/snapshot/snapshot.h"

namespace kvmx {

/// Calls `write(vm, labels)` for each VM that is exported, with the label vm set.
template <typename Write>
void for_each_vm(const Snapshot& snapshot, Write write) {
  Labels labels;
  for (const Vm& vm : snapshot.vms) {
    if (vm.excluded) continue;
    const Labels::Mark mark(labels);
    labels.add("vm", vm.label);
    write(vm, labels);
  }
}

/// Calls `write(vm, counts, labels)` for each vCPU of each VM, with the labels vm and vcpu set; or,
/// not `by_vcpu`, for each VM with its total and the label vm. A vCPU that is not known has an
/// empty label.
template <typename Write>
void for_each_vcpu_or_vm(const Snapshot& snapshot, bool by_vcpu, Write write) {
  LabelCache<std::optional<std::uint32_t>> ids;
  for_each_vm(snapshot, [&](const Vm& vm, Labels& labels) {
    if (!by_vcpu) {
      write(vm.counts, vm.counts.total, labels);
      return;
    }
    for (const VcpuCounts& vcpu : vm.counts.vcpus) {
      const Labels::Mark of_vcpu(labels);
      labels.add_if_asked(ids.of(vcpu.id, [&vcpu](Labels& of_id) {
        if (vcpu.id)
          of_id.add("vcpu", *vcpu.id);
        else
          of_id.add("vcpu", "");
      }));
      write(vm.counts, vcpu, labels);
    }
  });
}

}  // namespace kvmx
