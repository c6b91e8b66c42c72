// SPDX-License-Identifier: Apache-2.0
#include "exporter/profile/instructions.h"

#include <algorithm>
#include <array>
#include <map>

namespace kvmx {
namespace {

struct ReasonInstruction {
  std::uint32_t reason;
  Instruction instruction;
};

constexpr ReasonInstruction kSvm[] = {{0x72, Instruction::cpuid}, {0x78, Instruction::hlt}};
constexpr ReasonInstruction kVmx[] = {{10, Instruction::cpuid}, {12, Instruction::hlt}};

constexpr unsigned char kTwoBytes = 0x0f;
constexpr unsigned char kOperandSize = 0x66;
constexpr unsigned char kRepeat = 0xf3;

bool is_two_bytes(std::span<const unsigned char> code, std::size_t at, unsigned char second) {
  return at + 1 < code.size() && code[at] == kTwoBytes && code[at + 1] == second;
}

/// IN or OUT in any of its forms: with a port in DX or in the instruction, or of a string.
template <std::size_t N>
bool is_port_access(std::span<const unsigned char> code, std::size_t at,
                    const std::array<unsigned char, N>& opcodes) {
  while (at < code.size() && (code[at] == kOperandSize || code[at] == kRepeat)) ++at;
  return at < code.size() && std::ranges::find(opcodes, code[at]) != opcodes.end();
}

}  // namespace

std::optional<Instruction> instruction_of(Isa isa, const Place& place) {
  switch (place.access) {
    case KVMX_ACCESS_MSR_READ:
    case KVMX_ACCESS_ANY_MSR_READ:
      return Instruction::rdmsr;
    case KVMX_ACCESS_MSR_WRITE:
    case KVMX_ACCESS_ANY_MSR_WRITE:
      return Instruction::wrmsr;
    case KVMX_ACCESS_PORT_READ:
      return Instruction::in;
    case KVMX_ACCESS_PORT_WRITE:
      return Instruction::out;
    case KVMX_ACCESS_NONE:
      break;
  }
  for (const ReasonInstruction& known :
       isa == Isa::vmx ? std::span<const ReasonInstruction>(kVmx) : kSvm)
    if (known.reason == place.reason) return known.instruction;
  return std::nullopt;
}

std::string_view instruction_name(Instruction instruction) {
  constexpr std::array<std::string_view, 6> kNames = {"HLT", "WRMSR", "RDMSR",
                                                      "IN",  "OUT",   "CPUID"};
  return kNames[static_cast<std::size_t>(instruction)];
}

bool has_instruction(std::span<const unsigned char> code, std::size_t at, Instruction instruction) {
  constexpr std::array<unsigned char, 6> kIn = {0xe4, 0xe5, 0xec, 0xed, 0x6c, 0x6d};
  constexpr std::array<unsigned char, 6> kOut = {0xe6, 0xe7, 0xee, 0xef, 0x6e, 0x6f};
  switch (instruction) {
    case Instruction::hlt:
      return at < code.size() && code[at] == 0xf4;
    case Instruction::wrmsr:
      return is_two_bytes(code, at, 0x30) || (at >= 2 && is_two_bytes(code, at - 2, 0x30));
    case Instruction::rdmsr:
      return is_two_bytes(code, at, 0x32);
    case Instruction::in:
      return is_port_access(code, at, kIn);
    case Instruction::out:
      return is_port_access(code, at, kOut);
    case Instruction::cpuid:
      return is_two_bytes(code, at, 0xa2);
  }
  return false;
}

std::vector<KnownInstruction> known_instructions(Isa isa, std::span<const Place> places) {
  constexpr std::uint64_t kRare = 1000;
  std::uint64_t all = 0;
  std::map<std::pair<std::uint64_t, Instruction>, KnownInstruction> by_address;
  for (const Place& place : places) {
    all += place.exits;
    const auto instruction = instruction_of(isa, place);
    if (!instruction || half_of(place.rip) != Half::image) continue;
    KnownInstruction& evidence = by_address[{place.rip, *instruction}];
    // Of several MSRs at one address the first is as good as another.
    if (evidence.exits == 0) evidence = {*instruction, msr_of(place), place.rip, 0};
    evidence.exits += place.exits;
  }
  std::vector<KnownInstruction> found;
  for (const auto& [key, evidence] : by_address)
    if (evidence.exits * kRare >= all) found.push_back(evidence);
  std::ranges::stable_sort(found, std::ranges::greater(), &KnownInstruction::exits);
  return found;
}

}  // namespace kvmx
