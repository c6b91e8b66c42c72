// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace kvmx {

/// Which hardware virtualisation a vCPU runs on. The values are those of the `isa` argument of the
/// kernel's kvm_exit tracepoint (KVM_ISA_VMX and KVM_ISA_SVM in arch/x86/kvm/trace.h, Linux 7.2),
/// so that what the BPF side stores can be cast as it is.
enum class Isa : std::uint8_t { other = 0, vmx = 1, svm = 2 };

/// As the label `isa` has it.
constexpr std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::vmx:
      return "vmx";
    case Isa::svm:
      return "svm";
    case Isa::other:
      break;
  }
  return "other";
}

}  // namespace kvmx
