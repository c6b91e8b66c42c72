// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "exporter/snapshot/snapshot.h"

namespace kvmx {

/// What a VM did of late, by the second.
struct VmRate {
  std::string label;
  std::size_t vcpus = 0;
  double exits = 0;
  double timer_writes = 0;  ///< of the MSRs that program a timer
  double halted = 0;        ///< share of its vCPUs' time, 0 to 1
};

/// Rates of VMs over the last ten seconds or so, from the totals of one snapshot a second: for
/// people who look without a Prometheus. Safe to use from several threads.
class VmRates {
 public:
  using Clock = std::chrono::steady_clock;

  /// To be called about every second.
  void record(const Snapshot& snapshot, Clock::time_point now = Clock::now());

  /// At most `count` VMs that live and are exported, the busiest first: by exits, and by timer
  /// writes where exits are not counted. A VM seen once only has no rate yet.
  [[nodiscard]] std::vector<VmRate> busiest(std::size_t count) const;

 private:
  struct Totals {
    std::uint64_t exits = 0;
    std::uint64_t timer_writes = 0;
    std::uint64_t halt_ns = 0;
    std::size_t vcpus = 0;
    std::string label;
  };
  struct Sample {
    Clock::time_point time;
    std::map<VmKey, Totals> vms;
  };

  static Totals totals(const Vm& vm);
  static VmRate rate(const Totals& before, const Totals& now, double seconds);

  mutable std::mutex mutex_;
  std::deque<Sample> samples_;  ///< the oldest first
};

}  // namespace kvmx
