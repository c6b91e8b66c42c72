// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace kvmx {

struct ProbeState {
  std::string_view name;  ///< the event, as in kEventNames
  bool attached = false;
  std::optional<std::uint64_t> missed;  ///< runs the kernel skipped; nothing where it does not tell
};

}  // namespace kvmx
