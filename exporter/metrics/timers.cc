// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "exporter/metrics/families.h"

namespace kvmx {
namespace {

constexpr Family kArms = {
    "kvm_timer_arms", MetricType::counter,
    "Armings of the guest's APIC timer, by what keeps it: hv the VMX preemption timer, sw a timer "
    "of the host."};
constexpr Family kHvInUse = {"kvm_hv_timer_in_use", MetricType::gauge,
                             "Whether the vCPU's APIC timer was last armed on the VMX preemption "
                             "timer; without a vcpu label, "
                             "of how many vCPUs."};

}  // namespace

void write_timers(const Snapshot& snapshot, PerVcpu per_vcpu, MetricWriter& writer) {
  const bool by_vcpu = per_vcpu >= PerVcpu::counts;
  /// By enum kvmx_timer.
  static const std::array<Labels, KVMX_TIMERS> timers = {Labels("timer", "sw"),
                                                         Labels("timer", "hv")};
  writer.begin(kArms);
  for_each_vcpu_or_vm(snapshot, by_vcpu,
                      [&](const VmCounts&, const VcpuCounts& counts, const Labels& labels) {
                        for (std::size_t timer = 0; timer < timers.size(); ++timer)
                          if (counts.timer_arms[timer] != 0)
                            writer.sample(labels, timers[timer], counts.timer_arms[timer]);
                      });

  writer.begin(kHvInUse);
  for_each_vcpu_or_vm(snapshot, by_vcpu,
                      [&](const VmCounts&, const VcpuCounts& counts, const Labels& labels) {
                        if (counts.hv_timers_in_use)
                          writer.sample(labels, std::uint64_t{*counts.hv_timers_in_use});
                      });
}

}  // namespace kvmx
