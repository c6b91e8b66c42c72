// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "exporter/base/result.h"
#include "exporter/counts/slot_reader.h"
#include "exporter/diagnosis/diagnosis.h"
#include "exporter/identity/identity_table.h"
#include "exporter/identity/vm_filter.h"
#include "exporter/kernel/cpu_frequencies.h"
#include "exporter/kernel/probes.h"
#include "exporter/kernel/vcpu_lister.h"
#include "exporter/lifecycle/lifecycle.h"
#include "exporter/snapshot/snapshot.h"

namespace kvmx {

struct ExporterConfig {
  std::array<bool, kEvents.size()> collectors{};
  std::string other_events;  ///< patterns, see choose_events(); empty: none
  std::uint32_t max_vcpus = 0;
  std::chrono::milliseconds min_interval{};  ///< a snapshot is not taken anew before this
  std::chrono::milliseconds linger{};        ///< how long counts outlive their VM
  VmFilter vm_filter{};
  std::string pin_dir{};  ///< where what counts is pinned; empty: nowhere
};

/// Joins counts, lifecycle, identity and diagnosis of all VMs by their keys into one snapshot. Safe
/// to use from several threads.
class Exporter {
 public:
  explicit Exporter(const ExporterConfig& config);

  /// Attaches to KVM's events if KVM is loaded and they are not attached yet. The absence of KVM is
  /// no error: call again later.
  Result<void> attach();

  /// Whether attach() has done what can be done so far.
  [[nodiscard]] bool ready() const { return ready_; }

  /// Whether events are counted: KVM is loaded.
  bool attached();

  /// The present state, at most config.min_interval old. Everyone who asks within that time gets
  /// the same one.
  std::shared_ptr<const Snapshot> snapshot();

  /// To be called every second, and when wake_fd() is readable, by the thread that calls attach():
  /// learns of new VMs while they live, notices those that ended, and frees the slots of those that
  /// ended long ago.
  void housekeep();

  /// Readable when vCPUs have been seen that were not there before; -1 while nothing is attached.
  int wake_fd();

 private:
  using Clock = std::chrono::steady_clock;

  Result<void> open_pins();
  [[nodiscard]] EventSelection event_selection() const;
  void load_lister();
  std::optional<VcpuListing> list_vcpus(bool urgent);
  [[nodiscard]] std::vector<VmCounts> read_counts();
  void follow(std::span<const VmCounts> counts);
  void diagnose(std::span<const VmCounts> counts, const Snapshot& snapshot, std::uint64_t now_ns);
  [[nodiscard]] Vm join(VmCounts counts) const;
  void refresh();
  void look_at_processes();
  bool release_ended();
  void publish_vm_processes();
  void release(const VmCounts& vm);

  const ExporterConfig config_;
  const std::uint64_t boot_time_ns_;  ///< taken once, so that starts of VMs do not waver
  std::mutex mutex_;
  std::optional<PinDirectory> pins_;  ///< locked from the first attach()
  std::optional<Probes> probes_;
  std::optional<VcpuLister> lister_;  ///< the housekeeper's own, as are the next two
  Clock::time_point next_list_;
  Clock::time_point next_urgent_list_;
  VcpuListing listed_;
  std::map<std::uint32_t, std::uint64_t> published_vm_processes_;  ///< what is in the map vm_processes
  SlotReader reader_;
  Lifecycle lifecycle_;
  IdentityTable identities_;
  Diagnosis diagnosis_;
  std::vector<VmCounters> counters_;  ///< what diagnosis_ was told last
  CpuFrequencies frequencies_;
  std::shared_ptr<const Snapshot> current_;
  Clock::time_point taken_;
  std::atomic<bool> ready_ = false;
  bool waiting_logged_ = false;
  bool full_logged_ = false;
};

}  // namespace kvmx
