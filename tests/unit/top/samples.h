// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "exporter/summary/summary.h"

namespace kvmx {

inline FindingSummary sample_finding_summary(const std::string& kind, double held_seconds) {
  return {
      kind,
      held_seconds,
      {"It is idle, yet it ticks.", "That wakes CPUs.", "Most likely nohz=off.", "First, ask."}};
}

inline GuestSummary sample_guest(const std::string& label, double exits, double wakeups) {
  GuestSummary guest;
  guest.label = label;
  guest.pid = 4242;
  guest.vcpus = 32;
  guest.running = 31;
  guest.tick_hertz = wakeups / 32;
  guest.wakeups = wakeups;
  guest.exits = exits;
  guest.halted = 0.94;
  guest.cost = exits + wakeups;
  guest.reason = LeadingCause{"MSR_WRITE", 0.5};
  guest.msr = LeadingCause{"IA32_TSC_DEADLINE", 0.98};
  return guest;
}

/// A storm, a busy guest and a calm one; they come by cost.
inline HostSummary sample_summary() {
  HostSummary host;
  host.cpus = 64;
  host.clock = CpuClock{.max_hertz = 3.8e9, .mean_hertz = 3.4e9, .limit_hertz = 3.9e9};
  host.guests = {sample_guest("storm", 66'300, 33'030), sample_guest("Web-1", 70'000, 100),
                 sample_guest("calm", 645, 139)};
  host.guests[0].findings = {sample_finding_summary("timer_storm", 300)};
  return host;
}

}  // namespace kvmx
