// SPDX-License-Identifier: Apache-2.0
#include "exporter/metrics/exit_reason_label.h"
#include "exporter/metrics/families.h"
#include "exporter/metrics/vcpu_samples.h"

namespace kvmx {
namespace {

constexpr Family kExits = {"kvm_exits", MetricType::counter,
                           "VM exits, by the hardware's reason under the kernel's name for it."};

}  // namespace

void write_exits(const Snapshot& snapshot, TextWriter& writer) {
  writer.begin(kExits);
  for_each_vcpu(snapshot, [&](const VmCounts& vm, const VcpuCounts& vcpu, Labels& labels) {
    for (const ReasonCount& reason : vcpu.reasons) {
      const Labels::Mark mark(labels);
      labels.add("reason", reason_label(vm.isa, reason));
      writer.sample(labels, reason.exits);
    }
  });
}

}  // namespace kvmx
