// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "bpf/vcpu_slot.h"
#include "exporter/counts/living_threads.h"
#include "exporter/counts/place_names.h"
#include "exporter/counts/sleep_watch.h"
#include "exporter/counts/vm_counts.h"
#include "exporter/kernel/listed_vcpus.h"

namespace kvmx {

/// Reads slots that the kernel may be writing, so that nothing read ever steps back.
///
/// An exit being handled counts up to now, and so do a halt and a stay in the VMM. The kernel adds
/// its own figure when they end, in two steps between which a reader would see the time vanish, and
/// of a halt a little less than the whole; what was exported is therefore kept until the kernel's
/// figure has passed it. Of a vCPU of which its events do not tell whether it sleeps, nothing is
/// taken to be running but what a SleepWatch is sure of.
class SlotReader {
 public:
  /// Time in ns of the clock that the kernel stamps exits with (CLOCK_MONOTONIC).
  using Clock = std::function<std::uint64_t()>;

  explicit SlotReader(Clock clock) : clock_(std::move(clock)) {}

  /// The VMs of all slots in use and of all listed vCPUs, in order of their keys; a VM's vCPUs in
  /// order of their ids. `ended` tells whether a VM is no more, so that none of its times is still
  /// running. `listing`: the vCPUs that exist. `events`: counts of further events by slot, or
  /// empty. `exported`: where to keep the times that were exported, by slot; if empty, they are
  /// kept here and end with this. `io`: ports, pages and interrupt lines by slot, or empty.
  std::vector<VmCounts> read(std::span<const vcpu_slot> slots,
                             const std::function<bool(const VmKey&)>& ended,
                             const VcpuListing& listing = {},
                             std::span<const event_counts> events = {},
                             std::span<exported_times> exported = {},
                             std::span<const io_counts> io = {});

  /// Takes a listing of the threads of VMs' processes, begun at `asked_ns` (CLOCK_MONOTONIC). The
  /// stay in the VMM of a vCPU whose thread has ended does not go on.
  void note_threads(std::span<const listed_thread> threads, std::uint64_t asked_ns) {
    threads_.observe(threads, asked_ns);
  }

  /// To be called when a slot is released: its next owner starts from nothing.
  void forget(std::uint32_t slot);

 private:
  /// The exit being handled, if any, as it was when looked at.
  struct Exit {
    std::uint32_t state = KVMX_EXIT_NONE;  ///< enum kvmx_exit
    std::uint64_t began_ns = 0;

    [[nodiscard]] std::optional<std::uint32_t> id() const {
      if ((state & KVMX_EXIT_NONE) != 0) return std::nullopt;
      return state & KVMX_EXIT_ID;
    }
  };

  /// Times of exits, by dense id, as exported: more than the kernel's own figures so far.
  using Ahead = std::map<std::uint32_t, std::uint64_t>;

  /// What else there is to know of a slot.
  struct Context {
    std::uint32_t index;  ///< in the table
    bool ended;           ///< its VM is no more, or its thread, or another one runs its vCPU
    exported_times& exported;
    Ahead& ahead;
    const SleepWatch* watch;  ///< null if the slot alone tells whether it sleeps
  };

  void find_used(std::span<const vcpu_slot> slots);
  [[nodiscard]] bool lost_its_thread(const vcpu_slot& slot) const;
  static bool is_halt(const vcpu_slot& slot, const Exit& exit);
  const SleepWatch* look_again(const vcpu_slot& slot, SleepWatch& watch,
                               const VcpuListing& listing) const;
  VcpuCounts read_slot(const vcpu_slot& slot, const Context& context, VmCounts& vm);
  void read_msrs(const vcpu_slot& slot, const Context& context, VcpuCounts& counts);
  void read_io(std::uint32_t index, const io_counts& io, exported_times& exported, VmCounts& vm);
  void give_names(const std::map<VmKey, VmCounts>& vms, std::span<exported_times> exported);
  void read_reasons(const vcpu_slot& slot, const Context& context, VcpuCounts& counts,
                    VmCounts& vm) const;
  [[nodiscard]] std::uint64_t halt_running_ns(const vcpu_slot& slot, const Exit& exit,
                                              const Context& context) const;
  void read_halts(const vcpu_slot& slot, const Context& context, VcpuCounts& counts) const;
  void read_userspace_exits(const vcpu_slot& slot, const Context& context,
                            VcpuCounts& counts) const;
  [[nodiscard]] std::uint64_t userspace_running_ns(const vcpu_slot& slot, std::uint64_t began,
                                                   bool ended) const;
  [[nodiscard]] std::uint64_t exit_running_ns(const vcpu_slot& slot, const Exit& exit,
                                              bool ended) const;

  Clock clock_;
  LivingThreads threads_;
  std::vector<exported_times> exported_;  ///< by slot
  std::vector<SleepWatch> watches_;       ///< by slot
  std::vector<Ahead> ahead_;              ///< by slot
  PlaceNames msr_names_{&exported_times::msrs};
  PlaceNames port_names_{&exported_times::ports};
  PlaceNames page_names_{&exported_times::pages};
  std::vector<std::uint32_t>
      used_;                    ///< indices of slots in use; memory that each reading uses again
  std::vector<MsrCount> msrs_;  ///< of one vCPU; likewise
  std::vector<KeyCount> keys_;  ///< likewise
};

}  // namespace kvmx
