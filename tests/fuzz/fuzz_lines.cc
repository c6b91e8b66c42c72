// SPDX-License-Identifier: Apache-2.0
// Feeds arbitrary bytes to the reader of DWARF's line number programs, as all of its sections.
// Seeds: tests/fuzz/corpus/lines.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "exporter/profile/line_table.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  constexpr std::array<std::uint64_t, 4> kAddresses = {0, 5, 0xffffffff81000010, ~std::uint64_t{0}};
  for (const auto& [address, line] : kvmx::find_lines({bytes, bytes, bytes}, kAddresses)) {
    kvmx::require(!line.file.empty(), "a line is of a file");
    kvmx::require(address != ~std::uint64_t{0}, "no row ends behind the last address");
  }
  return 0;
}
