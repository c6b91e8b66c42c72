// SPDX-License-Identifier: Apache-2.0
// Readers of command lines, one file for each VMM. Only exporter/identity includes this.
//
// To add a VMM:
//   1. Write vmm/NAME.cc with two functions, `runs_NAME` and `identify_NAME`, and declare them
//      below. Cite the source and version that its options come from. List the options without
//      an argument if the VMM has any: taking one for an option with an argument loses the name.
//   2. Add a row to the table in vmms.cc, and the file to CMakeLists.txt.
//   3. Add its value of the label `vmm` and where its name comes from to ../README.md.
//   4. Add its command lines, with the right identity, to the tests.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "exporter/identity/vm_identity.h"

namespace kvmx {

/// The arguments of a process, those after argv[0].
using Words = std::span<const std::string_view>;

/// Reads the command line of any VMM in the table. `program` is the last component of argv[0].
/// Nothing if no VMM of the table runs there. The fields are raw: see label_value().
std::optional<VmIdentity> identify_vmm(std::string_view program, Words args);

// For each VMM, `runs_X(program)` says whether a program of that name is an X, and
// `identify_X(args)` reads an X's arguments.

bool runs_qemu(std::string_view program);
VmIdentity identify_qemu(Words args);

/// Reads the arguments of a program of another name that has QEMU's options, such as a renamed
/// build or StratoVirt. Nothing unless -machine (or -M) is there, and -name or -uuid. `vmm` becomes
/// `program`.
std::optional<VmIdentity> identify_qemu_alike(std::string_view program, Words args);

bool runs_firecracker(std::string_view program);
VmIdentity identify_firecracker(Words args);

/// Reads the arguments of a jailed Firecracker, whose program may have any name. Nothing unless it
/// has the options that the jailer adds.
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
