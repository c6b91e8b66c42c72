// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <string_view>

#include "exporter/metrics/families.h"
#include "exporter/metrics/vcpu_samples.h"
#include "exporter/metrics/vm_histogram.h"

namespace kvmx {
namespace {

constexpr Family kArms = {
    "kvm_timer_arms", MetricType::counter,
    "Armings of the guest's APIC timer, by what keeps it: hv the VMX preemption timer, sw a timer "
    "of the host."};
constexpr Family kHvInUse = {
    "kvm_hv_timer_in_use", MetricType::gauge,
    "Whether the guest's APIC timer was last armed on the VMX preemption timer."};

constexpr Family kIntervals = {
    "kvm_timer_interval_seconds", MetricType::histogram,
    "Time between one vCPU's successive programmings of its timer. A tick shows as a spike at its "
    "period: 1, 3.3, 4 or 10 ms."};

constexpr std::array<double, KVMX_INTERVAL_BOUNDS> kBounds = {
#define KVMX_LIST(us) (us) / 1e6,
    KVMX_INTERVAL_BOUNDS_US(KVMX_LIST)
#undef KVMX_LIST
};

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
    if (vcpu.hv_timer_in_use) writer.sample(labels, std::uint64_t{*vcpu.hv_timer_in_use});
  });

  writer.begin(kIntervals);
  write_vm_histogram(snapshot, writer, kBounds, &VmCounts::intervals);
}

}  // namespace kvmx
