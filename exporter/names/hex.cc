// SPDX-License-Identifier: Apache-2.0
#include "exporter/names/hex.h"

#include <array>
#include <charconv>

namespace kvmx {

std::string hex(std::uint64_t value) {
  std::array<char, 2 * sizeof(value)> digits{};
  const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), value, 16);
  std::string text = "0x";
  text.append(digits.data(), written.ptr);
  return text;
}

}  // namespace kvmx
