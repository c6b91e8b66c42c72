// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "exporter/identity/identity_reader.h"
#include "exporter/kernel/listed_vcpus.h"
#include "exporter/snapshot/snapshot.h"

namespace kvmx {

/// Who every VM is, remembered for as long as its counts are kept.
class VmTable {
 public:
  using Clock = std::chrono::steady_clock;

  /// `reread`: how long what was read of a VM is believed.
  explicit VmTable(const HostPaths& paths = {}, Clock::duration reread = std::chrono::minutes(1))
      : proc_(paths.proc), reader_(paths), reread_(reread) {}

  /// Sets identity, label and gone of each of `vms`, which is all there are: others are forgotten.
  ///
  /// A VM is looked up when it is first seen, and again from time to time: its command line may
  /// have been rewritten, its title changed. The label holds on to the first name it had, so that
  /// no name that keeps changing multiplies series.
  void identify(std::vector<VmCounts>& vms);

  /// Looks for VMs whose process has ended since this was last called.
  void notice_ended();

  /// Notices VMs that ended though their process lives: `listed` is what was there at some time
  /// after `asked`, in order of their keys.
  void notice_listed(const std::vector<ListedVcpu>& listed, Clock::time_point asked);

  /// Whether a VM was noticed to have ended.
  [[nodiscard]] bool ended(const VmKey& key) const;

  /// Whether a VM was noticed to have ended before `time`.
  [[nodiscard]] bool ended_before(const VmKey& key, Clock::time_point time) const;

 private:
  struct Known {
    VmIdentity identity;
    Clock::time_point read;     ///< when that was
    std::string name;           ///< the first it had, for its label
    int form = 0;               ///< of its label
    std::uint32_t ordinal = 0;  ///< which VM of its process
    Clock::time_point since = Clock::now();
    std::optional<Clock::time_point> ended;
  };

  void forget_others(const std::vector<VmCounts>& vms);
  void learn(const VmKey& key);
  void read(const VmKey& key, Known& known);
  void set_labels(std::vector<VmCounts>& vms);
  [[nodiscard]] bool lives(const VmKey& key) const;
  [[nodiscard]] std::uint32_t free_ordinal(const VmKey& key) const;

  Proc proc_;
  IdentityReader reader_;
  Clock::duration reread_;
  std::map<VmKey, Known> known_;
};

}  // namespace kvmx
