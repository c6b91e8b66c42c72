// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "exporter/metrics/families.h"
#include "exporter/metrics/vm_histogram.h"

namespace kvmx {
namespace {

constexpr Family kLatency = {
    "kvm_exit_latency_seconds", MetricType::histogram,
    "Host time from a VM exit to the next entry, each exit; without HLT and PAUSE, in which the "
    "guest waits."};

/// 2^-21 s to 2^-6 s.
constexpr std::array<double, KVMX_LATENCY_BOUNDS> kBounds = [] {
  std::array<double, KVMX_LATENCY_BOUNDS> bounds{};
  for (std::size_t i = 0; i < bounds.size(); ++i)
    bounds[i] = static_cast<double>(1U << i) / (1U << KVMX_LATENCY_FIRST_LOG2);
  return bounds;
}();

}  // namespace

void write_latencies(const Snapshot& snapshot, TextWriter& writer) {
  writer.begin(kLatency);
  write_vm_histogram(snapshot, writer, kBounds, &VmCounts::latency);
}

}  // namespace kvmx
