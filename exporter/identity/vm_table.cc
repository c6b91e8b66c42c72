// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/vm_table.h"

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <utility>

#include "exporter/identity/vm_label.h"

namespace kvmx {
namespace {

/// The kernel's start of a process in the unit that /proc tells it in.
std::uint64_t ticks_of_ns(std::uint64_t ns) {
  static const auto ticks_per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  return ns / (1'000'000'000 / ticks_per_second);
}

/// How many of so many VMs may be read again in one call: the work is spread, and yet all have had
/// their turn after 32 calls, which are a second apart at most.
std::size_t rereads_of(std::size_t vms) { return 1 + vms / 32; }

}  // namespace

void VmTable::identify(std::vector<VmCounts>& vms) {
  forget_others(vms);
  const Clock::time_point old = Clock::now() - reread_;
  std::size_t rereads = rereads_of(vms.size());
  for (const VmCounts& vm : vms) {
    const auto found = known_.find(vm.key);
    if (found == known_.end()) {
      learn(vm.key);
    } else if (Known& known = found->second; !known.ended && known.read <= old && rereads > 0) {
      read(vm.key, known);
      --rereads;
    }
  }
  for (VmCounts& vm : vms) {
    const Known& known = known_.at(vm.key);
    vm.identity = known.identity;
    vm.gone = known.ended.has_value();
  }
  set_labels(vms);
}

void VmTable::forget_others(const std::vector<VmCounts>& vms) {
  std::erase_if(known_, [&](const auto& entry) {
    return !std::ranges::binary_search(vms, entry.first, {}, &VmCounts::key);
  });
}

void VmTable::learn(const VmKey& key) {
  Known known;
  known.ordinal = free_ordinal(key);
  read(key, known);
  // Its name may be that of a VM whose end has not been noticed yet, as after a quick restart.
  for (auto& [other_key, other] : known_)
    if (other.name == known.name && !other.ended && !lives(other_key)) other.ended = Clock::now();
  known_.emplace(key, std::move(known));
}

void VmTable::read(const VmKey& key, Known& known) {
  VmIdentity identity = reader_.read(key.tgid);
  known.read = Clock::now();
  // Looked at last: if the process still is this VM's now, what was read is its own.
  if (!lives(key)) {
    known.ended = known.read;
    return;
  }
  known.identity = std::move(identity);
  if (known.name.empty()) known.name = known.identity.title();
}

void VmTable::set_labels(std::vector<VmCounts>& vms) {
  std::vector<VmToLabel> wanted;
  wanted.reserve(vms.size());
  for (const VmCounts& vm : vms) {
    const Known& known = known_.at(vm.key);
    wanted.push_back(
        {vm.key.tgid, vm.key.start_ns, known.ordinal, known.name, vm.comm, vm.gone, known.form});
  }
  std::vector<VmLabel> labels = vm_labels(wanted);
  for (std::size_t i = 0; i < vms.size(); ++i) {
    known_.at(vms[i].key).form = labels[i].form;
    vms[i].label = std::move(labels[i].text);
  }
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
    if (!known.ended && !lives(key)) known.ended = Clock::now();
}

void VmTable::notice_listed(const std::vector<ListedVcpu>& listed, Clock::time_point asked) {
  const auto key_of = [](const ListedVcpu& vcpu) {
    return VmKey{vcpu.tgid, vcpu.start_ns, vcpu.kvm};
  };
  for (auto& [key, known] : known_) {
    if (std::ranges::binary_search(listed, key, {}, key_of)) {
      // Another VM of the process may have taken the place of one that ended.
      known.ended.reset();
    } else if (!known.ended && known.since < asked) {
      known.ended = Clock::now();
    }
  }
}

bool VmTable::ended(const VmKey& key) const {
  const auto found = known_.find(key);
  if (found != known_.end()) return found->second.ended.has_value();
  // Of a thread that no event has given a VM yet. It belongs to the first one of its process.
  const auto first = known_.lower_bound({key.tgid, key.start_ns, 0});
  return first != known_.end() && first->first.tgid == key.tgid &&
         first->first.start_ns == key.start_ns && first->second.ended;
}

bool VmTable::ended_before(const VmKey& key, Clock::time_point time) const {
  const auto found = known_.find(key);
  return found != known_.end() && found->second.ended && *found->second.ended < time;
}

}  // namespace kvmx
