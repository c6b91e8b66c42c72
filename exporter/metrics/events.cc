// SPDX-License-Identifier: Apache-2.0
#include "exporter/metrics/families.h"
#include "exporter/metrics/vcpu_samples.h"

namespace kvmx {
namespace {

constexpr Family kEventsFamily = {
    "kvm_events", MetricType::counter,
    "Other KVM events (--collector.events), by the vCPU whose thread raised them; of a VM's other "
    "threads under an empty vcpu."};

}  // namespace

void write_events(const Snapshot& snapshot, TextWriter& writer) {
  writer.begin(kEventsFamily);
  for_each_vcpu(snapshot, [&](const VmCounts&, const VcpuCounts& vcpu, Labels& labels) {
    for (const EventCount& event : vcpu.events) {
      if (event.event >= snapshot.event_names.size()) continue;
      const Labels::Mark mark(labels);
      labels.add("event", snapshot.event_names[event.event]);
      writer.sample(labels, event.count);
    }
  });
}

}  // namespace kvmx
