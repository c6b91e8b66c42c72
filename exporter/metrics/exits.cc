// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <string>

#include "exporter/metrics/families.h"
#include "exporter/metrics/vcpu_samples.h"
#include "exporter/names/exit_reasons.h"

namespace kvmx {
namespace {

constexpr Family kExits = {"kvm_exits", MetricType::counter,
                           "VM exits, by the hardware's reason under the kernel's name for it."};
constexpr Family kHandling = {
    "kvm_exit_handling_seconds", MetricType::counter,
    "Host time from a VM exit to the next entry, by reason. A halted guest's sleep is under its "
    "HLT."};

std::string reason_name(Isa isa, const ReasonCount& reason) {
  return reason.code ? exit_reason_name(isa, *reason.code) : "other";
}

void write_handling(const VmCounts& vm, Labels& labels, TextWriter& writer) {
  std::map<std::string, Nanoseconds> by_reason;
  for (const VcpuCounts& vcpu : vm.vcpus)
    for (const ReasonCount& reason : vcpu.reasons)
      by_reason[reason_name(vm.isa, reason)].count += reason.handling_ns;
  for (const auto& [name, ns] : by_reason) {
    if (ns.count == 0) continue;
    const Labels::Mark mark(labels);
    labels.add("reason", name);
    writer.sample(labels, ns);
  }
}

}  // namespace

void write_exits(const Snapshot& snapshot, TextWriter& writer) {
  writer.begin(kExits);
  for_each_vcpu(snapshot, [&](const VmCounts& vm, const VcpuCounts& vcpu, Labels& labels) {
    for (const ReasonCount& reason : vcpu.reasons) {
      const Labels::Mark mark(labels);
      labels.add("reason", reason_name(vm.isa, reason));
      writer.sample(labels, reason.exits);
    }
  });

  writer.begin(kHandling);
  Labels labels;
  for (const VmCounts& vm : snapshot.vms) {
    const Labels::Mark mark(labels);
    labels.add("vm", vm.label);
    write_handling(vm, labels, writer);
  }
}

}  // namespace kvmx
