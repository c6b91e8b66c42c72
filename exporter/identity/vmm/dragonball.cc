// SPDX-License-Identifier: Apache-2.0
// Dragonball, the VMM inside Kata's shim: "containerd-shim-kata-v2 -id SANDBOX -namespace NAMESPACE
// -address PATH -publish-binary PATH [-debug]" (src/runtime-rs/crates/shim/src/shim_start.rs of
// Kata 4.1). A shim that starts another VMM runs no VM itself. containerd chooses all arguments.
#include "exporter/identity/vmm/vmms.h"

namespace kvmx {
namespace {

constexpr ProgramName kPrograms[] = {{"containerd-shim-kata", true}};

// The options without an argument: "-debug", and those that only print something.
constexpr std::string_view kFlags[] = {"-debug", "-info", "-v", "-version"};

VmIdentity identify(Words args) {
  VmIdentity identity;
  for (std::size_t i = 0; i < args.size(); ++i) {
    std::string_view word = args[i];
    if (word.starts_with("--")) word.remove_prefix(1);
    if (word.starts_with("-id=")) {
      identity.id = word.substr(4);
    } else if (word.starts_with('-') && !is_one_of(word, kFlags) && i + 1 < args.size()) {
      ++i;
      if (word == "-id") identity.id = args[i];
    }
  }
  return identity;
}

}  // namespace

constinit const Vmm kDragonball = {
    .name = "dragonball",
    .programs = kPrograms,
    .identify = identify,
};

}  // namespace kvmx
