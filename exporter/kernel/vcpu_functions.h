// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string_view>

namespace kvmx {

/// A function by which KVM tells of its vCPUs, and our programs for it, of bpf/kvm_exit.bpf.c.
struct VcpuFunction {
  std::string_view name;  ///< the kernel's, and the label `probe`
  const char* fentry;
  const char* kprobe;  ///< where KVM has no BTF
};

/// Only by a kprobe: what the others do not tell there is a vCPU's id.
inline constexpr VcpuFunction kVcpuId = {"kvm_arch_vcpu_precreate", nullptr,
                                         "kvm_vcpu_precreate_kprobe"};

inline constexpr std::string_view kVcpuDestroyed = "kvm_arch_vcpu_destroy";

/// In the order in which they are to be attached, and all before any event: what is noted of a vCPU
/// must go when it does. They have had these names since Linux 5.7.
inline constexpr std::array<VcpuFunction, 3> kVcpuFunctions = {{
    {kVcpuDestroyed, "kvm_arch_vcpu_destroy_fentry", "kvm_vcpu_destroy_kprobe"},
    {"kvm_arch_vcpu_postcreate", "kvm_arch_vcpu_postcreate_fentry", "kvm_vcpu_postcreate_kprobe"},
    {"kvm_arch_vcpu_ioctl_run", "kvm_arch_vcpu_ioctl_run_fentry", "kvm_vcpu_run_kprobe"},
}};

constexpr bool is_vcpu_function(std::string_view name) {
  if (name == kVcpuId.name) return true;
  for (const VcpuFunction& function : kVcpuFunctions)
    if (function.name == name) return true;
  return false;
}

}  // namespace kvmx
