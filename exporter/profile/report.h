// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "exporter/profile/places.h"

namespace kvmx {

/// A place in the guest's kernel by name.
struct FunctionName {
  std::string function;
  std::string module;  ///< empty: the kernel itself
  std::uint64_t offset = 0;
  std::string file = {};   ///< of its source; empty: not known
  std::uint32_t line = 0;  ///< there

  /// "lapic_next_deadline+0x28", with its module and line if it has them.
  [[nodiscard]] std::string text() const;
};

/// A place and its name.
struct RankedPlace {
  Place place;
  std::optional<FunctionName> name;
};

/// What is told of a profile.
struct Report {
  Profile profile;
  std::vector<RankedPlace> ranking;
  std::string symbols;                ///< which symbols were used and how sure that is; or why not
  std::optional<std::int64_t> slide;  ///< the kernel is this far above its symbols' addresses
  bool low_kernel = false;            ///< the guest's kernel is in the lower half
  std::vector<std::string> notes;     ///< what it suggests, a sentence or two each

  [[nodiscard]] double share(std::uint64_t exits) const;
};

/// As a table for people, at most `top` places long (0: all); followed by what it suggests.
std::string table_text(const Report& report, std::size_t top);

/// All of it, or the first `top` places.
std::string profile_json(const Report& report, std::size_t top);

/// Lines of "VM;[vCPU N;]place;reason COUNT", for flame graphs.
std::string folded_text(const Report& report);

}  // namespace kvmx
