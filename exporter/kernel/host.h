// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "exporter/kernel/host_info.h"

namespace kvmx {

/// Whether we see the process ids that the kernel sees: those of its initial pid namespace.
bool in_initial_pid_namespace();

/// Whether /proc keeps other users' processes from whoever has no capabilities (hidepid), and we
/// are not in the group that it is open to (gid).
bool proc_is_hidden();

/// By what KVM runs guests on this CPU, as /sys, or a copy of it, tells.
Isa find_isa(const std::filesystem::path& sys, bool cpu_has_svm);

/// Whether /dev/kvm is there, or would be if whoever makes it has come to it: KVM registers the
/// device once what drives this CPU for it has found that it can.
bool kvm_is_ready(const std::filesystem::path& sys);

/// Reads uname and /sys/module.
HostInfo read_host();

}  // namespace kvmx
