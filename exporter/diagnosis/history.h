// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "exporter/diagnosis/breakdown.h"
#include "exporter/diagnosis/causes.h"
#include "exporter/diagnosis/code_history.h"
#include "exporter/diagnosis/counters.h"
#include "exporter/diagnosis/place_history.h"
#include "exporter/diagnosis/window.h"

namespace kvmx {

/// When the rounds were that every history has a sample of.
class RoundTimes {
 public:
  /// Begins a round at a time of CLOCK_MONOTONIC. After a gap as long as the window, or a step
  /// back, what was before is of no use: everything starts again.
  void begin(std::uint64_t now_ns);

  /// The number of the round that has begun; the first is 1.
  [[nodiscard]] std::uint64_t current() const { return current_; }

  /// The first round since everything started again.
  [[nodiscard]] std::uint64_t first() const { return first_; }

  /// The round at which the window begins; nothing as long as there are not ten seconds.
  [[nodiscard]] std::optional<std::uint64_t> window_start() const;

  [[nodiscard]] std::uint64_t time_ns(std::uint64_t round) const { return times_[round % kRounds]; }
  [[nodiscard]] double seconds(std::uint64_t from, std::uint64_t to) const;

 private:
  std::array<std::uint64_t, kRounds> times_{};
  std::uint64_t current_ = 0;
  std::uint64_t first_ = 1;
};

/// The last ten seconds of one VM: 600 bytes a vCPU, since a host may have thousands.
///
/// Of each counter only the low 32 bits are kept, times in microseconds. Differences over ten
/// seconds are right nevertheless, and one that is not below 2^31 is a counter that stepped back.
class VmHistory {
 public:
  explicit VmHistory(const VmKey& key) : key_(key) {}

  [[nodiscard]] const VmKey& key() const { return key_; }

  /// To be called each round. When a counter steps back, or its vCPU is no more, the counts of
  /// slots were put together anew: the history starts again.
  void record(const VmCounters& vm, const RoundTimes& times, const HostFacts& host);

  /// Nothing as long as there are not ten seconds.
  [[nodiscard]] std::optional<VmWindow> window(const RoundTimes& times,
                                               const HostFacts& host) const;

  /// The same window for people who look; null as long as there are not ten seconds.
  [[nodiscard]] std::shared_ptr<const VmBreakdown> breakdown(const RoundTimes& times,
                                                             const HostFacts& host) const;

 private:
  using Sample = std::array<std::uint32_t, kCounters>;
  using Sums = std::array<std::uint64_t, kCounters>;

  struct Vcpu {
    std::optional<std::uint32_t> id;
    std::uint64_t since = 0;  ///< its first round
    std::array<Sample, kRounds> samples{};
  };

  static Sample sample_of(const VcpuCounters& counters);
  static bool runs(const Sample& moved, const HostFacts& host);
  void match_vcpus(const VmCounters& vm, const RoundTimes& times);
  void start_again(const RoundTimes& times);
  void note(const Sums& moved, std::size_t running, const VmCounters& vm, const RoundTimes& times);
  [[nodiscard]] ThreadCpus thread_cpus(std::uint64_t from, std::uint64_t to, double seconds) const;
  [[nodiscard]] Sums moved(std::uint64_t from, std::uint64_t to) const;
  [[nodiscard]] Rates rates(std::uint64_t from, std::uint64_t to, const RoundTimes& times) const;
  [[nodiscard]] std::optional<TimerLine> timer_line(std::uint64_t from, std::uint64_t to,
                                                    const RoundTimes& times) const;

  VmKey key_;
  Isa isa_ = Isa::other;
  std::uint64_t since_ = 0;                     ///< the first round of this history; 0: none yet
  std::uint64_t halted_ns_ = 0;                 ///< when a vCPU halted last, or this history began
  std::optional<std::uint64_t> programmed_ns_;  ///< when one programmed a timer MSR last
  std::vector<Vcpu> vcpus_;                     ///< by id, as in VmCounters
  std::unique_ptr<Causes> causes_;              ///< null of a VM that does little
  CodeHistory reasons_;
  CodeHistory msrs_;
  CodeHistory timer_msrs_;
  CodeHistory userspace_exits_;
  CodeHistory intervals_;
  CodeHistory lines_;
  PlaceHistory places_;
  std::array<std::array<std::uint32_t, kThreadKinds>, kRounds> threads_us_{};
};

}  // namespace kvmx
