// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace kvmx {

/// "0x" and lower-case digits without leading zeros: the form the kernel's __print_symbolic gives a
/// value that is not in its table, and the form of the `index` label of the MSR metrics.
std::string hex(std::uint64_t value);

}  // namespace kvmx
