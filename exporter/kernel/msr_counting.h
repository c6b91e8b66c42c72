// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "exporter/kernel/features.h"
#include "exporter/names/isa.h"

namespace kvmx {

/// Which BPF program counts an access to an MSR.
enum class MsrCounting : std::uint8_t {
  event,  ///< that of kvm_msr
  entry,  ///< that of the entry after the exit, which costs less
};

/// How to count MSRs on a host of this isa and a kernel with these features. An entry can where it
/// names the vCPU by its pointer and exits are counted, too. Where kvm_msr is needed and the kernel
/// may skip its program, that is one on the record; where entries or exits are not selected, some
/// accesses may be skipped.
MsrCounting msr_counting(const Features& features, const EventSelection& selection, Isa isa);

/// Whether KVM's modules are set up so that accesses to MSRs come in ways that only kvm_msr tells
/// of. Reads /sys/module.
bool need_msr_event();

}  // namespace kvmx
