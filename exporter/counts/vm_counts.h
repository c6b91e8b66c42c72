// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bpf/vcpu_slot.h"
#include "exporter/base/vm_key.h"
#include "exporter/names/isa.h"

namespace kvmx {

/// Exits of one reason.
struct ReasonCount {
  std::optional<std::uint32_t> code;  ///< the hardware's exit code; nothing: "other"
  std::uint64_t exits = 0;
  std::uint64_t handling_ns = 0;  ///< exit to next entry, the exit now being handled included
};

/// Accesses to one MSR, by enum kvmx_op.
struct MsrCount {
  std::optional<std::uint32_t> index;  ///< nothing: "other"
  std::array<std::uint64_t, KVMX_OPS> accesses{};
};

enum class IoSpace : std::uint8_t { port, mmio };

/// A guest's accesses to one port, or to one page that is not memory, by enum kvmx_op.
struct IoCount {
  IoSpace space = IoSpace::port;
  std::optional<std::uint64_t> address;  ///< of the port, or of the page; nothing: "other"
  std::array<std::uint64_t, KVMX_OPS> accesses{};
};

/// Halts that ended in one way.
struct HaltCount {
  std::uint64_t halts = 0;
  std::uint64_t ns = 0;  ///< of the sleep in progress too, once it is clear that it is one
};

/// Returns of KVM_RUN to the VMM for one reason.
struct UserspaceExitCount {
  std::uint32_t id = 0;  ///< KVM_EXIT_*, or enum kvmx_userspace_exit
  std::uint64_t exits = 0;
};

/// One of the events of --collector.events.
struct EventCount {
  std::uint32_t event = 0;  ///< position in Snapshot::event_names
  std::uint64_t count = 0;
};

/// A histogram's own buckets, not yet added up, the last without a bound; and the sum of what was
/// observed.
template <std::size_t kBuckets>
struct Histogram {
  std::array<std::uint64_t, kBuckets> buckets{};
  std::uint64_t sum_ns = 0;
};

/// What the threads that work for a VM do.
enum class ThreadKind : std::uint8_t {
  vcpu,   ///< runs a vCPU, and the VMM's code for what that asks for
  vmm,    ///< any other of the VM's process: the main loop, disks, migration
  vhost,  ///< moves network packets or disk blocks, in the kernel
  pit,    ///< raises the interrupts of KVM's own timer chip
};
inline constexpr std::size_t kThreadKinds = 4;

/// Everything counted for one vCPU since its slot was made, or for all vCPUs of a VM. Only what is
/// not zero is listed.
struct VcpuCounts {
  std::optional<std::uint32_t> id;   ///< nothing: events whose vCPU is not known, or a VM's total
  std::vector<ReasonCount> reasons;  ///< by code
  std::vector<MsrCount> msrs;        ///< by index
  std::array<std::uint64_t, KVMX_OPS> msr_faults{};
  std::array<std::uint64_t, KVMX_TIMERS> timer_arms{};  ///< by enum kvmx_timer
  std::optional<std::uint32_t> hv_timers_in_use;        ///< nothing before the first arming
  std::array<HaltCount, KVMX_WAKEUPS> halts{};          ///< by enum kvmx_wakeup
  std::vector<UserspaceExitCount> userspace_exits;      ///< by id
  std::vector<EventCount> events;
  std::uint64_t userspace_ns = 0;    ///< in the VMM between such a return and the next entry
  std::uint64_t poll_failed_ns = 0;  ///< polled for wake-ups that did not come; in a halt's time
  std::uint64_t cpu_ns = 0;          ///< CPU time of the thread that runs it
  std::uint64_t run_delay_ns = 0;    ///< in which it could have run but waited for a CPU
};

/// A thread that runs a vCPU.
struct VcpuThread {
  std::uint32_t tid = 0;
  std::optional<std::uint32_t> vcpu;  ///< id; nothing: not known
};

/// What was counted for one VM.
struct VmCounts {
  VmKey key;
  Isa isa = Isa::other;
  std::string comm;                            ///< name of the process
  std::vector<VcpuCounts> vcpus;               ///< by id, the unknown one first
  VcpuCounts total;                            ///< of all vCPUs
  Histogram<KVMX_LATENCY_BUCKETS> latency;     ///< exit to entry, without idle exits (enum Idle)
  Histogram<KVMX_INTERVAL_BUCKETS> intervals;  ///< between a vCPU's timer programmings
  std::vector<std::uint32_t> slots;            ///< indices of the slots that these counts come from
  std::uint32_t destroyed = 0;                 ///< how many of these KVM has destroyed the vCPU of
  std::uint32_t undestroyed = 0;    ///< how many have a vCPU's pointer and are none of those
  std::vector<VcpuThread> threads;  ///< that have run its vCPUs
  std::uint32_t listed = 0;         ///< vCPUs that exist; 0: not listed (yet)
  std::array<std::uint64_t, kThreadKinds> cpu_ns{};          ///< CPU time by ThreadKind
  std::vector<IoCount> io;                                   ///< by space and address
  std::array<std::uint64_t, KVMX_LINES + 1> line_changes{};  ///< by GSI; the last: all others
};

}  // namespace kvmx
