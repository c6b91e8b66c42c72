// SPDX-License-Identifier: Apache-2.0
// What must hold of whatever the fuzzers make of their input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "exporter/identity/label_value.h"

namespace kvmx {

inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

inline void require_label_value(std::string_view value) {
  require(value.size() <= kMaxLabelBytes, "a label value is bounded");
  require(label_value(value) == value, "a label value is fit as it is");
}

}  // namespace kvmx
