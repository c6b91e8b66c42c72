// SPDX-License-Identifier: Apache-2.0
// Inside identity/ only: one reader of command lines for each VMM, joined by command_line.cc.
//
// Each has two functions. `runs_X(program)` tells by the last component of argv[0] whether the
// process is an X. `identify_X(args)` reads the words after argv[0]; its fields are raw.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "exporter/identity/vm_identity.h"

namespace kvmx {

using Words = std::span<const std::string_view>;

bool runs_qemu(std::string_view program);
VmIdentity identify_qemu(Words args);

/// A program of another name that speaks QEMU's language (a renamed build, StratoVirt): nothing
/// unless it is given both -machine (or -M) and one of -name and -uuid. `vmm` is `program`.
std::optional<VmIdentity> identify_qemu_alike(std::string_view program, Words args);

bool runs_firecracker(std::string_view program);
VmIdentity identify_firecracker(Words args);

/// Firecracker in a jail, where it is called what its jailer's --exec-file is: nothing unless it is
/// given what the jailer gives.
std::optional<VmIdentity> identify_firecracker_alike(Words args);

bool runs_cloud_hypervisor(std::string_view program);
VmIdentity identify_cloud_hypervisor(Words args);

bool runs_crosvm(std::string_view program);
VmIdentity identify_crosvm(Words args);

bool runs_kvmtool(std::string_view program);
VmIdentity identify_kvmtool(Words args);

bool runs_dragonball(std::string_view program);
VmIdentity identify_dragonball(Words args);

}  // namespace kvmx
