// SPDX-License-Identifier: Apache-2.0
#include <string_view>

#include "exporter/metrics/families.h"

namespace kvmx {
namespace {

constexpr Family kHost = {"kvm_host", MetricType::info,
                          "How KVM is set up on this host; always 1."};

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::vmx:
      return "vmx";
    case Isa::svm:
      return "svm";
    case Isa::other:
      break;
  }
  return "other";
}

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
