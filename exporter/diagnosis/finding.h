// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "exporter/diagnosis/top_place.h"
#include "exporter/names/isa.h"

namespace kvmx {

/// What may be wrong with a guest. The order is that in which findings are listed.
enum class FindingKind : std::uint8_t {
  timer_storm,
  exit_storm,
  msr_storm,
  vmm_storm,
  cpu_starved,
  interrupt_line_storm,
  halt_poll_waste,
  idle_tick,
};
inline constexpr std::size_t kFindingKinds = 8;

/// As the label `finding` has it.
std::string_view finding_name(FindingKind kind);

/// By what a guest's tick is seen.
enum class TickSource : std::uint8_t {
  programs,  ///< writes of timer MSRs
  arms,      ///< KVM's armings: the guest's timer is no MSR
  halts,     ///< nothing but wake-ups: a periodic timer needs no programming
};

/// The numbers behind a finding, over the last ten seconds; rates are by the second. What does not
/// belong to its kind is left as it is here.
struct Evidence {
  std::size_t running = 0;     ///< vCPUs that ran
  std::size_t affected = 0;    ///< of those, the vCPUs that it is seen on
  double each = 0;             ///< what most of them reach: ticks, accesses, exits, returns
  double total = 0;            ///< of all vCPUs together
  double wakeups = 0;          ///< of all vCPUs together
  double halted = 0;           ///< share of the running vCPUs' time
  std::optional<double> cpus;  ///< what it costs the host; nothing where that is not measured
  TickSource source = TickSource::programs;
  bool runaway = false;               ///< the timer is no tick: it is programmed as fast as can be
  bool never_halts = false;           ///< whether the guest is idle cannot be seen
  std::optional<std::uint32_t> code;  ///< the MSR, exit code, KVM_EXIT_* or GSI of most of it
  double code_rate = 0;               ///< that one, of all vCPUs together
  std::optional<TopPlace> place;      ///< the port or page that most of it is about
  double waited = 0;                  ///< for a CPU, share of the time in which one was wanted
  Isa isa = Isa::other;
  std::uint32_t pid = 0;        ///< of the VMM
  std::uint32_t host_cpus = 0;  ///< 0: not known
};

struct Finding {
  FindingKind kind = FindingKind::timer_storm;
  Evidence evidence;
  double held_seconds = 0;  ///< for how long it has held without a break
};

/// A finding in words that need no knowledge of this program, a sentence each.
struct FindingText {
  std::string seen;    ///< what is seen
  std::string cost;    ///< what it costs the host
  std::string likely;  ///< what it most likely is
  std::string first;   ///< what to do first, from the host
};
FindingText describe(const Finding& finding);

/// All four, one after the other. Whoever shows a finding shows this, after the guest's name.
std::string sentences(const Finding& finding);

}  // namespace kvmx
