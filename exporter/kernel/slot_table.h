// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <vector>

#include "bpf/vcpu_slot.h"
#include "exporter/base/result.h"
#include "exporter/kernel/bpf_owners.h"

namespace kvmx {

/// Descriptors of the maps that outlive an exporter where they are pinned; owned by the skeleton,
/// or by what was taken over.
struct SlotMapFds {
  int slots = -1;
  int free_slots = -1;
  int slot_of_vcpu = -1;
  int slot_of_thread = -1;
  int vcpu_makers = -1;
  int vcpus_by_id = -1;
  int vm_processes = -1;
  int events = -1;  ///< -1: no further events are counted
  int io = -1;      ///< -1: neither ports and pages nor interrupt lines are counted
  int lost = -1;
  int exported = -1;
  int new_slots = -1;
};

struct SlotMap {
  const char* name;  ///< in bpf/lib/maps.bpf.h
  int SlotMapFds::*fd;
};

inline constexpr SlotMap kSlotMaps[] = {
    {"slots", &SlotMapFds::slots},
    {"free_slots", &SlotMapFds::free_slots},
    {"slot_of_vcpu", &SlotMapFds::slot_of_vcpu},
    {"slot_of_thread", &SlotMapFds::slot_of_thread},
    {"vcpu_makers", &SlotMapFds::vcpu_makers},
    {"vcpus_by_id", &SlotMapFds::vcpus_by_id},
    {"vm_processes", &SlotMapFds::vm_processes},
    {"events", &SlotMapFds::events},
    {"io", &SlotMapFds::io},
    {"lost", &SlotMapFds::lost},
    {"exported", &SlotMapFds::exported},
    {"new_slots", &SlotMapFds::new_slots},
};

/// The slots of all vCPUs, mapped from the kernel: read in place, without system calls.
class SlotTable {
 public:
  using Clock = std::chrono::steady_clock;

  /// Maps `count` slots and, where `fill` is set, enters every one of them as free.
  static Result<SlotTable> map(const SlotMapFds& fds, std::uint32_t count, bool fill);

  /// All slots, free ones too (tgid 0). The kernel writes them while they are read.
  [[nodiscard]] std::span<const vcpu_slot> slots() const;

  /// Counts of further events by slot; empty if none are counted.
  [[nodiscard]] std::span<const event_counts> events() const;

  /// Ports, pages and interrupt lines by slot; empty if none are counted.
  [[nodiscard]] std::span<const io_counts> io() const;

  /// The exported times of each slot, which only the reader uses.
  [[nodiscard]] std::span<exported_times> exported() const;

  /// Takes a slot away from a VM that has ended: no program finds it from now on, and the reader
  /// takes it for free. A program that had found it before may still write to it, so it is made
  /// available again by a later reclaim().
  void unlink(std::uint32_t index);

  /// Wipes the slots that were unlinked kUnlinkedTime ago or longer and makes them available; so
  /// also those that nobody had when a table was taken over, and still nobody has.
  Result<void> reclaim(Clock::time_point now = Clock::now());

  /// How many slots wait for that.
  [[nodiscard]] std::size_t unlinked() const { return unlinked_.size(); }

  /// Longer than any program runs, also one that is preempted.
  static constexpr std::chrono::milliseconds kUnlinkedTime{900};

  /// Publishes to the BPF programs which processes have VMs: start, in ns since boot, by tgid.
  /// Returns whether there is room for all of them.
  Result<bool> set_vm_processes(const std::map<std::uint32_t, std::uint64_t>& starts) const;

  /// Events lost, by enum kvmx_loss.
  [[nodiscard]] std::array<std::uint64_t, KVMX_LOSSES> losses() const;

 private:
  struct Unlinked {
    std::uint32_t index;
    Clock::time_point since;
  };

  Result<void> add_free(std::uint32_t index) const;
  void wipe(std::uint32_t index);
  Result<std::vector<bool>> offered() const;
  bool in_no_hands(std::uint32_t index, const std::vector<bool>& offered) const;
  Result<void> reclaim_strays();
  vcpu_slot* slot(std::uint32_t index) const;

  SlotMapFds fds_;
  Mapping slots_;
  Mapping events_;
  Mapping io_;
  Mapping lost_;
  Mapping exported_;
  std::uint32_t count_ = 0;
  std::deque<Unlinked> unlinked_;  ///< the earliest first
  /// Slots of a table taken over that were neither used, nor unlinked, nor offered: an exporter was
  /// killed between wiping them and offering them. Or a program has just taken them; then they are
  /// in use before kUnlinkedTime is over.
  std::vector<std::uint32_t> strays_;
  Clock::time_point strays_since_;
};

}  // namespace kvmx
