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
#include <set>
#include <span>
#include <string>
#include <vector>

#include "exporter/base/result.h"
#include "exporter/counts/cpu_times.h"
#include "exporter/counts/failed_polls.h"
#include "exporter/counts/slot_reader.h"
#include "exporter/diagnosis/diagnosis.h"
#include "exporter/identity/identity_table.h"
#include "exporter/identity/vm_filter.h"
#include "exporter/kernel/cpu_frequencies.h"
#include "exporter/kernel/probes.h"
#include "exporter/lifecycle/lifecycle.h"
#include "exporter/listings.h"
#include "exporter/snapshot/snapshot.h"
#include "exporter/work_budget.h"

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

  /// Whether nothing is to be loaded into the kernel any more, which takes privileges. For the
  /// thread that calls housekeep().
  [[nodiscard]] bool settled() const { return listings_ && listings_->settled(); }

  /// The present state, at most config.min_interval old. Everyone who asks within that time gets
  /// the same one.
  std::shared_ptr<const Snapshot> snapshot();

  /// To be called every second, and when wake_fd() is readable, by the thread that calls attach():
  /// learns of new VMs while they live, notices those that ended, and frees the slots of those that
  /// ended long ago. All this takes no more than a fiftieth of a CPU, however many VMs come and go.
  /// What is too much has to wait: ends that KVM told of and slots to be freed for three seconds at
  /// most, what only a look at all that exists can tell for ten.
  void housekeep();

  /// Readable when vCPUs have been seen that were not there before; -1 while nothing is attached,
  /// or while there is no time for them. For the thread that calls housekeep().
  int wake_fd();

  /// How long that thread may wait before it calls housekeep() again: a second at most.
  std::chrono::milliseconds housekeeping_wait();

 private:
  using Clock = std::chrono::steady_clock;
  using Starts = std::map<std::uint32_t, std::uint64_t>;  ///< of processes, by id

  /// Together less than a fiftieth of a CPU, since waking up for it comes on top. What was not
  /// spent in some minutes may be spent at once.
  static constexpr int kLookingParts = 200;
  static constexpr int kReadingParts = 80;
  static constexpr std::chrono::milliseconds kLookingBurst{300};
  static constexpr std::chrono::milliseconds kReadingBurst{1500};
  static constexpr std::chrono::milliseconds kDebt{100};

  Result<void> open_pins();
  [[nodiscard]] EventSelection event_selection(const Features& features) const;
  [[nodiscard]] std::vector<VmCounts> read_counts();
  void follow(std::span<const VmCounts> counts);
  void diagnose(std::span<const VmCounts> counts, const Snapshot& snapshot, std::uint64_t now_ns);
  [[nodiscard]] Vm join(VmCounts counts) const;
  void count_slots(Snapshot& snapshot) const;
  void refresh();
  void look_if_due();
  void reclaim_slots();
  void run_round();
  void settle(std::optional<VcpuListing> listing, std::optional<std::vector<listed_thread>> threads,
              std::uint64_t asked_ns);
  void read_vms_of_new_slots();
  void read_vms(std::vector<VmKey> vms);
  void read_due_vms();
  void read_now(std::span<const VmKey> vms);
  void look_at_processes(const std::optional<VcpuListing>& listing);
  void limit_idle_vms(std::vector<VmCounts>& counts);
  [[nodiscard]] std::size_t wanted_slots();
  bool release_ended();
  void publish_vm_processes();
  void warn_of_full_table();

  const ExporterConfig config_;
  std::uint64_t attached_ns_ = 0;     ///< since the epoch
  const std::uint64_t boot_time_ns_;  ///< taken once, so that starts of VMs do not waver
  std::mutex mutex_;
  std::optional<PinDirectory> pins_;  ///< locked from the first attach()
  std::optional<Probes> probes_;
  std::optional<Listings> listings_;  ///< the housekeeper's own, as are the next nine
  WorkBudget looking_{kLookingParts, kLookingBurst, kDebt};
  WorkBudget reading_{kReadingParts, kReadingBurst, kDebt};
  std::chrono::nanoseconds reading_time_{0};  ///< that was spent of reading_
  Clock::time_point looked_;
  Clock::time_point settled_;
  bool freed_ = false;             ///< slots, since vm_processes_ was published
  bool new_vcpus_ = false;         ///< since the last round
  Starts vm_processes_;            ///< of all VMs, at the last round
  Starts published_vm_processes_;  ///< what is in the map vm_processes
  VcpuListing listed_;
  SlotReader reader_;
  CpuTimes cpu_times_;
  FailedPolls failed_polls_;
  std::optional<std::vector<listed_thread>> threads_;  ///< not yet in cpu_times_
  Lifecycle lifecycle_;
  IdentityTable identities_;
  Diagnosis diagnosis_;
  std::vector<VmCounters> counters_;  ///< what diagnosis_ was told last
  CpuFrequencies frequencies_;
  std::set<VmKey> left_out_;        ///< VMs that were not exported, see limit_idle_vms()
  std::uint64_t left_out_vms_ = 0;  ///< how many there have been
  std::uint64_t full_seen_ = 0;     ///< events lost to a full table, at the last release
  std::shared_ptr<const Snapshot> current_;
  Clock::time_point taken_;
  std::atomic<bool> ready_ = false;
  bool waiting_logged_ = false;
  std::atomic<bool> full_logged_ = false;
};

}  // namespace kvmx
