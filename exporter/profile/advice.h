// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "exporter/profile/report.h"

namespace kvmx {

/// Whether every exit has the same address, though they are for several reasons: then KVM does not
/// see the guest's registers, as of encrypted guests (SEV-ES, SEV-SNP, TDX).
bool addresses_are_hidden(const Profile& profile);

/// Whether code in the lower half of the address space does what only a kernel may do.
bool has_low_kernel(const Report& report);

/// What the ranking, which is of all places and with names if there are some, suggests. A sentence
/// or two each, the most important first.
std::vector<std::string> advise(const Report& report);

}  // namespace kvmx
