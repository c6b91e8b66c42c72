// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <string>

#include "exporter/exposition/label_cache.h"
#include "exporter/metrics/families.h"
#include "exporter/names/userspace_exits.h"

namespace kvmx {
namespace {

constexpr Family kUserspaceExits = {
    "kvm_userspace_exits", MetricType::counter,
    "Returns of KVM_RUN to the VMM, by kvm_run.exit_reason; restart is a signal."};
constexpr Family kUserspaceSeconds = {
    "kvm_userspace_seconds", MetricType::counter,
    "Time in the VMM from such a return to the next VM entry, the stay in "
    "progress included."};

std::string reason_name(std::uint32_t id) {
  switch (id) {
    case KVMX_USERSPACE_RESTART:
      return userspace_exit_name(0, -EINTR);
    case KVMX_USERSPACE_ERROR:
      return userspace_exit_name(0, -EFAULT);
    case KVMX_USERSPACE_OTHER:
      return "other";
    default:
      return userspace_exit_name(id);
  }
}

}  // namespace

void write_userspace(const Snapshot& snapshot, PerVcpu per_vcpu, MetricWriter& writer) {
  const bool by_vcpu = per_vcpu == PerVcpu::all;
  LabelCache<std::uint32_t> cache;
  writer.begin(kUserspaceExits);
  for_each_vcpu_or_vm(
      snapshot, by_vcpu, [&](const VmCounts&, const VcpuCounts& counts, const Labels& labels) {
        for (const UserspaceExitCount& exits : counts.userspace_exits) {
          const Labels& reason = cache.of(
              exits.id, [&](Labels& added) { added.add("reason", reason_name(exits.id)); });
          writer.sample(labels, reason, exits.exits);
        }
      });

  writer.begin(kUserspaceSeconds);
  for_each_vcpu_or_vm(snapshot, by_vcpu,
                      [&](const VmCounts&, const VcpuCounts& counts, const Labels& labels) {
                        if (counts.userspace_ns != 0)
                          writer.sample(labels, Nanoseconds{counts.userspace_ns});
                      });
}

}  // namespace kvmx
