// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "exporter/diagnosis/vm_diagnosis.h"
#include "exporter/snapshot/snapshot.h"

namespace kvmx::bench {

inline constexpr double kNanoseconds = 1e9;  ///< in a second

/// What a simulated guest does.
enum class Workload : std::uint8_t {
  busy,   ///< disks, networks, a tick where it runs
  idle,   ///< in health
  ticks,  ///< idle, with a tick of 250 Hz that never stops
  storm,  ///< the same at 1000 Hz
};

/// The finding that the exporter would make of it; kFindingKinds: none.
std::size_t finding_of(Workload workload);

/// How often most of its vCPUs program their timers, a second.
double tick_of(Workload workload);

/// Adds what a guest of so many vCPUs does in `seconds` of this. All its vCPUs do the same, so that
/// sums over them are exact without adding them up.
void add_work(Workload workload, double seconds, std::uint32_t vcpus, VmCounts& counts);

/// Makes vcpus of the total, which add_work() filled.
void split_by_vcpu(std::uint32_t vcpus, VmCounts& counts);

}  // namespace kvmx::bench
