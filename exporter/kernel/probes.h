// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "exporter/base/result.h"
#include "exporter/kernel/bpf_owners.h"
#include "exporter/kernel/features.h"
#include "exporter/kernel/msr_counting.h"
#include "exporter/kernel/pin_directory.h"
#include "exporter/kernel/pinned_set.h"
#include "exporter/kernel/probe_state.h"
#include "exporter/kernel/programs.h"
#include "exporter/kernel/slot_table.h"

namespace kvmx {

/// A state for every selected event, and for what KVM tells of its vCPUs, none attached: what there
/// is to say without KVM.
std::vector<ProbeState> detached_probes(const EventSelection& selection);

/// The BPF programs, loaded and attached, with their maps. They count until this is destroyed, and
/// where they are pinned, longer.
class Probes {
 public:
  /// Loads the programs of the selected events that fit `features`, with room for `max_vcpus`, and
  /// attaches them; other programs are not loaded. An event that the kernel does not have, or that
  /// cannot be attached, is left out and logged; it is an error if none is left, or if the programs
  /// cannot be loaded at all. Where KVM's own functions cannot be attached to, all is loaded once
  /// more without them, which is logged too. With `pins`, those pinned there are taken instead if
  /// they are the same, and else the new ones are pinned.
  static Result<Probes> attach(const Features& features, const EventSelection& selection,
                               std::uint32_t max_vcpus, PinDirectory* pins);

  [[nodiscard]] std::vector<ProbeState> states() const;

  /// Whether events say which VM of its process a vCPU belongs to.
  [[nodiscard]] bool events_identify_vm() const { return events_identify_vm_; }
  /// Whether they are those of an exporter before, with what they had counted.
  [[nodiscard]] bool continued() const { return continued_; }
  /// The programs themselves keep the list of VMs' processes (SlotTable::set_vm_processes).
  [[nodiscard]] bool processes_followed() const { return processes_followed_; }

  /// Whether every vCPU in a slot is told of when it is destroyed.
  [[nodiscard]] bool sees_vcpu_ends();

  /// Names of the further events, in the order of event_counts.count[].
  [[nodiscard]] const std::vector<std::string>& other_events() const { return selection_.others; }
  /// Readable while there are slots made since drain_new() was last called.
  [[nodiscard]] int new_slots_fd() const;
  /// Indices of these slots.
  std::vector<std::uint32_t> drain_new();

  [[nodiscard]] SlotTable& table() { return table_; }
  [[nodiscard]] const SlotTable& table() const { return table_; }

 private:
  Probes() = default;

  static Result<Probes> attach_all(const Features& features, const EventSelection& selection,
                                   std::uint32_t max_vcpus, PinDirectory* pins);
  Result<void> load(std::span<const SelectedProgram> programs);
  Result<void> attach_program(const SelectedProgram& selected);
  Result<bool> continue_pinned(PinDirectory& pins, std::span<const SelectedProgram> programs);
  Result<void> take_over(const PinDirectory& pins, std::span<const SelectedProgram> programs);
  Result<void> pin(const PinDirectory& pins, std::span<const SelectedProgram> programs) const;
  Result<void> open_table(bool fill);
  [[nodiscard]] ProbeState state(const std::string& event, const std::string& program) const;
  [[nodiscard]] std::string program_of(Event event) const;

  ExitSkeletonPtr skeleton_;
  std::vector<LinkPtr> links_;  ///< gone before the programs are
  PinnedSet pinned_;            ///< what was taken over, in place of these two
  EventSelection selection_;
  MsrCounting msrs_ = MsrCounting::event;
  std::uint32_t max_vcpus_ = 0;
  bool events_identify_vm_ = false;
  bool processes_followed_ = false;
  bool continued_ = false;
  bool vcpu_hooks_work_ = false;
  bool vcpu_hooks_wanted_ = false;                    ///< the kernel has what it takes
  std::map<std::string, int, std::less<>> attached_;  ///< programs by SelectedProgram::name
  SlotMapFds maps_;
  std::unique_ptr<std::vector<std::uint32_t>> drained_;  ///< where new_slots_ puts them
  RingPtr new_slots_;
  SlotTable table_;
};

}  // namespace kvmx
