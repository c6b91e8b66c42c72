// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <map>
#include <string>

#include "exporter/metrics/families.h"
#include "exporter/names/userspace_exits.h"

namespace kvmx {
namespace {

constexpr Family kExits = {
    "kvm_userspace_exits", MetricType::counter,
    "Returns of KVM_RUN to the VMM, by kvm_run.exit_reason; restart is a signal."};
constexpr Family kSeconds = {"kvm_userspace_seconds", MetricType::counter,
                             "Time in the VMM from such a return to the next VM entry, the stay in "
                             "progress included."};

std::string reason_name(std::uint32_t id) {
  switch (id) {
    case KVMX_USER_RESTART:
      return userspace_exit_name(0, -EINTR);
    case KVMX_USER_ERROR:
      return userspace_exit_name(0, -EFAULT);
    case KVMX_USER_OTHER:
      return "other";
    default:
      return userspace_exit_name(id);
  }
}

}  // namespace

void write_userspace(const Snapshot& snapshot, TextWriter& writer) {
  writer.begin(kExits);
  Labels labels;
  for (const VmCounts& vm : snapshot.vms) {
    const Labels::Mark of_vm(labels);
    labels.add("vm", vm.label);
    std::map<std::uint32_t, std::uint64_t> sums;
    for (const VcpuCounts& vcpu : vm.vcpus)
      for (const UserExitCount& exits : vcpu.user_exits) sums[exits.id] += exits.exits;
    for (const auto& [id, exits] : sums) {
      const Labels::Mark mark(labels);
      labels.add("reason", reason_name(id));
      writer.sample(labels, exits);
    }
  }

  writer.begin(kSeconds);
  for (const VmCounts& vm : snapshot.vms) {
    const Labels::Mark of_vm(labels);
    labels.add("vm", vm.label);
    Nanoseconds sum;
    for (const VcpuCounts& vcpu : vm.vcpus) sum.count += vcpu.user_ns;
    if (sum.count != 0) writer.sample(labels, sum);
  }
}

}  // namespace kvmx
