// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/metric_family.h>

#include <cstddef>
#include <vector>

#include "exporter/snapshot/snapshot.h"

namespace kvmx {

/// How the scrape before this one went.
struct LastScrape {
  double seconds = 0;
  std::size_t series = 0;
};

/// The kvm_exporter_* families: few series, so prometheus-cpp's types and serializer serve them.
std::vector<prometheus::MetricFamily> self_families(const Snapshot& snapshot,
                                                    const LastScrape& last);

}  // namespace kvmx
