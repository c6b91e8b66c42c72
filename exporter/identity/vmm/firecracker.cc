// SPDX-License-Identifier: Apache-2.0
// Firecracker, also under its jailer, which runs "/NAME --id ID ...". Options from
// src/firecracker/src/main.rs and src/utils/src/arg_parser.rs of 1.16: "--id VALUE". No value can
// begin with "--", so a word "--id" is always the option. Words after "--" are not Firecracker's
// options. Firecracker has no "--id=VALUE", but wrappers use it and it can mean nothing else.
#include <algorithm>

#include "exporter/identity/vmm/name_in_path.h"
#include "exporter/identity/vmm/vmms.h"

namespace kvmx {
namespace {

// Release binaries, and so the programs of jails, are called firecracker-v1.7.0-x86_64.
constexpr ProgramName kPrograms[] = {{"firecracker"}, {"firecracker-v", true}};

/// The value of `option` ("--x"), empty if it is not there.
std::string_view value_of(std::string_view option, Words args) {
  std::string_view value;
  for (std::size_t i = 0; i < args.size() && args[i] != "--"; ++i) {
    if (args[i] == option && i + 1 < args.size()) {
      value = args[++i];
    } else if (args[i].starts_with(option) && args[i].substr(option.size()).starts_with('=')) {
      value = args[i].substr(option.size() + 1);
    }
  }
  return value;
}

VmIdentity identify(Words args) {
  VmIdentity identity;
  identity.id = value_of("--id", args);
  if (identity.id.empty()) identity.id = name_in_path(value_of("--api-sock", args));
  if (identity.id.empty()) identity.id = name_in_path(value_of("--config-file", args));
  return identity;
}

/// The jailer adds --start-time-us. No other VMM has an option of that name.
bool is_jailed(Words args) {
  return std::ranges::find(args, "--start-time-us") != args.end() &&
         !value_of("--id", args).empty();
}

}  // namespace

constinit const Vmm kFirecracker = {
    .name = "firecracker",
    .programs = kPrograms,
    .identify = identify,
    .recognises = is_jailed,
};

}  // namespace kvmx
