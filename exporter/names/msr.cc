// SPDX-License-Identifier: Apache-2.0
#include "exporter/names/msr.h"

#include <array>
#include <cstddef>
#include <iterator>

#include "exporter/names/msr_tables.h"

namespace kvmx {
namespace {

// Sources as in msr_intel.cc, msr_virtual.cc and msr_amd.cc; SMCA from arch/x86/include/asm/mce.h.
constexpr MsrFamily kFamilies[] = {
    {0x8c, 4, 1, "IA32_SGXLEPUBKEYHASH", ""},
    {0xc1, 8, 1, "IA32_PMC", ""},
    {0x186, 8, 1, "IA32_PERFEVTSEL", ""},
    {0x1a6, 2, 1, "OFFCORE_RSP_", ""},
    {0x1cc, 4, 1, "IA32_FRED_RSP", ""},
    {0x200, 10, 2, "IA32_MTRR_PHYSBASE", ""},
    {0x201, 10, 2, "IA32_MTRR_PHYSMASK", ""},
    {0x280, 32, 1, "IA32_MC", "_CTL2"},
    {0x309, 7, 1, "IA32_FIXED_CTR", ""},
    {0x3e0, 4, 1, "OMR_", ""},
    {0x400, 32, 4, "IA32_MC", "_CTL"},
    {0x401, 32, 4, "IA32_MC", "_STATUS"},
    {0x402, 32, 4, "IA32_MC", "_ADDR"},
    {0x403, 32, 4, "IA32_MC", "_MISC"},
    {0x4c1, 8, 1, "IA32_A_PMC", ""},
    {0x580, 4, 2, "IA32_RTIT_ADDR", "_A"},
    {0x581, 4, 2, "IA32_RTIT_ADDR", "_B"},
    {0x680, 32, 1, "LASTBRANCH_", "_FROM_IP"},
    {0x6c0, 32, 1, "LASTBRANCH_", "_TO_IP"},
    {0x810, 8, 1, "X2APIC_ISR", ""},
    {0x818, 8, 1, "X2APIC_TMR", ""},
    {0x820, 8, 1, "X2APIC_IRR", ""},
    {0x848, 8, 1, "X2APIC_IER", ""},
    {0x850, 4, 1, "X2APIC_EILVT", ""},
    {0xc90, 16, 1, "IA32_L3_QOS_MASK_", ""},
    {0xd10, 16, 1, "IA32_L2_QOS_MASK_", ""},
    {0xd50, 16, 1, "IA32_L2_QOS_EXT_BW_THRTL_", ""},
    {0xdc0, 32, 1, "LBR_INFO_", ""},
    {0x1200, 32, 1, "IA32_LBR_", "_INFO"},
    {0x1309, 7, 1, "RELOAD_FIXED_CTR", ""},
    {0x14c1, 8, 1, "RELOAD_PMC", ""},
    {0x1500, 32, 1, "IA32_LBR_", "_FROM_IP"},
    {0x1600, 32, 1, "IA32_LBR_", "_TO_IP"},
    {0x1900, 16, 4, "IA32_PMC_GP", "_CTR"},
    {0x1901, 16, 4, "IA32_PMC_GP", "_CFG_A"},
    {0x1902, 16, 4, "IA32_PMC_GP", "_CFG_B"},
    {0x1903, 16, 4, "IA32_PMC_GP", "_CFG_C"},
    {0x1980, 16, 4, "IA32_PMC_FX", "_CTR"},
    {0x1982, 16, 4, "IA32_PMC_FX", "_CFG_B"},
    {0x1983, 16, 4, "IA32_PMC_FX", "_CFG_C"},
    {0x40000090, 16, 1, "HV_X64_MSR_SINT", ""},
    {0x400000b0, 4, 2, "HV_X64_MSR_STIMER", "_CONFIG"},
    {0x400000b1, 4, 2, "HV_X64_MSR_STIMER", "_COUNT"},
    {0x40000100, 5, 1, "HV_X64_MSR_CRASH_P", ""},
    {0x40001090, 16, 1, "HV_X64_MSR_NESTED_SINT", ""},
    {0xc0002000, 32, 16, "AMD64_SMCA_MC", "_CTL"},
    {0xc0002001, 32, 16, "AMD64_SMCA_MC", "_STATUS"},
    {0xc0002002, 32, 16, "AMD64_SMCA_MC", "_ADDR"},
    {0xc0002003, 32, 16, "AMD64_SMCA_MC", "_MISC0"},
    {0xc0002004, 32, 16, "AMD64_SMCA_MC", "_CONFIG"},
    {0xc0002005, 32, 16, "AMD64_SMCA_MC", "_IPID"},
    {0xc0002006, 32, 16, "AMD64_SMCA_MC", "_SYND"},
    {0xc0002008, 32, 16, "AMD64_SMCA_MC", "_DESTAT"},
    {0xc0002009, 32, 16, "AMD64_SMCA_MC", "_DEADDR"},
    {0xc000200a, 32, 16, "AMD64_SMCA_MC", "_MISC1"},
    {0xc000200e, 32, 16, "AMD64_SMCA_MC", "_SYND1"},
    {0xc000200f, 32, 16, "AMD64_SMCA_MC", "_SYND2"},
    {0xc0010000, 4, 1, "K7_EVNTSEL", ""},
    {0xc0010004, 4, 1, "K7_PERFCTR", ""},
    {0xc0010044, 7, 1, "AMD64_MC", "_MASK"},
    {0xc0010064, 8, 1, "AMD_PSTATE_DEF", ""},
    {0xc0010200, 6, 2, "F15H_PERF_CTL", ""},
    {0xc0010201, 6, 2, "F15H_PERF_CTR", ""},
    {0xc0010230, 4, 2, "F16H_L2I_PERF_CTL", ""},
    {0xc0010231, 4, 2, "F16H_L2I_PERF_CTR", ""},
    {0xc0010240, 4, 2, "F15H_NB_PERF_CTL", ""},
    {0xc0010241, 4, 2, "F15H_NB_PERF_CTR", ""},
};

constexpr std::size_t kFamilyNames = [] {
  std::size_t total = 0;
  for (const MsrFamily& family : kFamilies) total += family.count;
  return total;
}();

struct NameText {
  std::array<char, 31> text{};
  std::uint8_t size = 0;

  constexpr void append(std::string_view part) {
    for (const char c : part) text.at(size++) = c;  // too long: does not compile
  }
};

constexpr NameText family_name(const MsrFamily& family, std::uint32_t number) {
  NameText name;
  name.append(family.prefix);
  const char digits[] = {static_cast<char>('0' + number / 10),
                         static_cast<char>('0' + number % 10)};
  name.append(std::string_view(digits, 2).substr(number < 10 ? 1 : 0));
  name.append(family.suffix);
  return name;
}

// All names of all families, family by family, spelled out by the compiler: msr_name() can then
// return views that live for ever without a lock or an allocation.
constexpr auto kFamilyText = [] {
  std::array<NameText, kFamilyNames> names{};
  std::size_t at = 0;
  for (const MsrFamily& family : kFamilies) {
    for (std::uint32_t number = 0; number < family.count; ++number) {
      names[at++] = family_name(family, number);
    }
  }
  return names;
}();

constexpr bool families_are_disjoint() {
  for (std::size_t i = 0; i < std::size(kFamilies); ++i) {
    for (std::uint32_t n = 0; n < kFamilies[i].count; ++n) {
      const std::uint32_t index = kFamilies[i].first + n * kFamilies[i].stride;
      for (std::size_t j = i + 1; j < std::size(kFamilies); ++j) {
        if (kFamilies[j].contains(index)) return false;
      }
    }
  }
  return true;
}

static_assert(families_are_disjoint(), "an index has one name");

std::string_view family_member_name(std::uint32_t index) {
  std::size_t at = 0;
  for (const MsrFamily& family : kFamilies) {
    if (family.contains(index)) {
      const NameText& name = kFamilyText[at + (index - family.first) / family.stride];
      return {name.text.data(), name.size};
    }
    at += family.count;
  }
  return {};
}

std::span<const CodeName> table_for(std::uint32_t index) {
  if (index < 0x40000000) return intel_msrs();
  return index < 0xc0000000 ? virtual_msrs() : amd_msrs();
}

}  // namespace

std::span<const MsrFamily> msr_families() { return kFamilies; }

std::string_view msr_name(std::uint32_t index) {
  const std::string_view name = find_name(table_for(index), index);
  return name.empty() ? family_member_name(index) : name;
}

}  // namespace kvmx
