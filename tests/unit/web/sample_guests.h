// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "exporter/diagnosis/breakdown.h"
#include "exporter/snapshot/snapshot.h"

namespace kvmx {

/// A finding with the numbers of the story.
inline Finding sample_finding(FindingKind kind, double held_seconds) {
  Finding made{.kind = kind, .evidence = {}, .held_seconds = held_seconds};
  made.evidence.running = made.evidence.affected = 32;
  made.evidence.each = 1036;
  made.evidence.total = 33'160;
  made.evidence.wakeups = 33'030;
  made.evidence.halted = 0.94;
  made.evidence.pid = 4242;
  return made;
}

/// What `vcpus` vCPUs did that tick `hertz` times a second each, for which they exit twice; half of
/// them are parked.
inline VmBreakdown sample_breakdown(std::uint32_t vcpus, double hertz) {
  VmBreakdown made;
  for (std::uint32_t id = 0; id < vcpus; ++id) {
    VcpuRates& vcpu = made.vcpus.emplace_back(VcpuRates{id, id % 2 == 0, {}});
    if (!vcpu.running) continue;
    vcpu.rates[kExits] = 2 * hertz;
    vcpu.rates[kTimerPrograms] = vcpu.rates[kHalts] = hertz;
    vcpu.rates[kHaltTime] = 0.94;
    for (std::size_t i = 0; i < kCounters; ++i) made.total[i] += vcpu.rates[i];
  }
  const double total = made.total[kHalts];
  made.reasons = {{32, total}, {12, 0.75 * total}, {0xffffffff, 0.25 * total}};
  made.msrs = {{0x6e0, 0.99 * total}, {0x12345, 0.01 * total}};
  made.userspace_exits = {{2, 4.25}};
  made.intervals = {{4, 0.9 * total}, {6, 0.1 * total}};
  made.places = {{IoSpace::port, 0x608, {9000, 0}},
                 {IoSpace::mmio, 0xfe003000, {0, 800}},
                 {IoSpace::port, std::nullopt, {150, 50}}};
  made.lines = {{0, 2004}, {0xffffffff, 12}};
  made.threads = {2.1, 0.25, 0, 0.004};
  made.total[kRunDelay] = 0.375;
  return made;
}

/// A guest that has been seen for ten seconds, with 32 vCPUs.
inline Vm sample_vm(const std::string& label, std::vector<Finding> findings, double hertz = 14) {
  Vm made;
  made.label = label;
  made.counts.isa = Isa::vmx;
  made.counts.listed = 32;
  made.counts.vcpus.resize(1);
  made.counts.vcpus[0].id = 0;
  made.counts.total.reasons = {{12, 100, 0}};
  made.diagnosis.tick_hertz = hertz;
  made.diagnosis.vcpus_running = 16;
  made.diagnosis.findings = std::move(findings);
  made.diagnosis.breakdown = std::make_shared<VmBreakdown>(sample_breakdown(32, hertz));
  return made;
}

/// A host on which kvm_exit and kvm_msr are counted.
inline Snapshot sample_host(std::vector<Vm> vms) {
  Snapshot made;
  made.vms = std::move(vms);
  made.probes = {{"kvm_exit", true, 3}, {"kvm_msr", true, std::nullopt}};
  made.host.cpus = 64;
  return made;
}

}  // namespace kvmx
