// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "exporter/names/sorted_table.h"

namespace kvmx {

/// All values of kvm_run.exit_reason with their macro names, ascending: KVM_EXIT_* of
/// include/uapi/linux/kvm.h, complete as of Linux 7.2 (0 to 43).
std::span<const CodeName> userspace_exits();

/// The `reason` label of the kvm_userspace_* metrics for the arguments of the kernel's
/// kvm_userspace_exit event (include/trace/events/kvm.h): what that event prints, which is
/// "KVM_EXIT_IO" and so on, but "restart" for -EINTR and "error" for another negative errno, as
/// `reason` is then left over from an earlier return. The kernel's table of names stops at
/// KVM_EXIT_X86_WRMSR (30); later codes have their macro names here. Unknown codes are hex: "0x2c".
std::string userspace_exit_name(std::uint32_t reason, int error = 0);

}  // namespace kvmx
