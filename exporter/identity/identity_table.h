// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "exporter/base/process_state.h"
#include "exporter/base/vm_key.h"
#include "exporter/identity/identity_reader.h"
#include "exporter/identity/vm_label.h"

namespace kvmx {

/// A VM to be identified.
struct VmToIdentify {
  VmKey key;
  std::string_view comm;  ///< name of its process; empty if the kernel's programs cannot tell
  bool ended = false;     ///< its process may be another's by now, so nothing is read
};

/// What was read of a VM, and whether its process was there afterwards.
struct IdentityReading {
  VmIdentity identity{};
  std::string comm{};  ///< name of its process
  ProcessState process = ProcessState::unknown;
};

using IdentityReadings = std::map<VmKey, IdentityReading>;

/// Who every VM is and its label, remembered for as long as it is asked for.
class IdentityTable {
 public:
  using Clock = std::chrono::steady_clock;
  using ProcessSighting = std::pair<VmKey, ProcessState>;

  /// `reread`: how long what was read of a VM is believed.
  explicit IdentityTable(const HostPaths& paths = {},
                         Clock::duration reread = std::chrono::minutes(1))
      : proc_(paths.proc), reader_(paths), reread_(reread) {}

  /// Those that identify() was not asked for last, and that are not prepared either.
  [[nodiscard]] std::vector<VmKey> unknown(std::span<const VmKey> vms) const;

  /// Which of the others are to be read now, those first that wait longest to be read at all. A VM
  /// is looked up when it is first seen, soon again while something is missing (see lookup.h), and
  /// from time to time: its command line may have been rewritten, its title changed.
  [[nodiscard]] std::vector<VmKey> due(Clock::time_point now = Clock::now()) const;

  /// Reads who these VMs are, each process once and before each if `goes_on`. It touches nothing
  /// that is remembered, so that any thread may call it.
  [[nodiscard]] IdentityReadings read(std::span<const VmKey> vms,
                                      const std::function<bool()>& goes_on) const;

  /// Readings for the next identify().
  void prepare(IdentityReadings readings) { prepared_.merge(readings); }

  /// Finds out who `vms` are, which are all there are, in order of their keys: others are
  /// forgotten. What is prepared is enough for nearly all; it reads a few processes itself. The
  /// rest stay due.
  ///
  /// Returns what it saw of their processes on the way. These are the processes that were read, and
  /// those of VMs whose label a new VM would like to have: as after a quick restart, they may have
  /// just ended.
  std::vector<ProcessSighting> identify(std::span<const VmToIdentify> vms,
                                        Clock::time_point now = Clock::now());

  /// Gives a label, unique on the host, to every VM that has none and awaits no name. From then on
  /// a VM keeps its label as long as it lives, whatever becomes of its name, of its process's, or
  /// of other VMs. `yields` says whether a VM leaves its label to another, because it has ended.
  template <typename Yields>
  void assign_labels(Yields yields) {
    if (!want_labels()) return;
    for (auto& [key, known] : known_) known.yields = yields(key);
    assign_labels();
  }

  /// Of a VM that identify() was last asked for.
  [[nodiscard]] const VmIdentity& identity(const VmKey& vm) const { return known_.at(vm).identity; }
  /// Empty while it awaits its name.
  [[nodiscard]] const std::string& label(const VmKey& vm) const { return known_.at(vm).label; }

  /// Whether the VM should not be exported yet, because a name may still come.
  [[nodiscard]] bool awaits_name(const VmKey& vm) const { return known_.at(vm).awaits_name; }

 private:
  struct Known {
    VmIdentity identity;
    Clock::time_point met;        ///< when it was first asked for
    Clock::time_point since;      ///< the same, or earlier if its process is older
    Clock::time_point next_read;  ///< when it is due
    std::string name;             ///< for its label: what it has changes no label any more
    std::string comm;             ///< name of its process when it was first seen
    std::string label;
    int form = 0;               ///< of its label
    std::uint32_t ordinal = 0;  ///< which VM of its process
    bool tried = false;         ///< it has been its turn to be read
    bool read = false;          ///< a failed reading says nothing of a VM
    bool ended = false;
    bool yields = false;
    bool awaits_name = true;

    [[nodiscard]] bool wants_label() const { return label.empty() && !awaits_name; }
  };
  /// Which ordinals the VMs of a process have.
  struct Ordinals {
    std::uint32_t next = 0;
    std::set<std::uint32_t> free;  ///< those below `next` that none has
  };
  using Process = std::pair<std::uint32_t, std::uint64_t>;  ///< tgid and start

  void forget_others(std::span<const VmToIdentify> vms);
  [[nodiscard]] IdentityReading read(const VmKey& vm) const;
  ProcessState take(IdentityReading reading, Known& known, Clock::time_point now) const;
  void meet(const VmToIdentify& vm, Known& known, Clock::time_point now);
  [[nodiscard]] static Clock::time_point longest_wait(const Known& known);
  std::uint32_t take_ordinal(const VmKey& vm);
  void look_at_label_holders(std::vector<ProcessSighting>& seen) const;
  [[nodiscard]] bool want_labels() const;
  [[nodiscard]] static VmToLabel to_label(const VmKey& key, const Known& known);
  void assign_labels();

  std::filesystem::path proc_;
  IdentityReader reader_;
  Clock::duration reread_;
  std::map<VmKey, Known> known_;
  std::map<Process, Ordinals> ordinals_;
  IdentityReadings prepared_;
};

}  // namespace kvmx
