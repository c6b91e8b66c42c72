// SPDX-License-Identifier: Apache-2.0
#include "exporter/snapshot/vm_rates.h"

#include <algorithm>
#include <utility>

#include "exporter/kernel/fixed_msrs.h"

namespace kvmx {
namespace {

constexpr std::chrono::seconds kWindow(10);

bool programs_a_timer(const MsrCount& msr) {
  return msr.index && std::ranges::find(kTimerMsrs, *msr.index) != kTimerMsrs.end();
}

}  // namespace

void VmRates::record(const Snapshot& snapshot, Clock::time_point now) {
  Sample sample{.time = now, .vms = {}};
  for (const Vm& vm : snapshot.vms)
    if (!vm.excluded && !vm.ended()) sample.vms.emplace(vm.counts.key, totals(vm));
  const std::lock_guard lock(mutex_);
  samples_.push_back(std::move(sample));
  while (now - samples_.front().time > kWindow) samples_.pop_front();
}

VmRates::Totals VmRates::totals(const Vm& vm) {
  Totals sum{.label = vm.label};
  for (const VcpuCounts& vcpu : vm.counts.vcpus) sum.vcpus += vcpu.id ? 1 : 0;
  for (const ReasonCount& reason : vm.counts.total.reasons) sum.exits += reason.exits;
  for (const MsrCount& msr : vm.counts.total.msrs)
    if (programs_a_timer(msr)) sum.timer_writes += msr.accesses[KVMX_MSR_WRITE];
  for (const HaltCount& halt : vm.counts.total.halts) sum.halt_ns += halt.ns;
  return sum;
}

VmRate VmRates::rate(const Totals& before, const Totals& now, double seconds) {
  const auto per_second = [&](std::uint64_t Totals::*what) {
    return static_cast<double>(now.*what - before.*what) / seconds;
  };
  // What each vCPU is known by may come late, so there may be counts and no vCPU yet.
  const double vcpus = static_cast<double>(std::max<std::size_t>(now.vcpus, 1));
  return {.label = now.label,
          .vcpus = now.vcpus,
          .exits = per_second(&Totals::exits),
          .timer_writes = per_second(&Totals::timer_writes),
          .halted = std::min(1.0, per_second(&Totals::halt_ns) / 1e9 / vcpus)};
}

std::vector<VmRate> VmRates::busiest(std::size_t count) const {
  const std::lock_guard lock(mutex_);
  if (samples_.empty()) return {};
  const Sample& last = samples_.back();
  std::vector<VmRate> rates;
  for (const auto& vm : last.vms) {
    const auto first = std::ranges::find_if(
        samples_, [&vm](const Sample& sample) { return sample.vms.contains(vm.first); });
    const std::chrono::duration<double> time = last.time - first->time;
    if (time.count() > 0) rates.push_back(rate(first->vms.at(vm.first), vm.second, time.count()));
  }
  std::ranges::stable_sort(rates, std::greater(), [](const VmRate& rate) {
    return std::pair(rate.exits, rate.timer_writes);
  });
  rates.resize(std::min(rates.size(), count));
  return rates;
}

}  // namespace kvmx
