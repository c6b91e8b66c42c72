// SPDX-License-Identifier: Apache-2.0
// Firecracker, also under its jailer, which runs "/NAME --id ID ...". Options as in
// src/utils/src/arg_parser.rs of Firecracker 1.x: "--id VALUE". No value can begin with "--", so a
// word "--id" is always the option. Words after "--" are not Firecracker's options. Firecracker has
// no "--id=VALUE", but wrappers use it and it can mean nothing else.
#include <algorithm>
#include <utility>

#include "exporter/identity/vmm/vmms.h"

namespace kvmx {
namespace {

/// An option that the jailer adds. No other VMM has one of that name.
constexpr std::string_view kJailed = "--start-time-us";

}  // namespace

bool runs_firecracker(std::string_view program) {
  // Release binaries, and so jails, are called firecracker-v1.7.0-x86_64.
  return program == "firecracker" || program.starts_with("firecracker-v");
}

VmIdentity identify_firecracker(Words args) {
  VmIdentity identity;
  identity.vmm = "firecracker";
  for (std::size_t i = 0; i < args.size() && args[i] != "--"; ++i) {
    if (args[i] == "--id" && i + 1 < args.size()) identity.id = args[++i];
    if (args[i].starts_with("--id=")) identity.id = args[i].substr(5);
  }
  return identity;
}

std::optional<VmIdentity> identify_firecracker_alike(Words args) {
  const bool jailed = std::ranges::find(args, kJailed) != args.end();
  VmIdentity identity = identify_firecracker(args);
  return jailed && !identity.id.empty() ? std::optional(std::move(identity)) : std::nullopt;
}

}  // namespace kvmx
