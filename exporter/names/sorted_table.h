// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace kvmx {

/// A code that the kernel or the hardware gives to something, and the name people know it by.
/// `name` refers to a string literal and lives for ever.
struct CodeName {
  std::uint32_t code;
  std::string_view name;
};

/// True when `table` is strictly ascending by code: sorted, and no code twice.
constexpr bool is_sorted_unique(std::span<const CodeName> table) {
  for (std::size_t i = 1; i < table.size(); ++i) {
    if (table[i - 1].code >= table[i].code) return false;
  }
  return true;
}

/// The name of `code` in a table for which is_sorted_unique() holds; "" if it has none.
constexpr std::string_view find_name(std::span<const CodeName> table, std::uint32_t code) {
  const auto at = std::lower_bound(
      table.begin(), table.end(), code,
      [](const CodeName& entry, std::uint32_t wanted) { return entry.code < wanted; });
  if (at == table.end() || at->code != code) return {};
  return at->name;
}

}  // namespace kvmx
