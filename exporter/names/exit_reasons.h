// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "exporter/names/isa.h"
#include "exporter/names/sorted_table.h"

namespace kvmx {

/// One VM exit reason: its code, and its name as the kernel's kvm_exit trace event prints it.
using ExitReason = CodeName;

/// All exit reasons that the kernel names for `isa`, ascending by code, no code and no name twice.
/// Complete as of Linux 7.2 (65 on VMX, 110 on SVM); empty for Isa::other.
std::span<const ExitReason> exit_reasons(Isa isa);

/// The code that names an exit: VMX keeps flags (FAILED_VMENTRY in bit 31, ENCLAVE_MODE in bit 27)
/// above the 16 bits of the basic reason, and the kernel prints them apart. SVM codes are whole.
constexpr std::uint32_t basic_exit_code(Isa isa, std::uint32_t code) {
  return isa == Isa::vmx ? code & 0xffffU : code;
}

/// The kernel's name of an exit reason, "" if it has none. Lives for ever.
std::string_view find_exit_reason(Isa isa, std::uint32_t code);

/// The `reason` label: the kernel's name exactly as its trace tables print it ("MSR_WRITE" on VMX,
/// "msr" on SVM), else the basic code as the kernel prints it ("0x6"). For two different
/// basic codes of one isa the results differ, so series never collide; a VMX code with flags has
/// the name of its basic reason.
std::string exit_reason_name(Isa isa, std::uint32_t code);

}  // namespace kvmx
