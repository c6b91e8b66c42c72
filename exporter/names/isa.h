// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace kvmx {

/// Which hardware virtualisation a vCPU runs on. The values are those of the `isa` argument of the
/// kernel's kvm_exit tracepoint (KVM_ISA_VMX and KVM_ISA_SVM in arch/x86/kvm/trace.h, Linux 7.2),
/// so that what the BPF side stores can be cast as it is.
enum class Isa : std::uint8_t { other = 0, vmx = 1, svm = 2 };

}  // namespace kvmx
