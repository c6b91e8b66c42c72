// SPDX-License-Identifier: Apache-2.0
#ifndef KVMX_GUEST_REPORT_H
#define KVMX_GUEST_REPORT_H

#include <string>

#include "options.h"
#include "session.h"

namespace kvmx::guest {

// One line of JSON each, without its newline.

// Which VMs and vCPUs are there, before they run.
[[nodiscard]] std::string ready_line(const Options& options, const Session& session);

// What the guests did, and what KVM and the VMM saw of it.  While the VMs
// still exist.
[[nodiscard]] std::string report_line(const Options& options, const Session& session);

}  // namespace kvmx::guest

#endif
