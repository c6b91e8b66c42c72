// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bpf/vcpu_slot.h"

namespace kvmx {

/// Where no event gives a vCPU's pointer, it has a slot for each thread that has run it, and what a
/// slot says that it does holds for the last one only. Returns the others, in order of addresses.
/// `used`: indices of the slots in use.
std::vector<const vcpu_slot*> left_behind(std::span<const vcpu_slot> slots,
                                          std::span<const std::uint32_t> used);

}  // namespace kvmx
