// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "exporter/diagnosis/rules.h"
#include "exporter/diagnosis/thresholds.h"

namespace kvmx {

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
  if (vm.running.empty()) return findings;
  find_tick(vm, host, findings);
  find_storms(vm, host, findings);
  find_polling(vm, host, findings);
  std::ranges::sort(findings, {}, &Finding::kind);
  return findings;
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
