// SPDX-License-Identifier: Apache-2.0
// Inside names/ only: the two tables that exit_reasons.cc joins.
#pragma once

#include <span>

#include "exporter/names/exit_reasons.h"

namespace kvmx {

std::span<const ExitReason> vmx_exit_reasons();
std::span<const ExitReason> svm_exit_reasons();

}  // namespace kvmx
