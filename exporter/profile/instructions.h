// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "exporter/names/isa.h"
#include "exporter/profile/places.h"

namespace kvmx {

/// Instructions that always exit for a reason of their own, so that the reason says which
/// instruction is at the guest's address.
enum class Instruction : std::uint8_t { hlt, wrmsr, rdmsr, in, out, cpuid };

/// The instruction that an exit for this reason is about; nothing if it may be several.
std::optional<Instruction> instruction_of(Isa isa, const Place& place);

/// "HLT".
std::string_view instruction_name(Instruction instruction);

/// Whether code has this instruction at an offset. AMD hosts before Linux 6.2 give the address
/// after it for a WRMSR that they handle at once, so that one may also end there.
bool has_instruction(std::span<const unsigned char> code, std::size_t at, Instruction instruction);

/// A place that says which instruction is there.
struct KnownInstruction {
  Instruction instruction = Instruction::hlt;
  std::optional<std::uint32_t> msr;  ///< that it accesses, if it is known
  std::uint64_t rip = 0;
  std::uint64_t exits = 0;
};

/// What the places say of the code of Linux, each address once, those with most exits first. Rare
/// ones are left out: less than one in a thousand of all.
std::vector<KnownInstruction> known_instructions(Isa isa, std::span<const Place> places);

}  // namespace kvmx
