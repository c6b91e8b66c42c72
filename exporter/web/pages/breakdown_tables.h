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

std::string vcpus_table(const VmBreakdown& breakdown, ExitCounting exits);

}  // namespace kvmx
