// SPDX-License-Identifier: Apache-2.0
// Feeds arbitrary bytes to what reads a kernel's file: System.map, kallsyms, ELF; and looks up
// addresses in what it makes of them. Seeds: tests/fuzz/corpus/symbols.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "exporter/profile/slide.h"
#include "exporter/profile/symbol_file.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using kvmx::Instruction;
  const auto image = kvmx::parse_kernel({reinterpret_cast<const char*>(data), size});
  if (!image) {
    kvmx::require(!image.error().message.empty(), "an error says what is wrong");
    return 0;
  }
  constexpr std::uint64_t kAddress = 0xffffffff81000005;
  const std::array<kvmx::KnownInstruction, 2> evidence = {
      kvmx::KnownInstruction{Instruction::hlt, std::nullopt, kAddress, 10},
      kvmx::KnownInstruction{Instruction::wrmsr, 0x6e0, kAddress + 64, 10}};
  constexpr std::array<std::uint64_t, 2> kAddresses = {kAddress, kAddress + 64};
  const auto slide = kvmx::find_slide(*image, evidence);
  const std::int64_t bytes = slide ? slide->bytes : 0;
  kvmx::require(bytes % (2 << 20) == 0, "a slide is a multiple of 2 MiB");
  for (const auto& [address, line] : kvmx::find_lines(image->debug, kAddresses))
    kvmx::require(!line.file.empty(), "a line is of a file");
  for (const std::uint64_t rip : {kAddress, kAddress + 64, std::uint64_t{0xffffffffc0000010}}) {
    const auto name = kvmx::name_of(*image, bytes, rip);
    if (!name) continue;
    kvmx::require(!name->function.empty(), "a function has a name");
    for (const char c : name->text()) kvmx::require(c >= ' ' && c <= '~', "a name can be printed");
  }
  return 0;
}
