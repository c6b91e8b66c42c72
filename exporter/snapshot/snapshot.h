// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bpf/vcpu_slot.h"
#include "exporter/counts/vm_counts.h"
#include "exporter/diagnosis/vm_diagnosis.h"
#include "exporter/identity/vm_identity.h"
#include "exporter/kernel/cpu_clock.h"
#include "exporter/kernel/host_info.h"
#include "exporter/kernel/probe_state.h"
#include "exporter/lifecycle/vm_state.h"

namespace kvmx {

/// One VM: who it is, whether it lives, what was counted of it, and what is wrong with it.
struct Vm {
  std::string label;  ///< what the label `vm` says; unique on the host
  VmIdentity identity;
  VmState state = VmState::live;
  bool excluded = false;  ///< exported nowhere: by --vm.include or --vm.exclude, or no name yet
  VmCounts counts;
  VmDiagnosis diagnosis{};

  [[nodiscard]] bool ended() const { return is_over(state); }
};

struct SlotCounts {
  std::uint32_t used = 0;
  std::uint32_t lingering = 0;
  std::uint32_t free = 0;
};

/// Everything known at one moment; never changed afterwards.
struct Snapshot {
  std::vector<Vm> vms;                   ///< in order of their keys
  std::vector<std::string> event_names;  ///< what EventCount::event refers to
  HostInfo host;
  std::optional<CpuClock> cpu_clock;  ///< nothing where the kernel does not tell
  std::vector<ProbeState> probes;
  std::array<std::uint64_t, KVMX_LOSSES> losses{};  ///< by enum kvmx_loss
  std::uint64_t left_out_vms = 0;                   ///< VMs that never ran and were not exported
  SlotCounts slots;
  std::uint64_t boot_time_ns = 0;  ///< since the epoch
  std::uint64_t attached_ns = 0;   ///< when our programs were, since the epoch
  bool continued = false;          ///< programs and counts of an exporter before, by their pins
};

}  // namespace kvmx
