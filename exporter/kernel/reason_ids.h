// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "bpf/vcpu_slot.h"
#include "exporter/names/isa.h"

namespace kvmx {

/// SVM exit code -> dense id, in the form the BPF programs look it up (kvmx_svm_dense): codes from
/// 0 first, then those from KVMX_SVM_HIGH_BASE; KVMX_NOT_DENSE for codes without a name.
std::array<std::uint8_t, KVMX_SVM_CODES> svm_dense_ids();

/// enum kvmx_wait by dense id.
using WaitExits = std::array<std::uint8_t, KVMX_REASONS>;

/// By the isa of the host, for kvmx_wait_exits: HLT, and what AMD calls idle-halt, in which KVM
/// puts the vCPU to sleep (kvm_emulate_halt); PAUSE, on which it yields to other vCPUs
/// (kvm_vcpu_on_spin). MWAIT is not among them: KVM passes over it.
const WaitExits& wait_exits(Isa isa);

/// The exit code that a dense id stands for. Nothing for ids that no code has; spill ids
/// (KVMX_DENSE_REASONS and above) are the slot's own to translate.
std::optional<std::uint32_t> dense_exit_code(Isa isa, std::uint32_t id);

}  // namespace kvmx
