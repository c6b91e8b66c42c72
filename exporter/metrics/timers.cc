// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <string_view>

#include "exporter/metrics/families.h"
#include "exporter/metrics/vcpu_samples.h"

namespace kvmx {
namespace {

constexpr Family kArms = {
    "kvm_timer_arms", MetricType::counter,
    "Armings of the guest's APIC timer, by what keeps it: hv the VMX preemption timer, sw a timer "
    "of the host."};
constexpr Family kHvInUse = {
    "kvm_hv_timer_in_use", MetricType::gauge,
    "Whether the guest's APIC timer was last armed on the VMX preemption timer."};

/// By enum kvmx_timer.
constexpr std::array<std::string_view, KVMX_TIMERS> kTimers = {"sw", "hv"};

}  // namespace

void write_timers(const Snapshot& snapshot, TextWriter& writer) {
  writer.begin(kArms);
  for_each_vcpu(snapshot, [&](const VmCounts&, const VcpuCounts& vcpu, Labels& labels) {
    for (std::size_t timer = 0; timer < kTimers.size(); ++timer) {
      if (vcpu.timer_arms[timer] == 0) continue;
      const Labels::Mark mark(labels);
      labels.add("timer", kTimers[timer]);
      writer.sample(labels, vcpu.timer_arms[timer]);
    }
  });

  writer.begin(kHvInUse);
  for_each_vcpu(snapshot, [&](const VmCounts&, const VcpuCounts& vcpu, Labels& labels) {
    if (vcpu.hv_timers_in_use) writer.sample(labels, std::uint64_t{*vcpu.hv_timers_in_use});
  });
}

}  // namespace kvmx
