// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "exporter/base/result.h"
#include "exporter/kernel/features.h"
#include "exporter/kernel/probe_state.h"
#include "exporter/kernel/slot_table.h"

struct bpf_link;
struct bpf_program;
struct kvm_exit_bpf;
struct ring_buffer;

namespace kvmx {

/// A state for every wanted event, none attached: what there is to say without KVM.
std::vector<ProbeState> detached_probes(const WantedEvents& wanted);

/// The BPF programs, loaded and attached, with their maps. They count until this is destroyed.
class Probes {
 public:
  /// Loads the programs of the wanted events that fit `features`, with room for `max_vcpus`, and
  /// attaches them; other programs are not loaded. An event that the kernel does not have, or that
  /// cannot be attached, is left out and logged; it is an error if none is left, or if the programs
  /// cannot be loaded at all.
  static Result<Probes> attach(const Features& features, const WantedEvents& wanted,
                               std::uint32_t max_vcpus);

  Probes(Probes&&) noexcept;
  Probes& operator=(Probes&&) noexcept;
  ~Probes();

  [[nodiscard]] std::vector<ProbeState> states() const;

  /// Whether events tell which VM of its process a vCPU belongs to.
  [[nodiscard]] bool tell_vms() const { return tell_vms_; }

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
  void attach(bpf_program* program, std::string_view event, int& program_fd);

  std::unique_ptr<kvm_exit_bpf, SkeletonDeleter> skeleton_;
  std::vector<std::unique_ptr<bpf_link, LinkDeleter>> links_;  ///< gone before the programs are
  WantedEvents wanted_;
  bool tell_vms_ = false;
  std::array<int, kEvents.size()> program_fds_{};  ///< of the attached programs, else -1
  std::vector<int> other_fds_;                     ///< likewise, of wanted_.others
  std::unique_ptr<ring_buffer, RingDeleter> new_slots_;
  SlotTable table_;
};

}  // namespace kvmx
