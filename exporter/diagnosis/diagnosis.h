// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "exporter/diagnosis/counters.h"
#include "exporter/diagnosis/history.h"
#include "exporter/diagnosis/vm_diagnosis.h"

namespace kvmx {

/// Follows all VMs of a host, once a second. It makes no system call and takes no lock.
class Diagnosis {
 public:
  /// Whether a second has passed since the last round. Times are those of CLOCK_MONOTONIC, ns.
  [[nodiscard]] bool due(std::uint64_t now_ns) const;

  /// One round: takes the counters of all VMs, by their keys. A VM that is not among them any more
  /// is forgotten.
  void observe(std::span<const VmCounters> vms, const HostFacts& host, std::uint64_t now_ns);

  /// What the last round found.
  [[nodiscard]] const Diagnoses& diagnoses() const { return diagnoses_; }

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
  Diagnoses diagnoses_;
};

}  // namespace kvmx
