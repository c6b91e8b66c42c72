// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

#include "exporter/snapshot/snapshot.h"

namespace kvmx {

/// Adds the counts of another slot of the same vCPU: its thread, or its pointer, has changed.
void merge(VcpuCounts& into, const VcpuCounts& more);

/// What all vCPUs of a VM counted.
VcpuCounts total(std::span<const VcpuCounts> vcpus);

template <std::size_t kBuckets>
void merge(Histogram<kBuckets>& into, const Histogram<kBuckets>& more) {
  for (std::size_t i = 0; i < kBuckets; ++i) into.buckets[i] += more.buckets[i];
  into.sum_ns += more.sum_ns;
}

}  // namespace kvmx
