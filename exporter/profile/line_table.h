// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace kvmx {

/// What a kernel's debug information says of lines: sections of DWARF, as they are in the file.
struct DebugSections {
  std::string_view line;      ///< .debug_line
  std::string_view line_str;  ///< .debug_line_str
  std::string_view str;       ///< .debug_str
};

/// A line of source code.
struct SourceLine {
  std::string file;  ///< as the compiler was told it
  std::uint32_t line = 0;

  bool operator==(const SourceLine&) const = default;
};

/// The lines of those of `addresses`, which are in order, that have one. Reads line number programs
/// of DWARF 2 to 5 (dwarfstd.org, 6.2), which need nothing else of the debug information. What is
/// broken is passed over.
std::map<std::uint64_t, SourceLine> find_lines(const DebugSections& sections,
                                               std::span<const std::uint64_t> addresses);

}  // namespace kvmx
