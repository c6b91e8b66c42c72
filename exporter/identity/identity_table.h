// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "exporter/base/vm_key.h"
#include "exporter/identity/identity_reader.h"
#include "exporter/identity/process_state.h"

namespace kvmx {

/// A VM to be identified.
struct VmToIdentify {
  VmKey key;
  std::string_view comm;  ///< name of its process
  bool ended = false;     ///< its process may be another's by now, so nothing is read
};

/// Who every VM is and its label, remembered for as long as it is asked for.
class IdentityTable {
 public:
  using Clock = std::chrono::steady_clock;
  using ProcessSighting = std::pair<VmKey, ProcessState>;

  /// `reread`: how long what was read of a VM is believed.
  explicit IdentityTable(const HostPaths& paths = {},
                         Clock::duration reread = std::chrono::minutes(1))
      : proc_(paths.proc), reader_(paths), reread_(reread) {}

  /// Reads who `vms` are, which are all there are, in order of their keys: others are forgotten.
  /// Returns what it saw of their processes on the way. These are the processes it read, and those
  /// of VMs that have the name of a new VM: as after a quick restart, they may have just ended.
  ///
  /// A VM is looked up when it is first seen, soon again while something is missing (see lookup.h),
  /// and from time to time: its command line may have been rewritten, its title changed. The label
  /// holds on to the first name it had once it is exported, so that no name that keeps changing
  /// multiplies series.
  std::vector<ProcessSighting> identify(std::span<const VmToIdentify> vms,
                                        Clock::time_point now = Clock::now());

  /// Gives every VM its label, unique on the host. `yields` says whether a VM leaves its label to
  /// another that lives.
  template <typename Yields>
  void assign_labels(Yields yields) {
    for (auto& [key, known] : known_) known.yields = yields(key);
    assign_labels();
  }

  /// Of a VM that identify() was last asked for.
  [[nodiscard]] const VmIdentity& identity(const VmKey& vm) const { return known_.at(vm).identity; }
  [[nodiscard]] const std::string& label(const VmKey& vm) const { return known_.at(vm).label; }

  /// Whether the VM should not be exported yet, because a name may still come.
  [[nodiscard]] bool awaits_name(const VmKey& vm) const { return known_.at(vm).awaits_name; }

 private:
  struct Known {
    VmIdentity identity;
    Clock::time_point since;      ///< first seen, or earlier if its process is older
    Clock::time_point next_read;  ///< when it is due
    std::string name;             ///< the first it had, for its label
    std::string comm;             ///< likewise
    std::string label;
    int form = 0;               ///< of its label
    std::uint32_t ordinal = 0;  ///< which VM of its process
    bool yields = false;
    bool awaits_name = true;
  };

  ProcessState read(const VmKey& key, Known& known, Clock::time_point now);
  [[nodiscard]] std::uint32_t free_ordinal(const VmKey& key) const;
  void assign_labels();

  std::filesystem::path proc_;
  IdentityReader reader_;
  Clock::duration reread_;
  std::map<VmKey, Known> known_;
};

}  // namespace kvmx
