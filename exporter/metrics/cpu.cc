// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "exporter/metrics/families.h"

namespace kvmx {
namespace {

constexpr Family kVmSeconds = {"kvm_vm_cpu_seconds", MetricType::counter,
                               "CPU time of the threads that work for the VM, by what they do."};
constexpr Family kVcpuSeconds = {
    "kvm_vcpu_cpu_seconds", MetricType::counter,
    "CPU time of the threads that run the vCPUs, the guest's included."};
constexpr Family kVcpuDelay = {
    "kvm_vcpu_run_delay_seconds", MetricType::counter,
    "How long these threads could have run but waited for a CPU: what the "
    "guest sees as steal."};

template <typename Value>
void write_vcpus(const Snapshot& snapshot, PerVcpu per_vcpu, MetricWriter& writer, Value value) {
  for_each_vcpu_or_vm(
      snapshot, per_vcpu >= PerVcpu::all,
      [&](const VmCounts&, const VcpuCounts& counts, const Labels& labels) {
        if (counts.cpu_ns != 0) writer.sample(labels, Nanoseconds{value(counts)});
      },
      CountedBy::kernel);
}

}  // namespace

void write_cpu(const Snapshot& snapshot, PerVcpu per_vcpu, MetricWriter& writer) {
  /// By ThreadKind.
  static const std::array<Labels, kThreadKinds> kinds = {
      Labels("thread", "vcpu"), Labels("thread", "vmm"), Labels("thread", "vhost"),
      Labels("thread", "pit")};
  writer.begin(kVmSeconds);
  const auto write_kinds = [&](const Vm& vm, const Labels& labels) {
    for (std::size_t i = 0; i < kinds.size(); ++i)
      if (vm.counts.cpu_ns[i] != 0)
        writer.sample(labels, kinds[i], Nanoseconds{vm.counts.cpu_ns[i]});
  };
  for_each_vm(snapshot, write_kinds, CountedBy::kernel);
  writer.begin(kVcpuSeconds);
  write_vcpus(snapshot, per_vcpu, writer, [](const VcpuCounts& counts) { return counts.cpu_ns; });
  writer.begin(kVcpuDelay);
  write_vcpus(snapshot, per_vcpu, writer,
              [](const VcpuCounts& counts) { return counts.run_delay_ns; });
}

}  // namespace kvmx
