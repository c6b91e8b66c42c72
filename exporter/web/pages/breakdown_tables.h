// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "exporter/diagnosis/breakdown.h"
#include "exporter/names/isa.h"
#include "exporter/summary/summary.h"

/// What a guest did in the last ten seconds, as tables of its page.
namespace kvmx {

std::string exits_table(const VmBreakdown& breakdown, Isa isa);
std::string msrs_table(const VmBreakdown& breakdown);
std::string userspace_exits_table(const VmBreakdown& breakdown);

/// A histogram; a tick shows as a long bar at its period.
std::string intervals_table(const VmBreakdown& breakdown);

/// Ports and pages of MMIO, with the device that PCs have there.
std::string places_table(const VmBreakdown& breakdown);

/// Interrupt lines by GSI.
std::string lines_table(const VmBreakdown& breakdown);

/// CPU time of the VM's threads by what they do, and what its vCPUs waited for.
std::string cpu_table(const VmBreakdown& breakdown);

std::string vcpus_table(const VmBreakdown& breakdown, ExitCounting exits);

}  // namespace kvmx
