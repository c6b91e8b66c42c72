// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "exporter/diagnosis/counters.h"
#include "exporter/diagnosis/finding.h"
#include "exporter/diagnosis/history.h"

namespace kvmx {

/// What is wrong with one VM now, and what was.
struct VmDiagnosis {
  VmKey key{};
  std::vector<Finding> findings{};  ///< that hold now, in the order of their kinds
  /// Nanoseconds for which each kind held since the VM was first seen; they only grow.
  std::array<std::uint64_t, kFindingKinds> held_ns{};
  std::optional<double> tick_hertz{};          ///< nothing before ten seconds are known
  std::optional<std::size_t> vcpus_running{};  ///< the same
};

/// What is wrong with a host's guests, by their key; never changed afterwards.
using Diagnoses = std::vector<VmDiagnosis>;

/// That of one VM; null if it has not been seen yet.
const VmDiagnosis* find_diagnosis(const Diagnoses& diagnoses, const VmKey& key);

/// Follows all VMs of a host, once a second. It makes no system call and takes no lock.
class Diagnosis {
 public:
  /// Whether a second has passed since the last round. Times are those of CLOCK_MONOTONIC, ns.
  [[nodiscard]] bool due(std::uint64_t now_ns) const;

  /// One round: takes the counters of all VMs, by their keys. A VM that is not among them any more
  /// is forgotten.
  void observe(std::span<const VmCounters> vms, const HostFacts& host, std::uint64_t now_ns);

  /// What the last round found; never null.
  [[nodiscard]] std::shared_ptr<const Diagnoses> diagnoses() const { return diagnoses_; }

 private:
  struct Vm {
    VmHistory history;
    std::array<std::uint64_t, kFindingKinds> held_ns{};
    std::array<std::uint64_t, kFindingKinds> since_ns{};  ///< when the finding began; 0: it is none
  };

  void match_vms(std::span<const VmCounters> vms);
  VmDiagnosis look(Vm& vm, const HostFacts& host) const;

  RoundTimes times_;
  std::vector<Vm> vms_;  ///< by key
  std::shared_ptr<const Diagnoses> diagnoses_ = std::make_shared<Diagnoses>();
};

}  // namespace kvmx
