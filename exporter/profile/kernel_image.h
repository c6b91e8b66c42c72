// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exporter/base/result.h"
#include "exporter/profile/line_table.h"
#include "exporter/profile/symbols.h"

namespace kvmx {

/// Code of a kernel's file, and the address at which it is meant to run.
struct CodeSection {
  std::uint64_t address = 0;
  std::span<const unsigned char> bytes;

  [[nodiscard]] bool contains(std::uint64_t at) const {
    return at >= address && at - address < bytes.size();
  }
};

/// What a kernel's file says: the names of its functions, its code, or both.
struct KernelImage {
  SymbolTable symbols;                 ///< empty if the file has none
  std::vector<CodeSection> code = {};  ///< empty if the file has only names
  DebugSections debug = {};            ///< of lines; empty if the file has none
  std::vector<std::shared_ptr<const std::string>> unpacked = {};  ///< that `debug` refers to
};

/// Whether this is an ELF file.
bool is_elf(std::string_view bytes);

/// Reads an ELF file of x86-64, such as vmlinux. Refers to `bytes`. What is broken in it is passed
/// over. The error says what it is instead.
Result<KernelImage> parse_elf(std::string_view bytes);

/// Reads any file that --symbols takes.
Result<KernelImage> parse_kernel(std::string_view bytes);

}  // namespace kvmx
