// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "exporter/diagnosis/top_place.h"
#include "exporter/names/isa.h"

namespace kvmx {

/// Rounds that are kept: the window's ten seconds, and where they begin.
inline constexpr std::size_t kRounds = 11;

/// What is kept of each vCPU, in the order in which it is kept. Times are in microseconds.
enum Counter : std::uint8_t {
  kExits,
  kExitTime,
  kTimerPrograms,
  kTimerArms,  ///< by the host's timer; as a rate, the larger of both
  kTimerArmsHv,
  kHalts,
  kHaltTime,
  kPollTime,
  kMsrAccesses,
  kUserspaceExits,
  kUserspaceTime,
  kCpuTime,
  kRunDelay,
  kCounters
};

/// Each counter by the second; times as a share of one CPU's time.
using Rates = std::array<double, kCounters>;

/// The cause that accounts for most of the exits, accesses or returns of a VM.
struct TopCause {
  std::uint32_t code = 0;
  double rate = 0;   ///< by the second
  double share = 0;  ///< of all of its kind; of their cost, where it is an exit reason
};

/// The line of the real-time clock.
inline constexpr std::uint32_t kRtcLine = 8;

/// An interrupt line that a timer of a PC has.
struct TimerLine {
  std::uint32_t gsi = 0;
  double rate = 0;     ///< changes by the second
  double weakest = 0;  ///< in the second in which they were least
};

/// What one VM did in the last ten seconds.
struct VmWindow {
  std::uint32_t pid = 0;
  Isa isa = Isa::other;
  std::size_t vcpus = 0;       ///< that were there all the time
  std::vector<Rates> running;  ///< of those that ran
  Rates total{};               ///< of all, and of what no vCPU is known of
  Rates weakest{};             ///< the same in the second in which it was least, one by one
  Rates weaker_half{};         ///< the same in that half of the window
  double since_halt = 0;       ///< seconds since a vCPU halted last, or since the VM was seen first
  double since_program = 0;    ///< the same of timer MSRs; infinite if none was ever written
  std::optional<TopCause> msr;
  std::optional<TopCause> reason;
  std::optional<TopCause> userspace_exit;
  std::optional<TopPlace> port;
  std::optional<TopPlace> page;
  std::optional<TimerLine> line;  ///< the one that changes most
  double device_cpus = 0;         ///< of the VMM's threads that run no vCPU, and KVM's pit
};

/// How many of `vcpus` are most of them: three quarters, rounded up.
std::size_t most_of(std::size_t vcpus);

/// The value that most of them reach; 0 of none.
double reached_by_most(std::vector<double> values);

/// The same of one counter of the running vCPUs.
double reached_by_most(const VmWindow& vm, Counter counter);

}  // namespace kvmx
