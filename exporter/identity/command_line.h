// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "exporter/identity/vm_identity.h"

namespace kvmx {

/// What the kernel knows of the program that a process runs. Either may be empty.
struct Program {
  std::string_view executable = {};  ///< target of /proc/PID/exe
  std::string_view comm = {};        ///< content of /proc/PID/comm, of which it has 15 bytes
};

/// Who the VM of a process is, from the content of its /proc/PID/cmdline: words that end in NUL,
/// the last of which may lack it. Pure; accepts any input. Returns nothing for a process that
/// is none of the VMMs in vmm/vmms.h, whose names are the only values of `vmm`.
///
/// argv[0] says which VMM it is; where it does not (NixOS calls every VMM microvm@NAME), the
/// executable does; where that cannot be read, the comm; else the arguments, if no other VMM has
/// such options.
///
/// The text is not trusted: tenants choose names and kernel arguments. A value is taken only from
/// a word that the VMM itself would take for that option.
std::optional<VmIdentity> identify(std::string_view cmdline, const Program& program = {});

}  // namespace kvmx
