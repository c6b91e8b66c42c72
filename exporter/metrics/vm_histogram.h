// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>

#include "exporter/exposition/metric_writer.h"
#include "exporter/metrics/vcpu_series.h"

namespace kvmx {

/// Writes one histogram a VM, those with nothing in them left out.
template <std::size_t kBuckets>
void write_vm_histogram(const Snapshot& snapshot, MetricWriter& writer,
                        const HistogramBuckets& buckets, Histogram<kBuckets> VmCounts::*histogram) {
  for_each_vcpu_or_vm(
      snapshot, false, [&](const VmCounts& vm, const VcpuCounts&, const Labels& labels) {
        const Histogram<kBuckets>& counted = vm.*histogram;
        if (std::ranges::all_of(counted.buckets, [](std::uint64_t n) { return n == 0; })) return;
        writer.histogram(labels, buckets, counted.buckets, Nanoseconds{counted.sum_ns});
      });
}

}  // namespace kvmx
