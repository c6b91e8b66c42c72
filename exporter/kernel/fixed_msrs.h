// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "bpf/vcpu_slot.h"

namespace kvmx {

/// Indices of the MSRs that have a counter of their own in each slot, in the order of the counters.
inline constexpr std::array<std::uint32_t, KVMX_FIXED_MSRS> kFixedMsrs = {
#define KVMX_INDEX(index, name) index,
    KVMX_FIXED_MSR_LIST(KVMX_INDEX)
#undef KVMX_INDEX
};

/// Those of them that program the guest's timer.
inline constexpr std::span<const std::uint32_t, KVMX_TIMER_MSRS> kTimerMsrs(kFixedMsrs.data(),
                                                                            KVMX_TIMER_MSRS);

}  // namespace kvmx
