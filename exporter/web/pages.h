// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "exporter/snapshot/snapshot.h"

namespace kvmx {

/// The landing page, HTML: what this is, where the metrics are, what is attached.
std::string landing_page(const Snapshot& snapshot, const std::string& telemetry_path);

}  // namespace kvmx
