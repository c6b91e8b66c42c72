// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace kvmx {

/// The `msr` label of a model-specific register by its index (ECX of RDMSR and WRMSR), or "" if it
/// has no name here; lives for ever. No two indices share a name.
///
/// One spelling for each: the Intel SDM's where it calls the register architectural
/// ("IA32_TSC_DEADLINE"; IA32_TSC stands for IA32_TIME_STAMP_COUNTER), else the macro of Linux 7.2
/// without its MSR_ ("KVM_STEAL_TIME", "AMD64_VIRT_SPEC_CTRL", "HV_X64_MSR_EOI"). x2APIC registers
/// are X2APIC_ and the name the kernel's kvm_apic event prints for the register ("X2APIC_TMICT").
/// Where vendors disagree on an index, it has Intel's name; 0x40000000 and up are Hyper-V's (Xen's
/// are configurable and overlap).
std::string_view msr_name(std::uint32_t index);

/// Those that some of our code treats as special.
namespace msrs {
inline constexpr std::uint32_t kTscDeadline = 0x6e0;
inline constexpr std::uint32_t kX2apicEoi = 0x80b;
inline constexpr std::uint32_t kX2apicTmict = 0x838;
}  // namespace msrs

}  // namespace kvmx
