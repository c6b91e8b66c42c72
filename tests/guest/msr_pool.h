// SPDX-License-Identifier: Apache-2.0
//
// The MSR indices the random-msr program chooses from.
#ifndef KVMX_GUEST_MSR_POOL_H
#define KVMX_GUEST_MSR_POOL_H

#include <cstdint>
#include <span>

#include "guest_abi.h"

namespace kvmx::guest {

// Fills the records with distinct pseudo-random indices, the same for the same
// seed: half from the ranges where CPUs and KVM have MSRs, half from anywhere.
// MSRs are left out whose access would change the guest's own run (EFER, the
// x2APIC, the TSC, ...), write to its memory, or may not exit at all.
void fill_msr_pool(std::uint64_t seed, std::span<MsrRecord> pool);

}  // namespace kvmx::guest

#endif
