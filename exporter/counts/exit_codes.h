// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "bpf/vcpu_slot.h"
#include "exporter/counts/vm_counts.h"
#include "exporter/names/isa.h"

namespace kvmx {

/// Exit codes by dense id.
using DenseCodes = std::array<std::optional<std::uint32_t>, KVMX_DENSE_REASONS>;
const DenseCodes& dense_codes(Isa isa);

/// Of an id that is not dense, and so the slot's own.
std::optional<std::uint32_t> sparse_code(const vcpu_slot& slot, Isa isa, std::uint32_t id);

/// Sorts reasons by code. The kernel's programs count no code in two places; should a slot have one
/// twice all the same, it is one series, for a page that has a series twice is refused as a whole.
void sort_reasons(std::vector<ReasonCount>& reasons);

}  // namespace kvmx
