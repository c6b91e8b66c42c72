// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "bpf/vcpu_slot.h"
#include "exporter/snapshot/snapshot.h"

namespace kvmx {

/// Reads slots that the kernel may be writing, so that nothing read ever steps back.
///
/// An exit being handled counts up to now. The kernel adds its own figure at the next entry, in two
/// steps between which a reader would see the time vanish; what was shown is therefore held until
/// the kernel's figure has passed it.
class SlotReader {
 public:
  /// Time in ns of the clock that the kernel stamps exits with (CLOCK_MONOTONIC).
  using Clock = std::function<std::uint64_t()>;

  explicit SlotReader(Clock clock) : clock_(std::move(clock)) {}

  /// The VMs of all slots in use, in order of their keys; a VM's vCPUs in order of their ids.
  std::vector<VmCounts> read(std::span<const vcpu_slot> slots);

  /// To be called when a slot is released: its next owner starts from nothing.
  void forget(std::uint32_t slot);

 private:
  /// What was shown of the exit in progress.
  struct Shown {
    std::uint32_t exit_id = 0;
    std::uint64_t ns = 0;
  };

  VcpuCounts read_slot(const vcpu_slot& slot, Shown& shown) const;
  void read_reasons(const vcpu_slot& slot, Isa isa, Shown& shown, VcpuCounts& counts) const;

  Clock clock_;
  std::vector<Shown> shown_;  ///< by slot
};

/// CLOCK_MONOTONIC, in ns.
std::uint64_t monotonic_ns();

}  // namespace kvmx
