// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "exporter/base/vm_key.h"
#include "exporter/diagnosis/finding.h"

namespace kvmx {

struct VmBreakdown;

/// What is wrong with one VM now, and what was.
struct VmDiagnosis {
  VmKey key{};
  std::vector<Finding> findings{};  ///< that hold now, in the order of their kinds
  /// Nanoseconds for which each kind held since the VM was first seen; they only grow.
  std::array<std::uint64_t, kFindingKinds> held_ns{};
  std::optional<double> tick_hertz{};  ///< nothing before ten seconds are known, or once it ended
  std::optional<std::size_t> vcpus_running{};      ///< the same
  std::shared_ptr<const VmBreakdown> breakdown{};  ///< what it did; null for nothing
};

/// What is wrong with a host's guests, by their keys.
using Diagnoses = std::vector<VmDiagnosis>;

/// That of one VM; null if it has not been seen yet.
const VmDiagnosis* find_diagnosis(const Diagnoses& diagnoses, const VmKey& key);

}  // namespace kvmx
