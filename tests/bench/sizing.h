// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "exporter/metrics/per_vcpu.h"

namespace kvmx::bench {

/// What an exposition has by each setting of --metrics.per-vcpu, as a table in Markdown: on a host
/// with 100 VMs of 16 vCPUs that each exit for 8 reasons, write 4 MSRs, arm timers, halt and return
/// to the VMM for 2 reasons.
std::string sizing_table();

/// The exposition of that host.
std::string typical_exposition(PerVcpu per_vcpu);

}  // namespace kvmx::bench
