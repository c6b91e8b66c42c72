// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

namespace kvmx {

/// Runs of a program that the kernel skipped; nothing before Linux 5.12.
std::optional<std::uint64_t> missed_runs(int program_fd);

}  // namespace kvmx
