// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bpf/vcpu_slot.h"
#include "exporter/counts/slot_reader.h"
#include "exporter/snapshot/snapshot.h"

namespace kvmx::bench {

/// How much is counted on a made-up host.
struct HostSize {
  std::uint32_t vms = 250;
  std::uint32_t vcpus = 20;    ///< of each VM
  std::uint32_t reasons = 20;  ///< that each vCPU exits for
  std::uint32_t msrs = 0;      ///< that each vCPU writes
  bool others = false;         ///< handling times, timers, halts and returns to the VMM, too

  /// A host with so many series of kvm_exits_total: a multiple of 400.
  static HostSize of_exits(std::size_t series) {
    return {.vms = static_cast<std::uint32_t>(series / 400)};
  }
  [[nodiscard]] std::size_t exits() const { return std::size_t{vms} * vcpus * reasons; }
};

/// Slots as the kernel would have filled them.
class Host {
 public:
  explicit Host(const HostSize& size);

  [[nodiscard]] std::span<const vcpu_slot> slots() const { return slots_; }

  /// What Exporter makes of them, VMs named.
  Snapshot snapshot(SlotReader& reader) const;

 private:
  std::vector<vcpu_slot> slots_;
};

}  // namespace kvmx::bench
