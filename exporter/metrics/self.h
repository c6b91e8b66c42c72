// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/metric_family.h>

#include <cstddef>
#include <optional>
#include <vector>

#include "exporter/base/process.h"
#include "exporter/snapshot/snapshot.h"

namespace kvmx {

/// The exporter itself, at a scrape.
struct SelfStats {
  double last_scrape_seconds = 0;  ///< how long the scrape before this one took
  std::size_t last_series = 0;     ///< and how many series it had, without these families
  std::optional<ProcessStats> process;
};

/// The kvm_exporter_* and process_* families: few series, so prometheus-cpp's types and serializer
/// serve them.
std::vector<prometheus::MetricFamily> self_families(const Snapshot& snapshot,
                                                    const SelfStats& self);

}  // namespace kvmx
