// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/identity_table.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <unordered_set>

#include "exporter/base/clock.h"
#include "exporter/identity/lookup.h"
#include "exporter/identity/vm_label.h"

namespace kvmx {
namespace {

/// How many of so many VMs may be read again in one call: the work is spread, and yet all have had
/// their turn after 32 calls, which are a second apart at most.
std::size_t rereads_of(std::size_t vms) { return 1 + vms / 32; }

/// How old a process is when it need not be waited for: what says who its VM is has come by now.
constexpr std::chrono::seconds kOldProcess{60};

/// When a VM that is first seen `now` began, as far as its names are concerned. One that ran long
/// before the exporter did has all it will get.
IdentityTable::Clock::time_point first_seen(const VmKey& vm, IdentityTable::Clock::time_point now) {
  const std::uint64_t since_boot = since_boot_ns();
  const std::chrono::nanoseconds age{since_boot - std::min(vm.start_ns, since_boot)};
  return age < kOldProcess ? now : now - kOldProcess;
}

}  // namespace

std::vector<IdentityTable::ProcessSighting> IdentityTable::identify(
    std::span<const VmToIdentify> vms, Clock::time_point now) {
  std::erase_if(known_, [&](const auto& entry) {
    return !std::ranges::binary_search(vms, entry.first, {}, &VmToIdentify::key);
  });
  std::size_t rereads = rereads_of(vms.size());
  std::vector<ProcessSighting> seen;
  std::unordered_set<std::string> new_names;
  for (const VmToIdentify& vm : vms) {
    const auto [at, is_new] = known_.try_emplace(vm.key);
    Known& known = at->second;
    const bool due = !vm.ended && known.next_read <= now && rereads > 0;
    if (is_new) {
      known.since = first_seen(vm.key, now);
      known.ordinal = free_ordinal(vm.key);
    }
    if (is_new || due) {
      const std::string before = known.name;
      seen.emplace_back(vm.key, read(vm.key, known, now));
      if (!known.name.empty() && known.name != before) new_names.insert(known.name);
      if (!is_new) --rereads;
    }
    if (vm.ended || now - known.since >= kLabelWait) known.awaits_name = false;
    known.comm = vm.comm;
  }
  if (new_names.empty()) return seen;
  for (const VmToIdentify& vm : vms)
    if (!vm.ended && new_names.contains(known_.at(vm.key).name))
      seen.emplace_back(vm.key, read_process_state(proc_, vm.key));
  return seen;
}

ProcessState IdentityTable::read(const VmKey& key, Known& known, Clock::time_point now) {
  VmIdentity identity = reader_.read(key.tgid);
  // Looked at last: if the process still is this VM's now, what was read is its own.
  const ProcessState process = read_process_state(proc_, key);
  if (process != ProcessState::lives) {
    known.awaits_name = false;
    // What could not be read is tried again at once.
    if (process == ProcessState::gone) known.next_read = now + reread_;
    return process;
  }
  known.identity = std::move(identity);
  if (known.name.empty() || known.awaits_name) known.name = known.identity.title();
  if (has_final_label(known.identity)) known.awaits_name = false;
  known.next_read = now + next_lookup(known.identity, now - known.since, reread_);
  return process;
}

std::uint32_t IdentityTable::free_ordinal(const VmKey& key) const {
  std::set<std::uint32_t> taken;
  for (auto at = known_.lower_bound({key.tgid, key.start_ns, 0});
       at != known_.end() && at->first.tgid == key.tgid && at->first.start_ns == key.start_ns; ++at)
    if (at->first != key) taken.insert(at->second.ordinal);
  std::uint32_t ordinal = 0;
  while (taken.contains(ordinal)) ++ordinal;
  return ordinal;
}

void IdentityTable::assign_labels() {
  std::vector<VmToLabel> to_label;
  to_label.reserve(known_.size());
  for (const auto& [key, known] : known_)
    to_label.push_back(
        {key.tgid, key.start_ns, known.ordinal, known.name, known.comm, known.yields, known.form});
  std::vector<VmLabel> labels = vm_labels(to_label);
  std::size_t i = 0;
  for (auto& [key, known] : known_) {
    known.form = labels[i].form;
    known.label = std::move(labels[i++].text);
  }
}

}  // namespace kvmx
