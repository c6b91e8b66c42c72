// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "bpf/vcpu_slot.h"
#include "exporter/names/isa.h"

namespace kvmx {

/// kvmx_dense, as the BPF programs look codes up: those from 0 first, then those from
/// KVMX_HIGH_BASE.
using DenseEntries = std::array<std::uint16_t, KVMX_CODES>;
/// With `mark_msrs` those of MSR accesses bear KVMX_EXIT_MSR.
DenseEntries dense_entries(Isa isa, bool mark_msrs);

/// Exits during which the guest waits by its own wish: HLT, and what AMD calls idle-halt, in which
/// KVM puts the vCPU to sleep (kvm_emulate_halt); PAUSE, on which it yields to other vCPUs
/// (kvm_vcpu_on_spin). MWAIT is not among them: KVM passes over it.
enum class Wait : std::uint8_t { none, halt, pause };

/// By dense id.
using WaitExits = std::array<Wait, KVMX_REASONS>;
const WaitExits& wait_exits(Isa isa);

/// The exit code that a dense id stands for. Nothing for ids that no code has; spill ids
/// (KVMX_DENSE_REASONS and above) are the slot's own to translate.
std::optional<std::uint32_t> dense_exit_code(Isa isa, std::uint32_t id);

}  // namespace kvmx
