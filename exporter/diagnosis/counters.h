// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "exporter/base/vm_key.h"
#include "exporter/counts/vm_counts.h"
#include "exporter/names/isa.h"

namespace kvmx {

/// What the diagnosis reads of one vCPU. All of it counts upwards from any starting point; times
/// are in nanoseconds.
struct VcpuCounters {
  std::optional<std::uint32_t> id;   ///< nothing: events whose vCPU is not known
  std::uint64_t exits = 0;           ///< for any reason
  std::uint64_t exit_ns = 0;         ///< exit to entry; HLT, PAUSE and vmgexit left out: they wait
  std::uint64_t timer_programs = 0;  ///< writes of MSRs that program a timer
  std::uint64_t timer_arms_sw = 0;   ///< KVM's own armings of a timer of the host
  std::uint64_t timer_arms_hv = 0;   ///< KVM's own armings of the VMX preemption timer
  std::uint64_t halts = 0;           ///< halts that ended
  std::uint64_t halt_ns = 0;         ///< time halted, polling included
  std::uint64_t poll_ns = 0;         ///< of that, polling; what came of it or not
  std::uint64_t msr_accesses = 0;    ///< reads and writes of MSRs that program no timer
  std::uint64_t userspace_exits = 0;
  std::uint64_t userspace_ns =
      0;                     ///< in the VMM; part of exit_ns unless the exit is one that waits
  std::uint64_t cpu_ns = 0;  ///< of the thread that runs it
  std::uint64_t run_delay_ns = 0;  ///< in which that wanted a CPU and had none
};

/// One cause, and how often it was counted for the whole VM.
struct CodeCounter {
  static constexpr std::uint32_t kOther = 0xffffffff;  ///< causes without a counter of their own

  std::uint32_t code = kOther;
  std::uint64_t count = 0;
  std::uint64_t ns = 0;  ///< exit to entry, for exit reasons that do not wait
};

/// What the diagnosis reads of one VM.
struct VmCounters {
  VmKey key;
  Isa isa = Isa::other;
  bool ended = false;                   ///< its counters will not move again
  std::vector<VcpuCounters> vcpus;      ///< by id, the unknown one first; no id twice
  std::vector<CodeCounter> msrs;        ///< that program no timer; by index, as are the next four
  std::vector<CodeCounter> timer_msrs;  ///< that do
  std::vector<CodeCounter> reasons;     ///< exit codes of the hardware
  std::vector<CodeCounter> userspace_exits;  ///< KVM_EXIT_*, or enum kvmx_userspace_exit
  std::vector<CodeCounter> intervals;        ///< timer programmings by bucket of their interval
  std::vector<CodeCounter> lines;            ///< changes of interrupt lines by GSI
  std::vector<IoCount> io;                   ///< accesses to ports and pages
  std::array<std::uint64_t, kThreadKinds> threads_ns{};  ///< CPU time by ThreadKind
};

/// By how much a counter has grown of which the low 32 bits are kept; 0 if it stepped back.
constexpr std::uint32_t grown(std::uint32_t from, std::uint32_t to) {
  const std::uint32_t moved = to - from;
  return moved < 1U << 31U ? moved : 0;
}

/// Reads what was counted of a VM. `into` is used again and again, so that it need not be made anew
/// each second.
void read_counters(const VmCounts& counts, bool ended, VmCounters& into);

/// What is known of the host.
struct HostFacts {
  std::uint32_t cpus = 0;      ///< online; 0: not known
  Isa isa = Isa::other;        ///< for VMs that have not told theirs
  bool exits_counted = false;  ///< kvm_exit is raised, which some KVMs never do
  bool halts_counted = false;  ///< kvm_vcpu_wakeup is attached
};

}  // namespace kvmx
