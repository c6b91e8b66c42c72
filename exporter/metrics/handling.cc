// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <map>
#include <string>

#include "exporter/metrics/exit_reason_label.h"
#include "exporter/metrics/families.h"
#include "exporter/metrics/vm_histogram.h"

namespace kvmx {
namespace {

constexpr Family kHandling = {
    "kvm_exit_handling_seconds", MetricType::counter,
    "Host time from a VM exit to the next entry, by reason. A halted guest's sleep is under its "
    "HLT."};
constexpr Family kLatency = {
    "kvm_exit_latency_seconds", MetricType::histogram,
    "Host time from a VM exit to the next entry, each exit; without HLT and PAUSE, in which the "
    "guest waits."};

/// 2^-21 s to 2^-6 s.
constexpr std::array<double, KVMX_LATENCY_BOUNDS> kBounds = [] {
  std::array<double, KVMX_LATENCY_BOUNDS> bounds{};
  for (std::size_t i = 0; i < bounds.size(); ++i)
    bounds[i] = static_cast<double>(1U << i) / (1U << KVMX_LATENCY_FIRST_LOG2);
  return bounds;
}();

void write_times(const VmCounts& vm, Labels& labels, TextWriter& writer) {
  std::map<std::string, Nanoseconds> by_reason;
  for (const VcpuCounts& vcpu : vm.vcpus)
    for (const ReasonCount& reason : vcpu.reasons)
      by_reason[reason_label(vm.isa, reason)].count += reason.handling_ns;
  for (const auto& [name, ns] : by_reason) {
    if (ns.count == 0) continue;
    const Labels::Mark mark(labels);
    labels.add("reason", name);
    writer.sample(labels, ns);
  }
}

}  // namespace

void write_handling(const Snapshot& snapshot, TextWriter& writer) {
  writer.begin(kHandling);
  Labels labels;
  for (const VmCounts& vm : snapshot.vms) {
    const Labels::Mark mark(labels);
    labels.add("vm", vm.label);
    write_times(vm, labels, writer);
  }

  writer.begin(kLatency);
  write_vm_histogram(snapshot, writer, kBounds, &VmCounts::latency);
}

}  // namespace kvmx
