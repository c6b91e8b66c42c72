// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "exporter/counts/vm_counts.h"

namespace kvmx {

/// Adds the counts of another slot of the same vCPU: its thread, or its pointer, has changed.
void merge(VcpuCounts& into, const VcpuCounts& more);

/// Adds accesses to those of a VM, in their order.
void add(std::vector<IoCount>& into, const IoCount& more);

/// What all vCPUs of a VM counted.
VcpuCounts total(std::span<const VcpuCounts> vcpus);

/// How many events these are, of whatever kind. Times are left out: one that is still running grows
/// without an event.
std::uint64_t events(const VcpuCounts& counts);

/// vCPUs that exist. A VM that is not listed yet, or where the kernel cannot list them, has those
/// that were seen to run.
std::uint64_t count_vcpus(const VmCounts& vm);

template <std::size_t kBuckets>
void merge(Histogram<kBuckets>& into, const Histogram<kBuckets>& more) {
  for (std::size_t i = 0; i < kBuckets; ++i) into.buckets[i] += more.buckets[i];
  into.sum_ns += more.sum_ns;
}

}  // namespace kvmx
