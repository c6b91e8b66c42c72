// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "exporter/metrics/exit_reason_labels.h"
#include "exporter/metrics/families.h"
#include "exporter/metrics/vm_histogram.h"

namespace kvmx {
namespace {

constexpr Family kHandling = {
    "kvm_exit_handling_seconds", MetricType::counter,
    "Host time from a VM exit to the next entry, by reason. A halted guest's sleep is under its "
    "HLT."};
constexpr Family kLatency = {
    "kvm_exit_latency_seconds", MetricType::histogram,
    "Host time from a VM exit to the next entry, each exit; without HLT and PAUSE, in which the "
    "guest waits."};

/// 2^-21 s to 2^-6 s.
constexpr std::array<double, KVMX_LATENCY_BOUNDS> kLatencyBounds = [] {
  std::array<double, KVMX_LATENCY_BOUNDS> bounds{};
  for (std::size_t i = 0; i < bounds.size(); ++i)
    bounds[i] = static_cast<double>(1U << i) / (1U << KVMX_LATENCY_FIRST_LOG2);
  return bounds;
}();

/// The same bounds are those of a native histogram of schema 0. What is above them all is in its
/// next bucket.
constexpr int kLatencySchema = 0;
constexpr auto kTypicalLatencies = [] {
  std::array<double, KVMX_LATENCY_BOUNDS + 1> values{};
  std::ranges::copy(kLatencyBounds, values.begin());
  values.back() = 2 * kLatencyBounds.back();
  return values;
}();

}  // namespace

void write_handling(const Snapshot& snapshot, PerVcpu per_vcpu, MetricWriter& writer) {
  ExitReasonLabels reasons;
  writer.begin(kHandling);
  for_each_vcpu_or_vm(snapshot, per_vcpu == PerVcpu::all,
                      [&](const VmCounts& vm, const VcpuCounts& counts, const Labels& labels) {
                        for (const ReasonCount& reason : counts.reasons)
                          if (reason.handling_ns != 0)
                            writer.sample(labels, reasons.of(vm.isa, reason),
                                          Nanoseconds{reason.handling_ns});
                      });

  static const HistogramBuckets buckets(kLatencyBounds, kLatencySchema, kTypicalLatencies);
  writer.begin(kLatency);
  write_vm_histogram(snapshot, writer, buckets, &VmCounts::latency);
}

}  // namespace kvmx
