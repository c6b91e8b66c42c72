// SPDX-License-Identifier: Apache-2.0
#include "exporter/diagnosis/counters.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "bpf/vcpu_slot.h"
#include "exporter/kernel/fixed_msrs.h"

namespace kvmx {
namespace {

constexpr std::uint32_t kFirstStimer = 0x400000b0;
constexpr std::uint32_t kLastStimer = 0x400000b7;

static_assert(kTimerMsrs[2] == kFirstStimer && kTimerMsrs[KVMX_TIMER_MSRS - 1] == kLastStimer,
              "timer MSRs are two of the APIC, then Hyper-V's");

/// Whether the guest waits after such an exit, so that its time costs nothing: HLT, PAUSE, and what
/// stands for HLT in an encrypted guest. By the hardware's codes.
bool waits(Isa isa, std::uint32_t code) {
  constexpr std::array<std::uint32_t, 2> kVmx = {12, 40};  // HLT, PAUSE_INSTRUCTION
  // pause, hlt, idle-halt, vmgexit, vmgexit_ap_hlt_loop
  constexpr std::array<std::uint32_t, 5> kSvm = {0x77, 0x78, 0xa6, 0x403, 0x80000004};
  if (isa == Isa::svm) return std::ranges::find(kSvm, code) != kSvm.end();
  return std::ranges::find(kVmx, code) != kVmx.end();
}

/// Adds the accesses to MSRs of a vCPU. A Hyper-V timer is two registers, of which some guests
/// write one to set it and others both: as often as the one written more.
void read_msrs(const VcpuCounts& counts, VcpuCounters& into) {
  std::array<std::uint64_t, (kLastStimer - kFirstStimer + 1) / 2> stimers{};
  for (const MsrCount& msr : counts.msrs) {
    const std::uint64_t writes = msr.accesses[KVMX_WRITE];
    const std::uint32_t index = msr.index.value_or(CodeCounter::kOther);
    if (index == kTimerMsrs[0] || index == kTimerMsrs[1]) {
      into.timer_programs += writes;
    } else if (index >= kFirstStimer && index <= kLastStimer) {
      std::uint64_t& timer = stimers[(index - kFirstStimer) / 2];
      timer = std::max(timer, writes);
    } else {
      into.msr_accesses += writes + msr.accesses[KVMX_READ];
    }
  }
  for (const std::uint64_t writes : stimers) into.timer_programs += writes;
}

VcpuCounters read_vcpu(const VcpuCounts& counts, Isa isa) {
  VcpuCounters read;
  read.id = counts.id;
  for (const ReasonCount& reason : counts.reasons) {
    read.exits += reason.exits;
    if (!reason.code || !waits(isa, *reason.code)) read.exit_ns += reason.handling_ns;
  }
  read_msrs(counts, read);
  read.timer_arms_sw = counts.timer_arms[KVMX_TIMER_SW];
  read.timer_arms_hv = counts.timer_arms[KVMX_TIMER_HV];
  for (const HaltCount& halt : counts.halts) {
    read.halts += halt.halts;
    read.halt_ns += halt.ns;
  }
  read.poll_ns = counts.halts[KVMX_WAKEUP_POLL].ns + counts.poll_failed_ns;
  for (const UserspaceExitCount& exit : counts.userspace_exits) read.userspace_exits += exit.exits;
  read.userspace_ns = counts.userspace_ns;
  read.cpu_ns = counts.cpu_ns;
  read.run_delay_ns = counts.run_delay_ns;
  return read;
}

bool programs_a_timer(std::uint32_t index) {
  return std::ranges::find(kTimerMsrs, index) != kTimerMsrs.end();
}

std::uint64_t accesses(const MsrCount& msr) {
  return msr.accesses[KVMX_READ] + msr.accesses[KVMX_WRITE];
}

/// Appends to `codes`, which stay in order: causes without a counter of their own come first where
/// they are counted, and last here.
template <typename Counts, typename Convert>
void read_codes(const Counts& counts, Convert convert, std::vector<CodeCounter>& codes) {
  codes.clear();
  for (const auto& count : counts) codes.push_back(convert(count));
  std::ranges::sort(codes, {}, &CodeCounter::code);
}

}  // namespace

void read_counters(const VmCounts& counts, bool ended, VmCounters& into) {
  into.key = counts.key;
  into.isa = counts.isa;
  into.ended = ended;
  into.vcpus.clear();
  for (const VcpuCounts& vcpu : counts.vcpus) into.vcpus.push_back(read_vcpu(vcpu, counts.isa));
  // Where kvm_exit does not fire, some vCPUs never get to be known; an only one needs no name.
  if (counts.listed == 1 && into.vcpus.size() == 1 && !into.vcpus[0].id) into.vcpus[0].id = 0;
  read_codes(
      counts.total.msrs,
      [](const MsrCount& msr) {
        const std::uint32_t index = msr.index.value_or(CodeCounter::kOther);
        return CodeCounter{index, programs_a_timer(index) ? 0 : accesses(msr), 0};
      },
      into.msrs);
  read_codes(
      counts.total.msrs,
      [](const MsrCount& msr) {
        const std::uint32_t index = msr.index.value_or(CodeCounter::kOther);
        return CodeCounter{index, programs_a_timer(index) ? accesses(msr) : 0, 0};
      },
      into.timer_msrs);
  read_codes(
      counts.total.reasons,
      [&](const ReasonCount& reason) {
        const std::uint32_t code = reason.code.value_or(CodeCounter::kOther);
        return CodeCounter{code, reason.exits, waits(counts.isa, code) ? 0 : reason.handling_ns};
      },
      into.reasons);
  read_codes(
      counts.total.userspace_exits,
      [](const UserspaceExitCount& exit) {
        return CodeCounter{exit.id, exit.exits, 0};
      },
      into.userspace_exits);
  into.intervals.clear();
  for (std::uint32_t bucket = 0; bucket < KVMX_INTERVAL_BUCKETS; ++bucket)
    into.intervals.push_back({bucket, counts.intervals.buckets[bucket], 0});
  into.lines.clear();
  for (std::uint32_t gsi = 0; gsi < KVMX_LINES; ++gsi)
    into.lines.push_back({gsi, counts.line_changes[gsi], 0});
  into.lines.push_back({CodeCounter::kOther, counts.line_changes[KVMX_LINES], 0});
  into.io = counts.io;
  into.threads_ns = counts.cpu_ns;
}

}  // namespace kvmx
