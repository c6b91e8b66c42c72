// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "exporter/base/result.h"

namespace kvmx {

/// A function of a kernel. Names refer to the text that it was read from.
struct Symbol {
  std::uint64_t address = 0;
  std::string_view name;
  std::string_view module = {};  ///< empty: the kernel itself
};

/// A function, and how far into it an address is.
struct FoundSymbol {
  std::string_view name;
  std::string_view module;
  std::uint64_t offset = 0;
};

/// The functions of a kernel in order of their addresses, as its file has them.
class SymbolTable {
 public:
  SymbolTable() = default;
  /// `symbols` in any order. Of several at one address the first has it.
  explicit SymbolTable(std::vector<Symbol> symbols);

  /// The function that has this address of the file.
  [[nodiscard]] std::optional<FoundSymbol> find(std::uint64_t address) const;

  /// Where the kernel's own code begins and ends; both 0 if there is none.
  [[nodiscard]] std::uint64_t begin() const { return begin_; }
  [[nodiscard]] std::uint64_t end() const { return end_; }

  /// The kernel's own functions with the address at which each ends, in order.
  template <typename Visit>
  void visit(Visit visit) const {
    for (std::size_t i = 0; i < symbols_.size(); ++i)
      if (symbols_[i].module.empty()) visit(symbols_[i], end_of(i));
  }

 private:
  [[nodiscard]] std::uint64_t end_of(std::size_t at) const;

  std::vector<Symbol> symbols_;
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
};

/// Reads a System.map or /proc/kallsyms: lines of an address, a type, a name, and [MODULE] if it is
/// a module's. Other lines are passed over. Refers to `text`. The error says what the file is
/// instead.
Result<SymbolTable> parse_symbols(std::string_view text);

}  // namespace kvmx
