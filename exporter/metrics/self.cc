// SPDX-License-Identifier: Apache-2.0
#include "exporter/metrics/self.h"

#include <array>
#include <string>
#include <utility>

#include "exporter/base/version.h"

namespace kvmx {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

ClientMetric metric(MetricType type, double value, std::vector<ClientMetric::Label> labels) {
  ClientMetric made;
  made.label = std::move(labels);
  if (type == MetricType::Counter) {
    made.counter.value = value;
  } else {
    made.gauge.value = value;
  }
  return made;
}

MetricFamily family(std::string name, std::string help, MetricType type) {
  return MetricFamily{std::move(name), std::move(help), type, {}};
}

void add(MetricFamily& into, double value, std::vector<ClientMetric::Label> labels = {}) {
  into.metric.push_back(metric(into.type, value, std::move(labels)));
}

MetricFamily build_info() {
  MetricFamily info = family("kvm_exporter_build_info",
                             "What this exporter was built from; always 1.", MetricType::Gauge);
  add(info, 1, {{"version", kVersion}, {"revision", kRevision}, {"compiler", kCompiler}});
  return info;
}

MetricFamily attached(const Snapshot& snapshot) {
  MetricFamily probes =
      family("kvm_exporter_probe_attached",
             "Whether the kernel event is being counted: 0 while KVM is not loaded, too.",
             MetricType::Gauge);
  for (const ProbeState& probe : snapshot.probes)
    add(probes, probe.attached ? 1 : 0, {{"probe", probe.name}});
  return probes;
}

MetricFamily missed(const Snapshot& snapshot) {
  MetricFamily probes =
      family("kvm_exporter_probe_missed_total", "Events that the kernel did not run the probe for.",
             MetricType::Counter);
  for (const ProbeState& probe : snapshot.probes)
    if (probe.missed) add(probes, static_cast<double>(*probe.missed), {{"probe", probe.name}});
  return probes;
}

MetricFamily lost(const Snapshot& snapshot) {
  /// By enum kvmx_loss.
  static const std::array<std::string, KVMX_LOSSES> causes = {"table_full", "map_full",
                                                              "reason_read", "unattributed"};
  MetricFamily events =
      family("kvm_exporter_events_lost_total",
             "Events that could not be counted where they belong.", MetricType::Counter);
  for (std::size_t i = 0; i < causes.size(); ++i)
    add(events, static_cast<double>(snapshot.losses[i]), {{"cause", causes[i]}});
  add(events, static_cast<double>(snapshot.left_out_vms), {{"cause", "vm_limit"}});
  return events;
}

MetricFamily slots(const Snapshot& snapshot) {
  MetricFamily states =
      family("kvm_exporter_vcpu_slots",
             "Room for vCPUs (--bpf.max-vcpus): in use, free, or kept for a VM that is gone.",
             MetricType::Gauge);
  add(states, snapshot.slots.used, {{"state", "used"}});
  add(states, snapshot.slots.free, {{"state", "free"}});
  add(states, snapshot.slots.lingering, {{"state", "lingering"}});
  return states;
}

/// https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics
std::vector<MetricFamily> process_families(const ProcessStats& process) {
  const auto one = [](std::string name, std::string help, MetricType type, double value) {
    MetricFamily made = family(std::move(name), std::move(help), type);
    add(made, value);
    return made;
  };
  return {
      one("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
          MetricType::Counter, process.cpu_seconds),
      one("process_open_fds", "Number of open file descriptors.", MetricType::Gauge,
          process.open_fds),
      one("process_max_fds", "Maximum number of open file descriptors.", MetricType::Gauge,
          process.max_fds),
      one("process_virtual_memory_bytes", "Virtual memory size in bytes.", MetricType::Gauge,
          process.virtual_bytes),
      one("process_resident_memory_bytes", "Resident memory size in bytes.", MetricType::Gauge,
          process.resident_bytes),
      one("process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
          MetricType::Gauge, process.start_time_seconds),
  };
}

}  // namespace

std::vector<MetricFamily> self_families(const Snapshot& snapshot, const SelfStats& self) {
  std::vector<MetricFamily> families = {build_info(), attached(snapshot), lost(snapshot),
                                        slots(snapshot)};
  if (MetricFamily probes = missed(snapshot); !probes.metric.empty())
    families.push_back(std::move(probes));
  MetricFamily duration = family("kvm_exporter_scrape_duration_seconds",
                                 "How long the scrape before this one took.", MetricType::Gauge);
  add(duration, self.last_scrape_seconds);
  MetricFamily series =
      family("kvm_exporter_series",
             "Series in the scrape before this one, without kvm_exporter_* and process_*.",
             MetricType::Gauge);
  add(series, static_cast<double>(self.last_series));
  families.push_back(std::move(duration));
  families.push_back(std::move(series));
  if (self.process)
    for (MetricFamily& of_process : process_families(*self.process))
      families.push_back(std::move(of_process));
  return families;
}

}  // namespace kvmx
