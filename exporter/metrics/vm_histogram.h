// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "exporter/exposition/text_writer.h"
#include "exporter/snapshot/snapshot.h"

namespace kvmx {

/// Writes one histogram a VM, those with nothing in them left out.
template <std::size_t kBounds>
void write_vm_histogram(const Snapshot& snapshot, TextWriter& writer,
                        const std::array<double, kBounds>& bounds,
                        Histogram<kBounds + 1> VmCounts::*histogram) {
  for (const VmCounts& vm : snapshot.vms) {
    const auto& counted = vm.*histogram;
    if (std::ranges::all_of(counted.buckets, [](std::uint64_t n) { return n == 0; })) continue;
    Labels labels;
    labels.add("vm", vm.label);
    writer.histogram(labels, bounds, counted.buckets, Nanoseconds{counted.sum_ns});
  }
}

}  // namespace kvmx
