// SPDX-License-Identifier: Apache-2.0
#include "exporter/metrics/exit_reason_labels.h"
#include "exporter/metrics/families.h"

namespace kvmx {
namespace {

constexpr Family kExits = {"kvm_exits", MetricType::counter,
                           "VM exits, by the hardware's reason under the kernel's name for it."};

}  // namespace

void write_exits(const Snapshot& snapshot, PerVcpu per_vcpu, MetricWriter& writer) {
  ExitReasonLabels reasons;
  writer.begin(kExits);
  for_each_vcpu_or_vm(snapshot, per_vcpu >= PerVcpu::counts,
                      [&](const VmCounts& vm, const VcpuCounts& counts, const Labels& labels) {
                        for (const ReasonCount& reason : counts.reasons)
                          writer.sample(labels, reasons.of(vm.isa, reason), reason.exits);
                      });
}

}  // namespace kvmx
