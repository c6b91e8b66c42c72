// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <optional>
#include <string_view>

#include "exporter/metrics/families.h"

namespace kvmx {

/// A group of families, by the name it has in --collector.NAME and ?collect[]=NAME.
struct Collector {
  std::string_view name;
  void (*write)(const Snapshot& snapshot, PerVcpu per_vcpu, MetricWriter& writer);
};

/// In the order of the exposition.
inline constexpr std::array<Collector, 13> kCollectors = {{
    {"exits", write_exits},
    {"handling", write_handling},
    {"msrs", write_msrs},
    {"timers", write_timers},
    {"halts", write_halts},
    {"userspace", write_userspace},
    {"io", write_io},
    {"interrupts", write_interrupts},
    {"events", write_events},
    {"cpu", write_cpu},
    {"vms", write_vms},
    {"findings", write_findings},
    {"host", write_host},
}};

/// A choice of collectors, by their place in kCollectors.
using CollectorSet = std::bitset<kCollectors.size()>;

/// The set of the one collector of this name, if there is one.
constexpr std::optional<CollectorSet> collector_named(std::string_view name) {
  for (std::size_t i = 0; i < kCollectors.size(); ++i)
    if (kCollectors[i].name == name) return CollectorSet(1ULL << i);
  return std::nullopt;
}

}  // namespace kvmx
