// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "exporter/diagnosis/diagnosis.h"
#include "exporter/snapshot/snapshot.h"

namespace kvmx::bench {

/// A host of 4,096 busy vCPUs, or of 4,096 that storm, as Exporter follows it once a second.
class DiagnosedHost {
 public:
  explicit DiagnosedHost(bool storming);

  /// Lets a second pass, in which every vCPU does something.
  void pass();

  /// What that second costs: reads the counters and looks for findings. Returns how many there are.
  std::size_t diagnose();

 private:
  Snapshot snapshot_;
  bool storming_;
  std::vector<VmCounters> counters_;
  Diagnosis diagnosis_;
  std::uint64_t now_ns_ = 1'000'000'000;
};

}  // namespace kvmx::bench
