// SPDX-License-Identifier: Apache-2.0
#include "exporter/counts/sum_counts.h"

#include <algorithm>
#include <utility>

namespace kvmx {
namespace {

template <typename Array>
void add(Array& sum, const Array& more) {
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += more[i];
}

/// Adds sorted counts to sorted counts; those that are in both by `add`.
template <typename Count, typename Key, typename Add>
void merge_sorted(std::vector<Count>& into, const std::vector<Count>& more, Key Count::*key,
                  Add add) {
  auto at = into.begin();
  for (const Count& count : more) {
    // vCPUs of one VM mostly have the same.
    if (at == into.end() || (*at).*key != count.*key) {
      while (at != into.end() && (*at).*key < count.*key) ++at;
      if (at == into.end() || (*at).*key != count.*key) {
        at = into.insert(at, count) + 1;
        continue;
      }
    }
    add(*at++, count);
  }
}

}  // namespace

void merge(VcpuCounts& into, const VcpuCounts& more) {
  merge_sorted(into.reasons, more.reasons, &ReasonCount::code,
               [](ReasonCount& sum, const ReasonCount& reason) {
                 sum.exits += reason.exits;
                 sum.handling_ns += reason.handling_ns;
               });
  merge_sorted(into.msrs, more.msrs, &MsrCount::index,
               [](MsrCount& sum, const MsrCount& msr) { add(sum.accesses, msr.accesses); });
  add(into.msr_faults, more.msr_faults);
  add(into.timer_arms, more.timer_arms);
  if (more.hv_timers_in_use) into.hv_timers_in_use = more.hv_timers_in_use;
  for (std::size_t i = 0; i < into.halts.size(); ++i) {
    into.halts[i].halts += more.halts[i].halts;
    into.halts[i].ns += more.halts[i].ns;
  }
  merge_sorted(
      into.userspace_exits, more.userspace_exits, &UserspaceExitCount::id,
      [](UserspaceExitCount& sum, const UserspaceExitCount& exits) { sum.exits += exits.exits; });
  merge_sorted(into.events, more.events, &EventCount::event,
               [](EventCount& sum, const EventCount& event) { sum.count += event.count; });
  into.userspace_ns += more.userspace_ns;
  into.poll_failed_ns += more.poll_failed_ns;
  into.cpu_ns += more.cpu_ns;
  into.run_delay_ns += more.run_delay_ns;
}

void add(std::vector<IoCount>& into, const IoCount& more) {
  const auto place = [](const IoCount& io) { return std::pair(io.space, io.address); };
  const auto at = std::ranges::lower_bound(into, place(more), {}, place);
  if (at == into.end() || place(*at) != place(more))
    into.insert(at, more);
  else
    add(at->accesses, more.accesses);
}

VcpuCounts total(std::span<const VcpuCounts> vcpus) {
  if (vcpus.empty()) return {};
  VcpuCounts sum = vcpus.front();
  sum.id.reset();
  for (const VcpuCounts& vcpu : vcpus.subspan(1)) {
    const auto others = sum.hv_timers_in_use;
    merge(sum, vcpu);
    if (others && vcpu.hv_timers_in_use) *sum.hv_timers_in_use += *others;
  }
  return sum;
}

std::uint64_t events(const VcpuCounts& counts) {
  std::uint64_t sum = 0;
  for (const ReasonCount& reason : counts.reasons) sum += reason.exits;
  for (const MsrCount& msr : counts.msrs)
    for (const std::uint64_t accesses : msr.accesses) sum += accesses;
  for (const std::uint64_t faults : counts.msr_faults) sum += faults;
  for (const std::uint64_t arms : counts.timer_arms) sum += arms;
  for (const HaltCount& halt : counts.halts) sum += halt.halts;
  for (const UserspaceExitCount& exits : counts.userspace_exits) sum += exits.exits;
  for (const EventCount& event : counts.events) sum += event.count;
  return sum;
}

std::uint64_t count_vcpus(const VmCounts& vm) {
  if (vm.listed > 0) return vm.listed;
  return static_cast<std::uint64_t>(
      std::ranges::count_if(vm.vcpus, [](const VcpuCounts& vcpu) { return vcpu.id.has_value(); }));
}

}  // namespace kvmx
