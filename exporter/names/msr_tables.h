// SPDX-License-Identifier: Apache-2.0
// Inside names/ only: the tables that msr.cc searches, in three files by range of the index.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "exporter/names/sorted_table.h"

namespace kvmx {

/// `count` registers `stride` apart whose names differ in a decimal number, 0 for the first:
/// {0x200, 10, 2, "IA32_MTRR_PHYSBASE", ""} is IA32_MTRR_PHYSBASE0 at 0x200, ...1 at 0x202.
struct MsrFamily {
  std::uint32_t first;
  std::uint32_t count;
  std::uint32_t stride;
  std::string_view prefix;
  std::string_view suffix;

  constexpr bool contains(std::uint32_t index) const {
    return index >= first && (index - first) % stride == 0 && (index - first) / stride < count;
  }
};

std::span<const CodeName> intel_msrs();    ///< below 0x40000000: what x86 CPUs share
std::span<const CodeName> virtual_msrs();  ///< 0x40000000 to 0x4fffffff: defined by hypervisors
std::span<const CodeName> amd_msrs();      ///< 0xc0000000 and up
std::span<const MsrFamily> msr_families();

}  // namespace kvmx
