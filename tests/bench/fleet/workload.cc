// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/fleet/workload.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace kvmx::bench {
namespace {

/// Exit codes of VMX, and what such an exit costs the host.
struct Reason {
  std::uint32_t code;
  double seconds;
};
constexpr std::array<Reason, 8> kReasons = {{{1, 1.3e-6},     // EXTERNAL_INTERRUPT
                                             {10, 1.1e-6},    // CPUID
                                             {12, 0},         // HLT: its time is the halt's
                                             {30, 14e-6},     // IO_INSTRUCTION
                                             {32, 1.7e-6},    // MSR_WRITE
                                             {48, 5e-6},      // EPT_VIOLATION
                                             {49, 3.5e-6},    // EPT_MISCONFIG
                                             {52, 1.1e-6}}};  // PREEMPTION_TIMER
enum ReasonAt : std::uint8_t { irq, cpuid, hlt, io, msr, violation, mmio, timer };

/// A second of one vCPU.
struct Rates {
  std::array<double, kReasons.size()> exits;
  double tick;           ///< timer programmings
  double halts;          ///< wake-ups
  double halted;         ///< share of the time
  double polled;         ///< share of the halts that end while KVM polls
  std::size_t interval;  ///< the histogram's bucket that most of the tick is in
  std::size_t finding = kFindingKinds;
  double faults = 0;  ///< MSRs that it asks for and that are not there
};

/// Idle and storm are the story's guests of 32 vCPUs, busy is a server at half its load.
constexpr Rates rates_of(Workload workload) {
  switch (workload) {
    case Workload::busy:
      return {{120, 1, 260, 6, 430, 90, 300, 45}, 420, 260, 0.55, 0.2, 9};
    case Workload::idle:
      return {{1.7, 0.05, 4.3, 0.3, 14.5, 0.2, 0.1, 9}, 14, 4.3, 0.985, 0.05, 13};
    case Workload::ticks:
      return {{2, 0.05, 248, 0.3, 250, 0.2, 0.1, 2},
              250,
              248,
              0.97,
              0.03,
              8,
              static_cast<std::size_t>(FindingKind::idle_tick),
              0.01};
    case Workload::storm:
      break;
  }
  return {{2, 0.05, 1032, 0.3, 1036, 0.2, 0.1, 4},           1036, 1032, 0.95, 0.02, 4,
          static_cast<std::size_t>(FindingKind::timer_storm)};
}

std::uint64_t times(double rate, double seconds) {
  return static_cast<std::uint64_t>(rate * seconds);
}

std::uint64_t ns(double share, double seconds) { return times(share * kNanoseconds, seconds); }

void add_exits(const Rates& rates, double seconds, std::uint32_t vcpus, VmCounts& counts) {
  counts.total.reasons.resize(kReasons.size());
  for (std::size_t i = 0; i < kReasons.size(); ++i) {
    ReasonCount& reason = counts.total.reasons[i];
    reason.code = kReasons[i].code;
    const std::uint64_t exits = times(rates.exits[i], seconds);
    const double cost = i == hlt ? rates.halted : rates.exits[i] * kReasons[i].seconds;
    reason.exits += vcpus * exits;
    reason.handling_ns += vcpus * ns(cost, seconds);
    if (i == hlt) continue;
    // By the cost of its reason, and some in the buckets above; one in ten thousand waits for 1 ms.
    const auto near = static_cast<std::size_t>(std::lround(std::log2(kReasons[i].seconds)) +
                                               KVMX_LATENCY_FIRST_LOG2);
    constexpr std::array<std::pair<std::size_t, double>, 4> kSpread = {
        {{0, 0.75}, {1, 0.15}, {2, 0.0999}, {11, 0.0001}}};
    for (const auto& [above, share] : kSpread)
      counts.latency.buckets[std::min(near + above, counts.latency.buckets.size() - 1)] +=
          vcpus * times(share * rates.exits[i], seconds);
    counts.latency.sum_ns += vcpus * ns(cost, seconds);
  }
}

void add_timers(const Rates& rates, double seconds, std::uint32_t vcpus, VmCounts& counts) {
  VcpuCounts& total = counts.total;
  total.msrs.resize(4);
  const std::array<double, 4> accesses = {0.002, 0.02 * rates.exits[msr], rates.tick,
                                          0.1 * rates.halts};
  constexpr std::array<std::uint32_t, 4> kIndices = {0x3b, 0x48, 0x6e0, 0x830};
  for (std::size_t i = 0; i < accesses.size(); ++i) {
    total.msrs[i].index = kIndices[i];
    total.msrs[i].accesses[i == 0 ? KVMX_READ : KVMX_WRITE] += vcpus * times(accesses[i], seconds);
  }
  total.msr_faults[KVMX_READ] += vcpus * times(rates.faults, seconds);
  total.timer_arms[KVMX_TIMER_HV] += vcpus * times(rates.tick, seconds);
  total.timer_arms[KVMX_TIMER_SW] += vcpus * times(rates.halts, seconds);
  total.hv_timers_in_use = static_cast<std::uint32_t>(std::lround(vcpus * (1 - rates.halted)));
  constexpr std::array<double, 3> kSpread = {0.05, 0.9, 0.05};
  for (std::size_t i = 0; i < kSpread.size(); ++i)
    counts.intervals.buckets[rates.interval - 1 + i] +=
        vcpus * times(kSpread[i] * rates.tick, seconds);
  counts.intervals.sum_ns += vcpus * ns(1, seconds);
}

void add_halts(const Rates& rates, double seconds, std::uint32_t vcpus, VmCounts& counts) {
  constexpr double kPoll = 50e-6;
  VcpuCounts& total = counts.total;
  const double polls = rates.halts * rates.polled;
  total.halts[KVMX_WAKEUP_POLL].halts += vcpus * times(polls, seconds);
  total.halts[KVMX_WAKEUP_POLL].ns += vcpus * ns(polls * kPoll, seconds);
  total.halts[KVMX_WAKEUP_WAIT].halts += vcpus * times(rates.halts - polls, seconds);
  total.halts[KVMX_WAKEUP_WAIT].ns += vcpus * ns(rates.halted - polls * kPoll, seconds);
  total.poll_failed_ns += vcpus * ns((rates.halts - polls) * kPoll / 10, seconds);
}

/// A disk's queue, a clock that is looked at, and the lines that QEMU's devices pulse.
void add_devices(const Rates& rates, double seconds, std::uint32_t vcpus, VmCounts& counts) {
  VcpuCounts& total = counts.total;
  total.userspace_exits.resize(2);
  total.userspace_exits[0].id = 2;  // KVM_EXIT_IO
  total.userspace_exits[0].exits += vcpus * times(rates.exits[io], seconds);
  total.userspace_exits[1].id = KVMX_USERSPACE_RESTART;
  total.userspace_exits[1].exits += vcpus * times(0.4, seconds);
  total.userspace_ns += vcpus * ns(rates.exits[io] * 9e-6, seconds);
  counts.io.resize(2);
  counts.io[0].address = 0x608;
  counts.io[0].accesses[KVMX_READ] += vcpus * times(rates.exits[io], seconds);
  counts.io[1].space = IoSpace::mmio;
  counts.io[1].address = 0xfebf1000;
  counts.io[1].accesses[KVMX_WRITE] += vcpus * times(rates.exits[mmio], seconds);
  counts.line_changes[0] += times(20, seconds);
  counts.line_changes[11] += times(2 * rates.exits[io], seconds);
}

void add_cpu_time(const Rates& rates, double seconds, std::uint32_t vcpus, VmCounts& counts) {
  const double busy = 1 - rates.halted;
  counts.total.cpu_ns += vcpus * ns(busy, seconds);
  counts.total.run_delay_ns += vcpus * ns(busy / 100, seconds);
  counts.cpu_ns[static_cast<std::size_t>(ThreadKind::vcpu)] += vcpus * ns(busy, seconds);
  counts.cpu_ns[static_cast<std::size_t>(ThreadKind::vmm)] += vcpus * ns(0.004, seconds);
}

/// A vCPU's part of what all of them counted.
VcpuCounts part_of(const VcpuCounts& total, std::uint32_t vcpus) {
  VcpuCounts part = total;
  for (ReasonCount& reason : part.reasons) {
    reason.exits /= vcpus;
    reason.handling_ns /= vcpus;
  }
  for (MsrCount& msr : part.msrs)
    for (std::uint64_t& accesses : msr.accesses) accesses /= vcpus;
  for (std::uint64_t& arms : part.timer_arms) arms /= vcpus;
  for (HaltCount& halt : part.halts) {
    halt.halts /= vcpus;
    halt.ns /= vcpus;
  }
  for (UserspaceExitCount& exits : part.userspace_exits) exits.exits /= vcpus;
  for (std::uint64_t* time :
       {&part.userspace_ns, &part.poll_failed_ns, &part.cpu_ns, &part.run_delay_ns})
    *time /= vcpus;
  return part;
}

}  // namespace

std::size_t finding_of(Workload workload) { return rates_of(workload).finding; }

double tick_of(Workload workload) { return rates_of(workload).tick; }

void add_work(Workload workload, double seconds, std::uint32_t vcpus, VmCounts& counts) {
  const Rates rates = rates_of(workload);
  add_exits(rates, seconds, vcpus, counts);
  add_timers(rates, seconds, vcpus, counts);
  add_halts(rates, seconds, vcpus, counts);
  add_devices(rates, seconds, vcpus, counts);
  add_cpu_time(rates, seconds, vcpus, counts);
}

void split_by_vcpu(std::uint32_t vcpus, VmCounts& counts) {
  counts.vcpus.assign(vcpus, part_of(counts.total, vcpus));
  for (std::uint32_t id = 0; id < vcpus; ++id) {
    counts.vcpus[id].id = id;
    counts.vcpus[id].hv_timers_in_use = id < *counts.total.hv_timers_in_use ? 1 : 0;
  }
}

}  // namespace kvmx::bench
