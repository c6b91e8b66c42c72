// SPDX-License-Identifier: Apache-2.0
// crosvm: "crosvm [options] run [--name NAME] [options] KERNEL" (src/crosvm/cmdline.rs, 2026).
// "--name=NAME" is the same: crosvm splits such words itself.
#include "exporter/identity/vmm/vmms.h"

namespace kvmx {

bool runs_crosvm(std::string_view program) { return program == "crosvm"; }

VmIdentity identify_crosvm(Words args) {
  VmIdentity identity;
  identity.vmm = "crosvm";
  bool in_run = false;
  for (std::size_t i = 0; i < args.size(); ++i) {
    const std::string_view word = args[i];
    if (!in_run) {
      in_run = word == "run";
    } else if (word == "--name" && i + 1 < args.size()) {
      identity.name = args[++i];
    } else if (word.starts_with("--name=")) {
      identity.name = word.substr(7);
    } else if (word == "-p" || word == "--params") {
      ++i;  // The guest's owner chooses the kernel arguments, which may look like any option.
    }
  }
  return identity;
}

}  // namespace kvmx
