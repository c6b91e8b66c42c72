// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "exporter/names/exit_reasons.h"
#include "exporter/snapshot/snapshot.h"

namespace kvmx {

/// What the label `reason` says of an exit.
inline std::string reason_label(Isa isa, const ReasonCount& reason) {
  return reason.code ? exit_reason_name(isa, *reason.code) : "other";
}

}  // namespace kvmx
