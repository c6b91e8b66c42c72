// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "exporter/snapshot/snapshot.h"
#include "exporter/web/http.h"

namespace kvmx {

/// The landing page: what is wrong with which guest, what guests cost their host, which events are
/// counted, and what the sandbox keeps the exporter from.
Response landing_page(const Snapshot& snapshot, const std::string& telemetry_path,
                      const std::string& sandbox);

}  // namespace kvmx
