// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "bpf/vcpu_slot.h"
#include "exporter/kernel/msr_counting.h"
#include "exporter/names/isa.h"

namespace kvmx {

/// kvmx_dense, as the BPF programs look codes up: those from 0 first, then those from
/// KVMX_HIGH_BASE.
using DenseEntries = std::array<std::uint16_t, KVMX_CODES>;
/// Where entries count accesses to MSRs, the exits for these have KVMX_EXIT_MSR and what else the
/// exit code tells.
DenseEntries dense_entries(Isa isa, MsrCounting msrs);

/// Exits during which the guest is idle by its own choice: HLT, and what AMD calls idle-halt, in
/// which KVM puts the vCPU to sleep (kvm_emulate_halt); PAUSE, on which it yields to other vCPUs
/// (kvm_vcpu_on_spin). MWAIT is not among them: KVM emulates it as a NOP.
enum class Idle : std::uint8_t { none, halt, pause };

/// By dense id.
using IdleExits = std::array<Idle, KVMX_REASONS>;
const IdleExits& idle_exits(Isa isa);

/// The exit code that a dense id stands for. Nothing for ids that no code has; overflow
/// ids (KVMX_DENSE_REASONS and above) are the slot's own to translate.
std::optional<std::uint32_t> dense_exit_code(Isa isa, std::uint32_t id);

}  // namespace kvmx
