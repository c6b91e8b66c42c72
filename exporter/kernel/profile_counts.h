// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "bpf/exit_profile.h"

namespace kvmx {

/// Exits of one place in the guest.
struct PlaceCount {
  profile_key place{};
  std::uint64_t exits = 0;
};

/// What was counted, each exit once.
struct ProfileCounts {
  std::vector<PlaceCount> places{};
  std::map<std::uint32_t, std::uint64_t> others{};  ///< by reason, for which `places` had no room
  std::uint64_t unplaced = 0;                       ///< for which not even `others` had
  std::uint64_t not_chosen = 0;                     ///< for reasons that are not chosen
  std::uint64_t missed = 0;  ///< programs that the kernel skipped; 0 too where it does not tell
};

}  // namespace kvmx
