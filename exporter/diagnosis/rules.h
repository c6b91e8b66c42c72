// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "exporter/diagnosis/counters.h"
#include "exporter/diagnosis/finding.h"
#include "exporter/diagnosis/window.h"

/// What the numbers of one guest say, by the thresholds of thresholds.h. Pure functions.
///
/// To add a finding:
/// - its kind in finding.h, its thresholds with their reasons in thresholds.h, its rule here, its
///   name and its words in sentences.cc, its line in the README here;
/// - its tests in tests/unit/diagnosis/findings_test.cc, and guests that have it, or nearly, in
///   tests/rules/table.yml;
/// - its name in the contract: tests/rules/contract.txt, exporter/metrics/README.md;
/// - its alert, with the runbook and all else that tests/rules/run.sh asks for; its thresholds in
///   tests/rules/thresholds.py; its colour in dashboards/source/kvm.py.
namespace kvmx {

/// A guest's tick.
struct Tick {
  TickSource source = TickSource::programs;
  Counter counter = kTimerPrograms;
  double hertz = 0;  ///< what most of its running vCPUs reach

  [[nodiscard]] bool programs() const { return source != TickSource::halts; }
};
Tick tick_of(const VmWindow& vm);

/// All findings of a guest, in the order of their kinds; held_seconds is left to the caller.
std::vector<Finding> diagnose(const VmWindow& vm, const HostFacts& host);

/// timer_storm or idle_tick, if it is one. Adds to `findings`.
void find_tick(const VmWindow& vm, const HostFacts& host, std::vector<Finding>& findings);

/// msr_storm, vmm_storm and exit_storm. An exit_storm is one of exits that `findings` do not
/// explain.
void find_storms(const VmWindow& vm, const HostFacts& host, std::vector<Finding>& findings);

/// cpu_starved: by the guest's time as a whole, since its work may be on any of its vCPUs.
void find_starving(const VmWindow& vm, const HostFacts& host, std::vector<Finding>& findings);

/// interrupt_line_storm. Of a guest that sleeps all the time, too: the host does not.
void find_lines(const VmWindow& vm, const HostFacts& host, std::vector<Finding>& findings);

/// halt_poll_waste.
///
/// The kernel's event tells only polls that a wake-up ended: others end in a sleep, and their time
/// is part of that sleep's. Where KVM's statistics do not tell those, this is a lower bound.
void find_polling(const VmWindow& vm, const HostFacts& host, std::vector<Finding>& findings);

/// What every kind of finding says of a guest: on how many of its vCPUs a counter reaches `least`.
Evidence evidence_of(const VmWindow& vm, const HostFacts& host, Counter counter, double least);

/// Whether in each second of the window most of the running vCPUs could have reached `each`.
bool steady(const VmWindow& vm, Counter counter, double each);

/// CPUs that handling a vCPU's exits takes, its VMM's part left out.
double exit_cpus(const Rates& vcpu);

}  // namespace kvmx
