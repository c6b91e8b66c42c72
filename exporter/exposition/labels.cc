// SPDX-License-Identifier: Apache-2.0
#include "exporter/exposition/labels.h"

#include <array>
#include <charconv>

namespace kvmx {
namespace {

constexpr std::string_view kEscaped = "\\\"\n";

}  // namespace

void Labels::add(std::string_view name, std::string_view value) {
  begin(name);
  for (std::size_t plain = value.find_first_of(kEscaped); plain != std::string_view::npos;
       plain = value.find_first_of(kEscaped)) {
    text_ += value.substr(0, plain);
    text_ += '\\';
    text_ += value[plain] == '\n' ? 'n' : value[plain];
    value.remove_prefix(plain + 1);
  }
  text_ += value;
  text_ += '"';
}

void Labels::add(std::string_view name, std::uint64_t value) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  begin(name);
  text_.append(digits.data(), end);
  text_ += '"';
}

void Labels::begin(std::string_view name) {
  if (!text_.empty()) text_ += ',';
  text_ += name;
  text_ += "=\"";
}

}  // namespace kvmx
