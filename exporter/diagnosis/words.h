// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "exporter/diagnosis/top_place.h"

/// Numbers and causes as people read them.
namespace kvmx::words {

/// A whole number with its thousands apart: 66,300.
std::string grouped(double value);

/// CPU seconds a second: "0.06 CPUs", "12.8 CPUs".
std::string cpus(double value);

/// A share: "94 %".
std::string percent(double share);

/// Some of the running vCPUs: "all 32 running vCPUs", "31 of its 32 running vCPUs", "its only
/// running vCPU".
std::string vcpus(std::size_t some, std::size_t running);

/// "MSR IA32_TSC_DEADLINE (0x6e0)", "MSR 0x1234".
std::string msr(std::uint32_t index);

/// What most likely makes a guest access this MSR all the time, as a sentence.
std::string_view msr_cause(std::uint32_t index);

/// What most likely makes a guest leave for a reason, by the kernel's name of it.
std::string_view exit_cause(std::string_view reason);

/// What most likely makes a guest return to its VMM for a reason, KVM_EXIT_* or enum
/// kvmx_userspace_exit.
std::string_view userspace_exit_cause(std::uint32_t id);

/// "the ACPI PM timer"; empty if a port, or a page, may be any device's.
std::string_view device(IoSpace space, std::uint64_t address);

/// "port 0x608, the ACPI PM timer", "the page at 0xfe003000".
std::string place(const TopPlace& place);

/// What most likely makes a guest access it all the time, as a sentence; empty if that is not
/// known.
std::string_view place_cause(const TopPlace& place);

/// "KVM_EXIT_IO"; "restart" and so on for those that have no code.
std::string userspace_exit(std::uint32_t id);

}  // namespace kvmx::words
