// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "exporter/diagnosis/rules.h"
#include "exporter/diagnosis/thresholds.h"

namespace kvmx {
namespace {

Tick tick_by(const VmWindow& vm, TickSource source, Counter counter) {
  return {source, counter, reached_by_most(vm, counter)};
}

/// Whether the guest makes what it would not if its tick came from elsewhere.
bool any(const VmWindow& vm, Counter counter) {
  return vm.total[counter] >= threshold::kProgramsNone * static_cast<double>(vm.running.size());
}

/// An average over the vCPUs that run: parked ones sleep all the time, and say nothing.
double halted(const VmWindow& vm) {
  double sum = 0;
  for (const Rates& vcpu : vm.running) sum += std::min(vcpu[kHaltTime], 1.0);
  return sum / static_cast<double>(vm.running.size());
}

Finding finding(FindingKind kind, const VmWindow& vm, const HostFacts& host, const Tick& tick,
                double least) {
  Finding made{kind, evidence_of(vm, host, tick.counter, least)};
  made.evidence.source = tick.source;
  return made;
}

/// Whether the tick, or the wake-ups that it brings, are many enough for a storm; every second.
bool is_storm(const VmWindow& vm, const Tick& tick) {
  const auto reaches = [&vm](Counter counter) {
    return vm.total[counter] >= threshold::kStormTotal &&
           vm.weakest[counter] >= threshold::kEverySecond * threshold::kStormTotal;
  };
  return reaches(tick.counter) || reaches(kHalts);
}

/// The rate from which a timer that is programmed runs away.
double runaway_hertz(const VmWindow& vm, const HostFacts& host) {
  const bool never_halts = host.halts_counted && vm.since_halt >= threshold::kNeverHaltsSeconds;
  return never_halts ? threshold::kRunawayUnhaltedHertz : threshold::kRunawayHertz;
}

}  // namespace

Tick tick_of(const VmWindow& vm) {
  if (any(vm, kTimerPrograms)) return tick_by(vm, TickSource::programs, kTimerPrograms);
  if (vm.since_program >= threshold::kArmsStandInSeconds && any(vm, kTimerArms))
    return tick_by(vm, TickSource::arms, kTimerArms);
  return tick_by(vm, TickSource::halts, kHalts);
}

void find_tick(const VmWindow& vm, const HostFacts& host, std::vector<Finding>& findings) {
  const Tick tick = tick_of(vm);
  const auto ticks_at = [&](double hertz) {
    return tick.hertz >= hertz && steady(vm, tick.counter, hertz);
  };
  const double runaway = runaway_hertz(vm, host);
  if (tick.programs() && ticks_at(runaway)) {
    findings.push_back(finding(FindingKind::timer_storm, vm, host, tick, runaway));
    findings.back().evidence.runaway = true;
    return;
  }
  if (!host.halts_counted || !ticks_at(threshold::kTickHertz)) return;
  if (halted(vm) >= threshold::kIdle) {
    const FindingKind kind = is_storm(vm, tick) ? FindingKind::timer_storm : FindingKind::idle_tick;
    findings.push_back(finding(kind, vm, host, tick, threshold::kTickHertz));
  } else if (tick.programs() && vm.since_halt >= threshold::kNeverHaltsSeconds) {
    // Never a storm: busy guests look the same, and where HLT does not leave the guest its CPUs are
    // its own and never sleep, whether it ticks or not.
    findings.push_back(finding(FindingKind::idle_tick, vm, host, tick, threshold::kTickHertz));
    findings.back().evidence.never_halts = true;
  }
}

}  // namespace kvmx
