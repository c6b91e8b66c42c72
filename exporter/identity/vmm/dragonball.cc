// SPDX-License-Identifier: Apache-2.0
// Dragonball, the VMM inside Kata's shim: "containerd-shim-kata-v2 -namespace NAMESPACE -id SANDBOX
// ..." (src/runtime-rs/crates/shim of Kata 3). A shim that starts another VMM runs no
// VM itself.
#include <cstddef>

#include "exporter/identity/vmm/vmms.h"

namespace kvmx {

bool runs_dragonball(std::string_view program) {
  return program.starts_with("containerd-shim-kata");
}

VmIdentity identify_dragonball(Words args) {
  VmIdentity identity;
  identity.vmm = "dragonball";
  for (std::size_t i = 0; i + 1 < args.size(); ++i)
    if (args[i] == "-id") identity.id = args[i + 1];
  return identity;
}

}  // namespace kvmx
