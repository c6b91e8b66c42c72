// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/tracefs.h"

namespace kvmx {

std::optional<std::filesystem::path> kvm_events_directory() {
  namespace fs = std::filesystem;
  for (const char* root : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}) {
    // One that we may not look into is there all the same: reading it will say what is wrong.
    std::error_code error;
    if (fs::exists(fs::path(root) / "events", error) || error == std::errc::permission_denied)
      return fs::path(root) / "events/kvm";
  }
  return std::nullopt;
}

}  // namespace kvmx
