// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/diagnose.h"

#include "exporter/base/clock.h"
#include "exporter/counts/sum_counts.h"
#include "tests/bench/host.h"

namespace kvmx::bench {
namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;

Snapshot big_host() {
  SlotReader reader(monotonic_ns);
  return Host({.vms = 128, .vcpus = 32, .reasons = 20, .msrs = 8, .others = true}).snapshot(reader);
}

}  // namespace

DiagnosedHost::DiagnosedHost(bool storming) : snapshot_(big_host()), storming_(storming) {
  for (int second = 0; second < 15; ++second) {
    pass();
    diagnose();
  }
}

void DiagnosedHost::pass() {
  now_ns_ += kSecondNs;
  for (Vm& vm : snapshot_.vms) {
    for (VcpuCounts& vcpu : vm.counts.vcpus) {
      for (ReasonCount& reason : vcpu.reasons) {
        reason.exits += 500;
        reason.handling_ns += 500 * 2000;
      }
      for (MsrCount& msr : vcpu.msrs) msr.accesses[KVMX_WRITE] += storming_ ? 30'000 : 700;
      vcpu.timer_arms[KVMX_TIMER_HV] += 1000;
      vcpu.halts[KVMX_WAKEUP_WAIT].halts += 1000;
      vcpu.halts[KVMX_WAKEUP_WAIT].ns += storming_ ? 900'000'000 : 200'000'000;
    }
    vm.counts.total = total(vm.counts.vcpus);
  }
}

std::size_t DiagnosedHost::diagnose() {
  counters_.resize(snapshot_.vms.size());
  for (std::size_t i = 0; i < counters_.size(); ++i)
    read_counters(snapshot_.vms[i].counts, false, counters_[i]);
  diagnosis_.observe(counters_, {64, Isa::vmx, true, true}, now_ns_);
  std::size_t findings = 0;
  for (const VmDiagnosis& vm : diagnosis_.diagnoses()) findings += vm.findings.size();
  return findings;
}

}  // namespace kvmx::bench
