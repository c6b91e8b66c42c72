// SPDX-License-Identifier: Apache-2.0
#include <cstdint>

#include "exporter/exposition/label_cache.h"
#include "exporter/metrics/families.h"

namespace kvmx {
namespace {

constexpr Family kEventsFamily = {
    "kvm_events", MetricType::counter,
    "Other KVM events (--collector.events), by the vCPU whose thread raised them; of a VM's other "
    "threads under an empty vcpu."};

}  // namespace

void write_events(const Snapshot& snapshot, PerVcpu per_vcpu, MetricWriter& writer) {
  LabelCache<std::uint32_t> cache;
  writer.begin(kEventsFamily);
  for_each_vcpu_or_vm(snapshot, per_vcpu >= PerVcpu::counts,
                      [&](const VmCounts&, const VcpuCounts& counts, const Labels& labels) {
                        for (const EventCount& event : counts.events) {
                          if (event.event >= snapshot.event_names.size()) continue;
                          const Labels& name = cache.of(event.event, [&](Labels& added) {
                            added.add("event", snapshot.event_names[event.event]);
                          });
                          writer.sample(labels, name, event.count);
                        }
                      });
}

}  // namespace kvmx
