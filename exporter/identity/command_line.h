// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "exporter/identity/vm_identity.h"

namespace kvmx {

/// Who the VM of a process is, from the content of its /proc/PID/cmdline: words that end in NUL,
/// the last of which may lack it. Pure; any input is fine. Nothing is returned for a process that
/// is no VMM we know; what we know, and how each is read, is in vmms.h.
///
/// The text is not trusted: tenants choose names and kernel arguments. A value is taken only from
/// a word that the VMM itself would take for that option.
std::optional<VmIdentity> identify(std::string_view cmdline);

}  // namespace kvmx
