// SPDX-License-Identifier: Apache-2.0
#include "exporter/metrics/families.h"

namespace kvmx {
namespace {

constexpr Family kHost = {"kvm_host", MetricType::info,
                          "How KVM is set up on this host; always 1."};

}  // namespace

void write_host(const Snapshot& snapshot, PerVcpu /*per_vcpu*/, TextWriter& writer) {
  Labels labels;
  labels.add("isa", isa_name(snapshot.host.isa));
  labels.add("kernel", snapshot.host.kernel);
  labels.add("preemption_timer", snapshot.host.preemption_timer);
  labels.add("halt_poll_ns", snapshot.host.halt_poll_ns);
  writer.begin(kHost);
  writer.sample(labels, std::uint64_t{1});
}

}  // namespace kvmx
