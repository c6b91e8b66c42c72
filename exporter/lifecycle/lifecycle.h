// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "exporter/base/process_state.h"
#include "exporter/base/vm_key.h"
#include "exporter/lifecycle/vm_state.h"

namespace kvmx {

/// What KVM itself has told of a VM's vCPUs.
enum class VcpuEvidence : std::uint8_t {
  nothing,
  exist,      ///< of one at least it has told neither that it is destroyed, nor failed to
  destroyed,  ///< all that have run
};

/// What is known of a VM from its slots.
struct VmActivity {
  VmKey key;
  std::uint64_t events = 0;  ///< the sum of all that was counted: it moves if any counter does
  VcpuEvidence vcpus = VcpuEvidence::nothing;
};

/// Which VMs exist. Evidence goes in as values, and nothing is read in here: counters, listings of
/// vCPUs and looks at processes are events of the state machine in vm_state.h. While KVM's word is
/// that a VM's vCPUs exist, no listing and no process says that it has ended.
class Lifecycle {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// What all VMs have counted, in order of their keys, read at `now`. A VM that is not among them
  /// is forgotten.
  void note_counters(std::span<const VmActivity> vms, Time now);

  /// Which VMs have vCPUs: `listed` in order, found at some time after `asked`. VMs first seen
  /// after that are none of its business.
  void note_listing(std::span<const VmKey> listed, Time asked);

  void note_process(const VmKey& vm, ProcessState process, Time now);

  /// `seen`, of a VM that nothing is known of. Counts of a thread whose VM is not known yet (kvm 0)
  /// belong to the first VM of its process.
  [[nodiscard]] VmState state(const VmKey& vm) const;

  /// Whether a VM has ended, or may have: the last listing had nothing of it and its counters have
  /// not moved since. A VM of the same name takes its label over.
  [[nodiscard]] bool yields_label(const VmKey& vm) const;

  /// Takes VMs out of life that lingered for `linger`, and then those that ended first until they
  /// have given `wanted` slots. `slots_of` says how many each has. The slots of those returned are
  /// to be released.
  std::vector<VmKey> release(Time now, Time::duration linger, std::size_t wanted,
                             const std::function<std::size_t(const VmKey&)>& slots_of);

 private:
  struct Record {
    Time since{};  ///< when it was first seen
    VmState state = VmState::seen;
    std::uint64_t events = 0;  ///< of its VmActivity
    VcpuEvidence vcpus = VcpuEvidence::nothing;
    bool rest_known = false;       ///< `events` was read after the latest sign of an end
    Time absent{};                 ///< start of the last listing that had nothing of it
    int absences = 0;              ///< how many in a row, and its counters stood still
    bool counts_unlisted = false;  ///< its counters moved although nobody has its descriptors
    bool counts_gone = false;      ///< it was alive although its process seemed not to be
    std::optional<Time> ended_at{};
  };

  static bool note_evidence(Record& record, VcpuEvidence vcpus, Time now);
  static void apply(Record& record, VmEvent event, Time now);
  static void note_absent(Record& record, Time asked);
  [[nodiscard]] std::vector<VmKey> lingering() const;

  std::map<VmKey, Record> vms_;
};

}  // namespace kvmx
