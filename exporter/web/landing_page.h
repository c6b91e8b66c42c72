// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "exporter/snapshot/snapshot.h"
#include "exporter/snapshot/vm_rates.h"

namespace kvmx {

/// The landing page, HTML that needs no script: what is wrong with which guest, where the metrics
/// are, which events are counted, who is busy now, and what the sandbox keeps the exporter from.
/// Its links are relative, so that they work behind a proxy that serves it under a path of its own.
std::string landing_page(const Snapshot& snapshot, const std::vector<VmRate>& busiest,
                         const std::string& telemetry_path, const std::string& sandbox);

}  // namespace kvmx
