// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "exporter/diagnosis/finding.h"
#include "exporter/kernel/cpu_clock.h"
#include "exporter/snapshot/snapshot.h"

namespace kvmx {

/// What accounts for most of a guest's exits or MSR accesses.
struct LeadingCause {
  std::string name;
  double share = 0;  ///< of all of its kind, 0 to 1
};

/// One finding of a guest, in words.
struct FindingSummary {
  std::string kind;  ///< as the label `finding` has it
  double held_seconds = 0;
  FindingText text;
};

/// One guest in a line, over the last ten seconds. What is not known is left out: rates before ten
/// seconds are known, exits where they are not counted.
struct GuestSummary {
  std::string label;
  std::uint32_t pid = 0;
  std::uint64_t vcpus = 0;             ///< that exist
  std::optional<std::size_t> running;  ///< of those, the ones that ran
  std::optional<double> tick_hertz;
  std::optional<double> wakeups;  ///< a second, as are exits
  std::optional<double> exits;
  std::optional<double> halted;  ///< share of its running vCPUs' time, 0 to 1
  /// Exits and wake-ups a second. Where exits are not counted, MSR accesses and returns to the VMM
  /// stand for them, each of which is one.
  double cost = 0;
  std::optional<LeadingCause> reason;
  std::optional<LeadingCause> msr;
  std::vector<FindingSummary> findings;  ///< in the order of their kinds
};

/// Whether the host's exits are counted.
enum class ExitCounting : std::uint8_t {
  counted,
  not_raised,   ///< by this KVM: kvm_exit is attached and never fires, while other events do
  not_counted,  ///< kvm_exit is not attached
};

/// A host and its guests for people: what page and terminal show. Excluded VMs are left out of all
/// of it, and so are those that have ended.
struct HostSummary {
  std::uint32_t cpus = 0;         ///< online; 0: not known
  std::optional<CpuClock> clock;  ///< nothing where the kernel does not tell
  ExitCounting exit_counting = ExitCounting::counted;
  std::vector<GuestSummary> guests;  ///< those that cost most first

  [[nodiscard]] double exits() const;    ///< a second, of all guests
  [[nodiscard]] double wakeups() const;  ///< the same
  [[nodiscard]] bool watched() const;    ///< some guest has been seen for ten seconds
};

HostSummary summarize(const Snapshot& snapshot);

/// That of one VM, which may be excluded or have ended. `isa_of_host`: for VMs that have not told
/// theirs.
GuestSummary summarize(const Vm& vm, Isa isa_of_host, bool exits_counted);

/// All findings of a host: the worst kind first, of a kind the one that has held longest.
std::vector<std::pair<const GuestSummary*, const FindingSummary*>> worst_first(
    const HostSummary& host);

/// In the order of their kinds.
std::vector<FindingSummary> summarize(const std::vector<Finding>& findings);

ExitCounting exit_counting(const Snapshot& snapshot);

}  // namespace kvmx
