// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "exporter/diagnosis/rules.h"
#include "exporter/diagnosis/thresholds.h"

namespace kvmx {
namespace {

/// Whether a guest has more to do than to tick.
bool is_at_work(const VmWindow& vm) {
  const auto vcpus = static_cast<double>(vm.running.size());
  return vm.total[kCpuTime] >= threshold::kStarvedAtWork ||
         vm.total[kHalts] < threshold::kRestlessHertz * vcpus;
}

}  // namespace

bool steady(const VmWindow& vm, Counter counter, double each) {
  const auto vcpus = static_cast<double>(most_of(vm.running.size()));
  return vm.weakest[counter] >= threshold::kEverySecond * each * vcpus;
}

double exit_cpus(const Rates& vcpu) {
  return std::clamp(vcpu[kExitTime] - vcpu[kUserspaceTime],
                    vcpu[kExits] * threshold::kExitLeastSeconds,
                    vcpu[kExits] * threshold::kExitMostSeconds);
}

Evidence evidence_of(const VmWindow& vm, const HostFacts& host, Counter counter, double least) {
  Evidence evidence;
  evidence.running = vm.running.size();
  double exits_cost = 0;
  for (const Rates& vcpu : vm.running) {
    evidence.affected += vcpu[counter] >= least ? 1 : 0;
    evidence.halted += std::min(vcpu[kHaltTime], 1.0) / static_cast<double>(vm.running.size());
    exits_cost += exit_cpus(vcpu);
  }
  evidence.each = reached_by_most(vm, counter);
  evidence.total = vm.total[counter];
  evidence.wakeups = vm.total[kHalts];
  if (host.exits_counted) evidence.cpus = exits_cost;
  evidence.isa = vm.isa;
  evidence.pid = vm.pid;
  evidence.host_cpus = host.cpus;
  return evidence;
}

std::vector<Finding> diagnose(const VmWindow& vm, const HostFacts& host) {
  std::vector<Finding> findings;
  find_lines(vm, host, findings);
  if (vm.running.empty()) return findings;
  find_starving(vm, host, findings);
  find_tick(vm, host, findings);
  find_storms(vm, host, findings);
  find_polling(vm, host, findings);
  std::ranges::sort(findings, {}, &Finding::kind);
  return findings;
}

void find_starving(const VmWindow& vm, const HostFacts& host, std::vector<Finding>& findings) {
  const auto starves = [](const Rates& rates) {
    return rates[kRunDelay] > threshold::kStarved * (rates[kCpuTime] + rates[kRunDelay]);
  };
  const double least = threshold::kStarvedCpus;
  if (!is_at_work(vm) || !starves(vm.total) || vm.total[kRunDelay] < least) return;
  if (vm.weaker_half[kRunDelay] < threshold::kEverySecond * least) return;
  Evidence evidence = evidence_of(vm, host, kRunDelay, 0);
  evidence.affected = static_cast<std::size_t>(std::ranges::count_if(vm.running, starves));
  evidence.total = vm.total[kCpuTime];
  evidence.cpus = vm.total[kRunDelay];
  evidence.waited = vm.total[kRunDelay] / (vm.total[kCpuTime] + vm.total[kRunDelay]);
  findings.push_back({FindingKind::cpu_starved, evidence});
}

void find_lines(const VmWindow& vm, const HostFacts& host, std::vector<Finding>& findings) {
  const double least = threshold::kLineStormHertz;
  if (!vm.line || vm.line->rate < least) return;
  if (vm.line->weakest < threshold::kEverySecond * least) return;
  Evidence evidence = evidence_of(vm, host, kExits, 0);
  evidence.code = vm.line->gsi;
  evidence.code_rate = vm.line->rate;
  evidence.cpus = vm.device_cpus;
  findings.push_back({FindingKind::interrupt_line_storm, evidence});
}

void find_polling(const VmWindow& vm, const HostFacts& host, std::vector<Finding>& findings) {
  const double least = threshold::kPollCpus;
  if (vm.total[kPollTime] < least || vm.weakest[kPollTime] < threshold::kEverySecond * least)
    return;
  Evidence evidence =
      evidence_of(vm, host, kPollTime, least / static_cast<double>(vm.running.size()));
  evidence.cpus = vm.total[kPollTime];
  findings.push_back({FindingKind::halt_poll_waste, evidence});
}

}  // namespace kvmx
