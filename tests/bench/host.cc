// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/host.h"

#include <random>
#include <string>

#include "exporter/counts/sum_counts.h"
#include "exporter/names/exit_reasons.h"

namespace kvmx::bench {
namespace {

/// Counters of a host that has been up for a while: 4 to 9 digits.
std::uint64_t any_count(std::minstd_rand& random) {
  std::uint64_t scale = 1000;
  for (auto digits = random() % 6; digits > 0; --digits) scale *= 10;
  return scale + random() % scale;
}

void fill_others(vcpu_slot& slot, std::minstd_rand& random) {
  for (kvmx_reason& reason : slot.reason)
    if (reason.count != 0) reason.ns = 1000 * any_count(random);
  for (auto& halts : slot.halts) halts = {any_count(random), 1000 * any_count(random)};
  for (auto& arms : slot.timer_arms) arms = any_count(random);
  for (auto& bucket : slot.latency) bucket = any_count(random);
  for (auto& bucket : slot.intervals) bucket = any_count(random);
  slot.interval_total_ns = 1000 * any_count(random);
  slot.timer_seen = 1 + KVMX_TIMER_HV;
  for (const std::uint32_t id : {2U, 6U}) slot.userspace_exits[id] = any_count(random);
  slot.userspace_total_ns = 1000 * any_count(random);
}

}  // namespace

Host::Host(const HostSize& size) : slots_(std::size_t{size.vms} * size.vcpus) {
  std::minstd_rand random;
  const auto names = exit_reasons(Isa::vmx);
  std::size_t at = 0;
  for (std::uint32_t vm = 0; vm < size.vms; ++vm) {
    for (std::uint32_t vcpu = 0; vcpu < size.vcpus; ++vcpu) {
      vcpu_slot& slot = slots_[at++];
      slot.tgid = 1000 + vm;
      slot.vm_start = 1 + vm;
      slot.kvm = 0xffff'8880'0000'0000 + vm;
      slot.vcpu_id = vcpu;
      slot.isa = KVMX_ISA_VMX;
      for (std::uint32_t i = 0; i < size.reasons; ++i)
        slot.reason[names[i].code].count = any_count(random);
      for (std::uint32_t i = 0; i < size.msrs; ++i)
        slot.msr[i].count[KVMX_WRITE] = any_count(random);
      if (size.others) fill_others(slot, random);
    }
  }
}

Snapshot Host::snapshot(SlotReader& reader) const {
  Snapshot made;
  for (VmCounts& counts : reader.read(slots_, [](const VmKey&) { return false; })) {
    Vm& vm = made.vms.emplace_back();
    vm.label = "instance-" + std::to_string(counts.key.tgid);
    vm.identity.name = vm.label;
    vm.diagnosis.tick_hertz = 14;
    vm.diagnosis.vcpus_running = counts.vcpus.size();
    counts.cpu_ns = {1'000'000'000, 1'000'000, 0, 0};
    for (VcpuCounts& vcpu : counts.vcpus) vcpu.cpu_ns = vcpu.run_delay_ns = 1'000'000;
    counts.total = total(counts.vcpus);
    vm.counts = std::move(counts);
  }
  return made;
}

}  // namespace kvmx::bench
