// SPDX-License-Identifier: Apache-2.0
#include "exporter/counts/sum_counts.h"
#include "exporter/metrics/families.h"
#include "exporter/metrics/vcpu_series.h"

namespace kvmx {
namespace {

constexpr Family kInfo = {"kvm_vm", MetricType::info, "Who the VM is; always 1."};
constexpr Family kVmVcpus = {"kvm_vm_vcpus", MetricType::gauge,
                             "vCPUs of the VM that exist, whether or not they run."};
constexpr Family kStart = {"kvm_vm_start_time_seconds", MetricType::gauge,
                           "Start of the VM's process, in seconds since the epoch."};

/// What people call the VM: KubeVirt's VirtualMachineInstance, OpenStack's or libvirt's title, else
/// what its VMM calls it.
const std::string& name_of(const VmIdentity& identity) {
  if (!identity.kube_name.empty()) return identity.kube_name;
  return identity.display_name.empty() ? identity.name : identity.display_name;
}

void add_identity(Labels& labels, const Vm& vm) {
  labels.add("name", name_of(vm.identity));
  labels.add("uuid", vm.identity.uuid);
  labels.add("domain", vm.identity.domain);
  labels.add("vmm", vm.identity.vmm);
  labels.add("pid", vm.counts.key.tgid);
  labels.add("namespace", vm.identity.kube_namespace);
  labels.add("pod", vm.identity.pod);
  labels.add("id", vm.identity.id);
  labels.add("project", vm.identity.project);
  labels.add("user", vm.identity.user);
}

}  // namespace

void write_vms(const Snapshot& snapshot, PerVcpu /*per_vcpu*/, MetricWriter& writer) {
  writer.begin(kInfo);
  for_each_vm(snapshot, [&](const Vm& vm, Labels& labels) {
    add_identity(labels, vm);
    writer.sample(labels, std::uint64_t{1});
  });

  writer.begin(kVmVcpus);
  for_each_vm(snapshot, [&](const Vm& vm, const Labels& labels) {
    const std::uint64_t vcpus = vm.ended() ? 0 : count_vcpus(vm.counts);
    if (vcpus > 0) writer.sample(labels, vcpus);
  });

  writer.begin(kStart);
  for_each_vm(snapshot, [&](const Vm& vm, const Labels& labels) {
    writer.sample(labels, Nanoseconds{snapshot.boot_time_ns + vm.counts.key.start_ns});
  });
}

}  // namespace kvmx
