// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "exporter/exposition/label_cache.h"
#include "exporter/exposition/metric_writer.h"
#include "exporter/metrics/per_vcpu.h"
#include "exporter/snapshot/snapshot.h"

namespace kvmx {

/// Who counts: our programs, from when they were attached, or the kernel, from a VM's start.
enum class CountedBy : std::uint8_t { ours, kernel };

/// When the counters of a VM were zero, ns since the epoch; 0 if that is not known.
inline std::uint64_t counts_since(const Snapshot& snapshot, const Vm& vm, CountedBy by) {
  const std::uint64_t start = snapshot.boot_time_ns + vm.counts.key.start_ns;
  if (by == CountedBy::kernel || start >= snapshot.attached_ns) return start;
  return snapshot.continued ? 0 : snapshot.attached_ns;
}

/// Calls `write(vm, labels)` for each VM that is exported, with the label vm set.
template <typename Write>
void for_each_vm(const Snapshot& snapshot, Write write, CountedBy by = CountedBy::ours) {
  Labels labels;
  for (const Vm& vm : snapshot.vms) {
    if (vm.excluded) continue;
    const Labels::Mark mark(labels);
    labels.add("vm", vm.label);
    labels.count_since(counts_since(snapshot, vm, by));
    write(vm, labels);
  }
}

/// Calls `write(vm, counts, labels)` for each vCPU of each VM, with the labels vm and vcpu set; or,
/// not `by_vcpu`, for each VM with its total and the label vm. A vCPU that is not known has an
/// empty label.
template <typename Write>
void for_each_vcpu_or_vm(const Snapshot& snapshot, bool by_vcpu, Write write,
                         CountedBy by = CountedBy::ours) {
  LabelCache<std::optional<std::uint32_t>> ids;
  const auto write_vm = [&](const Vm& vm, Labels& labels) {
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
  };
  for_each_vm(snapshot, write_vm, by);
}

}  // namespace kvmx
