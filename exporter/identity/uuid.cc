// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/uuid.h"

#include <cstddef>

namespace kvmx {

std::string canonical_uuid(std::string_view text) {
  constexpr std::string_view kForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  if (text.size() != kForm.size()) return {};
  std::string uuid;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
    const bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (kForm[i] == '-' ? c != '-' : !digit) return {};
    uuid += c;
  }
  return uuid;
}

}  // namespace kvmx
