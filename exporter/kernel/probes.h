// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "exporter/base/result.h"
#include "exporter/base/unique_fd.h"
#include "exporter/kernel/features.h"
#include "exporter/kernel/pin_directory.h"
#include "exporter/kernel/probe_state.h"
#include "exporter/kernel/slot_table.h"

struct bpf_link;
struct bpf_program;
struct kvm_exit_bpf;
struct ring_buffer;

namespace kvmx {

/// A state for every wanted event, none attached: what there is to say without KVM.
std::vector<ProbeState> detached_probes(const EventSelection& wanted);

/// The BPF programs, loaded and attached, with their maps. They count until this is destroyed, and
/// where they are pinned, longer.
class Probes {
 public:
  /// Loads the programs of the wanted events that fit `features`, with room for `max_vcpus`, and
  /// attaches them; other programs are not loaded. An event that the kernel does not have, or that
  /// cannot be attached, is left out and logged; it is an error if none is left, or if the programs
  /// cannot be loaded at all. With `pins`, those pinned there are taken instead if they are the
  /// same, and else the new ones are pinned.
  static Result<Probes> attach(const Features& features, const EventSelection& wanted,
                               std::uint32_t max_vcpus, PinDirectory* pins);

  Probes(Probes&&) noexcept;
  Probes& operator=(Probes&&) noexcept;
  ~Probes();

  [[nodiscard]] std::vector<ProbeState> states() const;

  /// Whether events tell which VM of its process a vCPU belongs to.
  [[nodiscard]] bool events_identify_vm() const { return events_identify_vm_; }

  /// Names of the further events, in the order of event_counts.count[].
  [[nodiscard]] const std::vector<std::string>& other_events() const { return wanted_.others; }
  /// Readable while there are slots made since drain_new() was last called.
  [[nodiscard]] int new_slots_fd() const;
  /// Returns whether there were any.
  bool drain_new();

  [[nodiscard]] SlotTable& table() { return table_; }
  [[nodiscard]] const SlotTable& table() const { return table_; }

 private:
  struct SkeletonDeleter {
    void operator()(kvm_exit_bpf* skeleton) const;
  };
  struct LinkDeleter {
    void operator()(bpf_link* link) const;
  };
  struct RingDeleter {
    void operator()(ring_buffer* ring) const;
  };
  Probes();
  /// A program, the event it is attached to, and its name where it is pinned.
  struct Wanted {
    bpf_program* program;
    std::string event;
    std::string pin;
    int* fd;  ///< program_fds_ or other_fds_
  };

  std::vector<Wanted> wanted_programs(const std::array<bpf_program*, kEvents.size()>& chosen);
  Result<void> open_table(std::uint32_t max_vcpus, bool fill);
  Result<void> load(std::vector<Wanted>& programs, std::uint32_t max_vcpus);
  Result<void> take_over(const PinDirectory& pins, std::vector<Wanted>& programs,
                         std::uint32_t max_vcpus);
  Result<void> pin(const PinDirectory& pins, const std::vector<Wanted>& programs) const;
  void attach(const Wanted& wanted);

  std::unique_ptr<kvm_exit_bpf, SkeletonDeleter> skeleton_;
  std::vector<std::unique_ptr<bpf_link, LinkDeleter>> links_;  ///< gone before the programs are
  std::vector<UniqueFd> taken_over_;                           ///< pinned by an exporter before
  EventSelection wanted_;
  bool events_identify_vm_ = false;
  std::array<int, kEvents.size()> program_fds_{};  ///< of the attached programs, else -1
  std::vector<int> other_fds_;                     ///< likewise, of wanted_.others
  SlotMapFds maps_;
  int ring_fd_ = -1;
  std::unique_ptr<ring_buffer, RingDeleter> new_slots_;
  SlotTable table_;
};

}  // namespace kvmx
