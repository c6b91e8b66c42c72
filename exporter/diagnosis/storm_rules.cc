// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "bpf/vcpu_slot.h"
#include "exporter/diagnosis/kvm_exit_codes.h"
#include "exporter/diagnosis/rules.h"
#include "exporter/diagnosis/thresholds.h"

namespace kvmx {
namespace {

/// A timer that expires as soon as it is set exits three times: for the write, for the expiry, and
/// for the interrupt.
constexpr double kExitsPerProgram = 3;

bool names_one(const std::optional<TopCause>& cause) {
  return cause && cause->share >= threshold::kOneCause;
}

void add_cause(Evidence& evidence, const std::optional<TopCause>& cause) {
  if (!cause) return;
  evidence.code = cause->code;
  evidence.code_rate = cause->rate;
}

/// Whether the VMM waits after such a return rather than works: for a wake-up where the interrupt
/// controller is its own, or for a signal.
bool vmm_waits(std::uint32_t code) {
  return code == kvm_exit::kHlt || code == kvm_exit::kIntr || code == kvm_exit::kApResetHold ||
         code == KVMX_USERSPACE_RESTART;
}

double vmm_cpus(const Rates& vcpu, bool waits) {
  const double least = vcpu[kUserspaceExits] * threshold::kUserspaceExitLeastSeconds;
  if (waits) return least;
  return std::clamp(vcpu[kUserspaceTime], least,
                    vcpu[kUserspaceExits] * threshold::kUserspaceExitMostSeconds);
}

void find_msr_storm(const VmWindow& vm, const HostFacts& host, std::vector<Finding>& findings) {
  const double least = threshold::kMsrStormHertz;
  if (reached_by_most(vm, kMsrAccesses) < least || !steady(vm, kMsrAccesses, least)) return;
  if (!names_one(vm.msr)) return;
  Evidence evidence = evidence_of(vm, host, kMsrAccesses, least);
  add_cause(evidence, vm.msr);
  if (evidence.cpus && vm.total[kExits] > 0)
    *evidence.cpus *= std::min(1.0, vm.total[kMsrAccesses] / vm.total[kExits]);
  findings.push_back({FindingKind::msr_storm, evidence});
}

void find_vmm_storm(const VmWindow& vm, const HostFacts& host, std::vector<Finding>& findings) {
  if (!names_one(vm.userspace_exit)) return;
  const bool waits = vmm_waits(vm.userspace_exit->code);
  std::vector<double> costs;
  double sum = 0;
  for (const Rates& vcpu : vm.running) {
    costs.push_back(vmm_cpus(vcpu, waits));
    sum += costs.back();
  }
  const double least = threshold::kVmmStormCpus;
  if (reached_by_most(costs) < least) return;
  if (!steady(vm, kUserspaceExits, least / threshold::kUserspaceExitMostSeconds)) return;
  Evidence evidence = evidence_of(vm, host, kUserspaceExits, 0);
  evidence.affected = static_cast<std::size_t>(
      std::ranges::count_if(costs, [&](double cpus) { return cpus >= least; }));
  evidence.cpus = sum;
  add_cause(evidence, vm.userspace_exit);
  if (vm.userspace_exit->code == kvm_exit::kIo) evidence.place = vm.port;
  if (vm.userspace_exit->code == kvm_exit::kMmio) evidence.place = vm.page;
  if (evidence.place && evidence.place->share < threshold::kOnePlace) evidence.place.reset();
  findings.push_back({FindingKind::vmm_storm, evidence});
}

/// Exits of a vCPU that the findings so far account for.
double explained(const Rates& vcpu, const std::vector<Finding>& findings) {
  double exits = 0;
  for (const Finding& finding : findings) {
    switch (finding.kind) {
      case FindingKind::timer_storm:
        exits += kExitsPerProgram * std::max(vcpu[kTimerPrograms], vcpu[kTimerArms]);
        break;
      case FindingKind::msr_storm:
        exits += vcpu[kMsrAccesses];
        break;
      case FindingKind::vmm_storm:
        exits += vcpu[kUserspaceExits];
        break;
      default:
        break;
    }
  }
  return exits;
}

void find_exit_storm(const VmWindow& vm, const HostFacts& host, std::vector<Finding>& findings) {
  if (!host.exits_counted || !vm.reason) return;
  std::vector<double> costs;
  double sum = 0;
  for (const Rates& vcpu : vm.running) {
    const double left = std::max(0.0, 1 - explained(vcpu, findings) / std::max(1.0, vcpu[kExits]));
    costs.push_back(left * exit_cpus(vcpu));
    sum += costs.back();
  }
  const double least = threshold::kExitStormCpus;
  if (reached_by_most(costs) < least) return;
  if (!steady(vm, kExits, least / threshold::kExitMostSeconds)) return;
  Evidence evidence = evidence_of(vm, host, kExits, 0);
  evidence.affected = static_cast<std::size_t>(
      std::ranges::count_if(costs, [&](double cpus) { return cpus >= least; }));
  evidence.cpus = sum;
  add_cause(evidence, vm.reason);
  findings.push_back({FindingKind::exit_storm, evidence});
}

}  // namespace

void find_storms(const VmWindow& vm, const HostFacts& host, std::vector<Finding>& findings) {
  find_msr_storm(vm, host, findings);
  find_vmm_storm(vm, host, findings);
  find_exit_storm(vm, host, findings);
}

}  // namespace kvmx
