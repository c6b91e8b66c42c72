// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "exporter/metrics/families.h"
#include "exporter/metrics/vcpu_series.h"

namespace kvmx {
namespace {

constexpr Family kFindings = {
    "kvm_vm_finding_seconds", MetricType::counter,
    "Seconds for which the guest did what its host should not have to bear, by what it was."};
constexpr Family kTick = {
    "kvm_vm_tick_hertz", MetricType::gauge,
    "How often three quarters of the running vCPUs at least programmed their timers, by the second "
    "over the last 10 s; how often they were woken, where they program none."};
constexpr Family kRunning = {"kvm_vm_vcpus_running", MetricType::gauge,
                             "vCPUs that ran in the last 10 s."};

}  // namespace

void write_findings(const Snapshot& snapshot, PerVcpu /*per_vcpu*/, MetricWriter& writer) {
  writer.begin(kFindings);
  for_each_vm(snapshot, [&](const Vm& vm, Labels& labels) {
    const VmDiagnosis& diagnosis = vm.diagnosis;
    for (std::size_t i = 0; i < kFindingKinds; ++i) {
      const auto kind = static_cast<FindingKind>(i);
      // The first storm of a guest has to be an increase, so its zero is there from the start.
      if (diagnosis.held_ns[i] == 0 && kind != FindingKind::timer_storm) continue;
      const Labels::Mark mark(labels);
      labels.add("finding", finding_name(kind));
      writer.sample(labels, Nanoseconds{diagnosis.held_ns[i]});
    }
  });

  writer.begin(kTick);
  for_each_vm(snapshot, [&](const Vm& vm, const Labels& labels) {
    const VmDiagnosis& diagnosis = vm.diagnosis;
    // Tenths are more than anybody asks for.
    if (diagnosis.tick_hertz) writer.sample(labels, std::round(*diagnosis.tick_hertz * 10) / 10);
  });

  writer.begin(kRunning);
  for_each_vm(snapshot, [&](const Vm& vm, const Labels& labels) {
    const VmDiagnosis& diagnosis = vm.diagnosis;
    if (diagnosis.vcpus_running) writer.sample(labels, std::uint64_t{*diagnosis.vcpus_running});
  });
}

}  // namespace kvmx
