// SPDX-License-Identifier: Apache-2.0
#include "exporter/exposition/labels.h"

namespace kvmx {

void Labels::add(std::string_view name, std::string_view value) {
  if (!text_.empty()) text_ += ',';
  text_ += name;
  text_ += "=\"";
  for (const char c : value) {
    switch (c) {
      case '\\':
        text_ += "\\\\";
        break;
      case '"':
        text_ += "\\\"";
        break;
      case '\n':
        text_ += "\\n";
        break;
      default:
        text_ += c;
    }
  }
  text_ += '"';
}

void Labels::add(std::string_view name, std::uint64_t value) { add(name, std::to_string(value)); }

}  // namespace kvmx
