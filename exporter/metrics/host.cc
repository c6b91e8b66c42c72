// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "exporter/metrics/families.h"

namespace kvmx {
namespace {

constexpr Family kHost = {"kvm_host", MetricType::info,
                          "How KVM is set up on this host; always 1."};
constexpr Family kCpus = {"kvm_host_cpus", MetricType::gauge, "CPUs of the host that are online."};
constexpr Family kFrequency = {"kvm_host_cpu_frequency_hertz", MetricType::gauge,
                               "At which frequency the host's CPUs run: the fastest of them (max), "
                               "and all on average (mean)."};

}  // namespace

void write_host(const Snapshot& snapshot, PerVcpu /*per_vcpu*/, MetricWriter& writer) {
  Labels labels;
  labels.add("isa", isa_name(snapshot.host.isa));
  labels.add("kernel", snapshot.host.kernel);
  labels.add("preemption_timer", snapshot.host.preemption_timer);
  labels.add("halt_poll_ns", snapshot.host.halt_poll_ns);
  writer.begin(kHost);
  writer.sample(labels, std::uint64_t{1});

  writer.begin(kCpus);
  if (snapshot.host.cpus > 0) writer.sample(Labels(), std::uint64_t{snapshot.host.cpus});

  writer.begin(kFrequency);
  if (!snapshot.cpu_clock) return;
  Labels cpus;
  for (const auto& [of, hertz] : {std::pair("max", snapshot.cpu_clock->max_hertz),
                                  std::pair("mean", snapshot.cpu_clock->mean_hertz)}) {
    const Labels::Mark mark(cpus);
    cpus.add("cpus", of);
    writer.sample(cpus, hertz);
  }
}

}  // namespace kvmx
