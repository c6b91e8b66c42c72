// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "exporter/metrics/self.h"
#include "exporter/snapshot/snapshot.h"

namespace kvmx {

/// A whole /metrics page in the text exposition format.
struct MetricsPage {
  std::string text;
  std::size_t series = 0;  ///< kvm_exporter_* and process_* left out
};

MetricsPage render_metrics(const Snapshot& snapshot, const SelfStats& self);

}  // namespace kvmx
