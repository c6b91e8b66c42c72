// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "exporter/exposition/metric_writer.h"

namespace kvmx {

/// Writes counters and gauges of prometheus-cpp, whose own serializer knows text 0.0.4 only. A
/// gauge named *_info is an info family. Other types have no use here and throw.
void write_families(const std::vector<prometheus::MetricFamily>& families, MetricWriter& writer);

}  // namespace kvmx
