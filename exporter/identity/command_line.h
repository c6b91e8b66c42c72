// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "exporter/identity/vm_identity.h"

namespace kvmx {

/// Who the VM of a process is, from the content of its /proc/PID/cmdline: words that end in NUL,
/// the last of which may lack it. Pure; accepts any input. Returns nothing for a process that
/// is none of the VMMs in vmm/vmms.h.
///
/// The text is not trusted: tenants choose names and kernel arguments. A value is taken only from
/// a word that the VMM itself would take for that option.
std::optional<VmIdentity> identify(std::string_view cmdline);

}  // namespace kvmx
