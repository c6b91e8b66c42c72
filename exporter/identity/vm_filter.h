// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "exporter/base/result.h"

namespace re2 {
class RE2;
}

namespace kvmx {

/// A regular expression as Prometheus understands it: RE2's syntax, and the whole text must match.
class Pattern {
 public:
  /// The error says what is wrong with it.
  static Result<Pattern> compile(const std::string& pattern);
  [[nodiscard]] bool matches(std::string_view text) const;

 private:
  std::shared_ptr<const re2::RE2> compiled_;
};

/// Which VMs are shown, by their label `vm`.
struct VmFilter {
  std::optional<Pattern> include;  ///< nothing: all
  std::optional<Pattern> exclude;  ///< nothing: none

  [[nodiscard]] bool shows(std::string_view label) const {
    return (!include || include->matches(label)) && (!exclude || !exclude->matches(label));
  }
};

}  // namespace kvmx
