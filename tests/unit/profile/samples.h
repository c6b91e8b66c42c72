// SPDX-License-Identifier: Apache-2.0
// A small kernel: its System.map, its ELF file, and exits of a guest that runs it.
#pragma once

#include <elf.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "exporter/profile/instructions.h"
#include "exporter/profile/kernel_image.h"
#include "exporter/profile/places.h"

namespace kvmx {

inline constexpr std::uint64_t kLinked = 0xffffffff81000000;
inline constexpr std::uint64_t kStep = std::uint64_t{2} << 20U;

/// Functions of 64 bytes each, from kLinked on.
inline const std::vector<std::pair<std::uint64_t, std::string>>& sample_functions() {
  static const std::vector<std::pair<std::uint64_t, std::string>> functions = [] {
    std::vector<std::pair<std::uint64_t, std::string>> made;
    for (std::uint64_t i = 0; i < 20'000; ++i)
      made.emplace_back(kLinked + i * 64, "function_" + std::to_string(i));
    made[1000].second = "native_write_msr";
    made[2000].second = "native_read_msr";
    made[9000].second = "pv_native_safe_halt";
    made[9001].second = "native_halt";
    made[15'000].second = "native_cpuid";
    return made;
  }();
  return functions;
}

inline std::uint64_t sample_address(const std::string& name) {
  for (const auto& [address, function] : sample_functions())
    if (function == name) return address;
  return 0;
}

/// The text of its System.map; moved by so much, that of a kernel that runs there.
inline std::string sample_map(std::uint64_t moved = 0) {
  std::string text = "0000000000000000 A fixed_percpu_data\n";
  for (const auto& [address, name] : sample_functions())
    text += address_text(address + moved).substr(2) + " T " + name + "\n";
  return text;
}

template <typename T>
void append(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

/// The ELF file of it: the instructions are 5 bytes into those functions that are named for them.
inline std::string sample_elf(bool symbols = true) {
  std::string code(sample_functions().size() * 64, '\x90');
  const auto put = [&](const std::string& function, const std::string& bytes) {
    code.replace(sample_address(function) - kLinked + 5, bytes.size(), bytes);
  };
  put("native_write_msr", "\x0f\x30");
  put("native_read_msr", "\x0f\x32");
  put("pv_native_safe_halt", "\xf4");
  put("native_halt", "\xf4");
  put("native_cpuid", "\x0f\xa2");
  std::string table(sizeof(Elf64_Sym), '\0');
  std::string strings(1, '\0');
  for (const auto& [address, name] : sample_functions()) {
    append(table, Elf64_Sym{.st_name = static_cast<Elf64_Word>(strings.size()),
                            .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
                            .st_other = 0,
                            .st_shndx = 1,
                            .st_value = address,
                            .st_size = 64});
    strings += name + '\0';
  }
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_machine = EM_X86_64;
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = symbols ? 4 : 2;
  header.e_shoff = sizeof(header) + code.size() + table.size() + strings.size();
  std::string file;
  append(file, header);
  file += code + table + strings;
  const auto section = [&](Elf64_Word type, std::uint64_t flags, std::uint64_t address,
                           std::uint64_t offset, std::uint64_t size, Elf64_Word link) {
    append(file, Elf64_Shdr{0, type, flags, address, offset, size, link, 0, 1, 0});
  };
  section(SHT_NULL, 0, 0, 0, 0, 0);
  section(SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, kLinked, sizeof(header), code.size(), 0);
  section(SHT_SYMTAB, 0, 0, sizeof(header) + code.size(), table.size(), 3);
  section(SHT_STRTAB, 0, 0, sizeof(header) + code.size() + table.size(), strings.size(), 0);
  return file;
}

/// An exit 5 bytes into a function of the kernel that runs `slide` above its addresses.
inline KnownInstruction sample_evidence(const std::string& function, Instruction instruction,
                                        std::uint64_t slide, std::uint64_t exits = 100) {
  return {instruction, std::nullopt, sample_address(function) + 5 + slide, exits};
}

inline std::vector<KnownInstruction> sample_evidence(std::uint64_t slide) {
  return {sample_evidence("pv_native_safe_halt", Instruction::hlt, slide),
          sample_evidence("native_write_msr", Instruction::wrmsr, slide),
          sample_evidence("native_read_msr", Instruction::rdmsr, slide, 2)};
}

inline PlaceCount sample_place(std::uint64_t rip, std::uint32_t vcpu, std::uint32_t reason,
                               std::uint64_t exits, kvmx_access access = KVMX_ACCESS_NONE,
                               std::uint32_t number = 0) {
  return {{.rip = rip, .vcpu_id = vcpu, .reason = reason, .access = access, .number = number},
          exits};
}

}  // namespace kvmx
