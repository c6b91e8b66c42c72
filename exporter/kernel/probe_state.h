// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace kvmx {

struct ProbeState {
  std::string name;  ///< the event's
  bool attached = false;
  std::optional<std::uint64_t> missed;  ///< runs the kernel skipped; nothing before Linux 5.12
};

}  // namespace kvmx
