// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "exporter/metrics/self.h"
#include "exporter/snapshot/snapshot.h"
#include "tests/bench/fleet/workload.h"

namespace kvmx::bench {

/// What a simulated fleet is, and what happens to it. Times are in seconds; 0 of an interval:
/// never.
struct FleetOptions {
  std::uint32_t hosts = 100;
  std::uint32_t guests = 100;  ///< of each host
  std::uint32_t vcpus = 16;    ///< of each guest
  std::uint32_t storms = 0;    ///< guests that storm, on hosts evenly spread
  double storm_after = 0;      ///< from when on they do; below 0: from begin_storms() on
  double storm_for = 0;        ///< 0: for ever
  double migrate_every = 0;    ///< each host sends a guest to the next one; those that storm, too
  double churn_every = 0;      ///< so long a tenth of the guests live, then others come
  double restart_every = 0;    ///< each exporter restarts
};

/// Pages of a fleet at any moment, as the exporters' Snapshots. Everything follows from the options
/// and the time, so a page may be asked for as often as one likes, and from any thread: counters of
/// the same VM and exporter never step back from one moment to a later one.
class Fleet {
 public:
  /// `began`: the moment from which the options' times count, in seconds since the epoch.
  Fleet(const FleetOptions& options, double began);

  void begin_storms(double now) { storms_begin_ = now; }

  /// What the exporter of this host, from 0 on, has at `now`. Not `by_vcpu`: without the vCPUs,
  /// which costs less, for pages that leave them out.
  [[nodiscard]] Snapshot snapshot(std::uint32_t host, double now, bool by_vcpu) const;

  [[nodiscard]] SelfStats self(std::uint32_t host, double now) const;

  [[nodiscard]] const FleetOptions& options() const { return options_; }

  static std::string host_name(std::uint32_t host);

 private:
  /// A guest's stay on one host.
  struct Stay;

  [[nodiscard]] double exporter_start(std::uint32_t host, double now) const;
  [[nodiscard]] bool storms(std::uint32_t home) const;
  [[nodiscard]] Workload workload_of(std::uint32_t slot) const;
  void add_travellers(std::uint32_t host, double now, bool by_vcpu, Snapshot& snapshot) const;
  void add_short_lived(std::uint32_t host, std::uint32_t slot, double now, bool by_vcpu,
                       Snapshot& snapshot) const;
  void add(const Stay& stay, double now, bool by_vcpu, Snapshot& snapshot) const;
  void count(const Stay& stay, double from, double until, Vm& vm) const;

  FleetOptions options_;
  double began_;
  std::atomic<double> storms_begin_;
};

}  // namespace kvmx::bench
