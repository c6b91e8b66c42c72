// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/vm_table.h"

#include <unistd.h>

#include <algorithm>
#include <set>
#include <string>

#include "exporter/identity/command_line.h"
#include "exporter/identity/vm_label.h"

namespace kvmx {
namespace {

/// The kernel's start of a process in the unit that /proc tells it in.
std::uint64_t ticks_of_ns(std::uint64_t ns) {
  static const auto ticks_per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  return ns / (1'000'000'000 / ticks_per_second);
}

void set_labels(std::vector<VmCounts>& vms, const std::vector<std::uint32_t>& ordinals) {
  std::vector<VmToLabel> wanted;
  wanted.reserve(vms.size());
  for (std::size_t i = 0; i < vms.size(); ++i)
    wanted.push_back({vms[i].key.tgid, vms[i].key.start_ns, ordinals[i], vms[i].identity.title(),
                      vms[i].comm, vms[i].gone});
  std::vector<std::string> labels = vm_labels(wanted);
  for (std::size_t i = 0; i < vms.size(); ++i) vms[i].label = std::move(labels[i]);
}

}  // namespace

void VmTable::identify(std::vector<VmCounts>& vms) {
  forget_others(vms);
  std::vector<std::uint32_t> ordinals;
  ordinals.reserve(vms.size());
  for (VmCounts& vm : vms) {
    if (!known_.contains(vm.key)) learn(vm);
    const Known& known = known_.at(vm.key);
    vm.identity = known.identity;
    vm.gone = known.ended.has_value();
    ordinals.push_back(known.ordinal);
  }
  set_labels(vms, ordinals);
}

void VmTable::forget_others(const std::vector<VmCounts>& vms) {
  std::erase_if(known_, [&](const auto& entry) {
    return !std::ranges::binary_search(vms, entry.first, {}, &VmCounts::key);
  });
}

void VmTable::learn(const VmCounts& vm) {
  Known known;
  known.ordinal = free_ordinal(vm.key);
  const auto command_line = proc_.read_cmdline(vm.key.tgid);
  // Looked at last: if the process still is this VM's now, the command line was its own.
  if (lives(vm.key)) {
    if (command_line) known.identity = kvmx::identify(*command_line).value_or(VmIdentity());
  } else {
    known.ended = std::chrono::steady_clock::now();
  }
  known_.emplace(vm.key, std::move(known));
}

bool VmTable::lives(const VmKey& key) const {
  return proc_.read_start_ticks(key.tgid) == ticks_of_ns(key.start_ns);
}

std::uint32_t VmTable::free_ordinal(const VmKey& key) const {
  std::set<std::uint32_t> taken;
  for (const auto& [other, known] : known_)
    if (other.tgid == key.tgid && other.start_ns == key.start_ns) taken.insert(known.ordinal);
  std::uint32_t ordinal = 0;
  while (taken.contains(ordinal)) ++ordinal;
  return ordinal;
}

void VmTable::notice_ended() {
  for (auto& [key, known] : known_)
    if (!known.ended && !lives(key)) known.ended = std::chrono::steady_clock::now();
}

bool VmTable::ended(const VmKey& key) const {
  // Any VM of the process will do: they end together, and the first in order is easily found.
  const auto found = known_.lower_bound({key.tgid, key.start_ns, 0});
  return found != known_.end() && found->first.tgid == key.tgid &&
         found->first.start_ns == key.start_ns && found->second.ended;
}

bool VmTable::ended_before(const VmKey& key, std::chrono::steady_clock::time_point time) const {
  const auto found = known_.find(key);
  return found != known_.end() && found->second.ended && *found->second.ended < time;
}

}  // namespace kvmx
