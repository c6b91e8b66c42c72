// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "exporter/base/result.h"

namespace kvmx {

/// Those of `available` that `patterns` chooses, sorted, without those that have a collector of
/// their own. `patterns` is a list of names or shell patterns ("kvm_pio,kvm_*mmio"), or "all";
/// the kernel's prefix kvm_ may be left off.
std::vector<std::string> choose_events(std::string_view patterns,
                                       const std::vector<std::string>& available);

/// KVM's events on this kernel, from tracefs. The error says how to mount it.
Result<std::vector<std::string>> list_kvm_events();

}  // namespace kvmx
