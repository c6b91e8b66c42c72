// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "exporter/metrics/rows.h"

namespace kvmx::bench {

/// What a page has by each setting of --metrics.per-vcpu, as a table in Markdown: on a host with
/// 100 VMs of 16 vCPUs that each exit for 8 reasons, write 4 MSRs, arm timers, halt and return to
/// the VMM for 2 reasons.
std::string sizing_table();

/// The page of that host.
std::string typical_page(PerVcpu per_vcpu);

}  // namespace kvmx::bench
