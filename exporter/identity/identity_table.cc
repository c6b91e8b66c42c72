// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/identity_table.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <unordered_set>
#include <utility>

#include "exporter/base/clock.h"
#include "exporter/identity/lookup.h"

namespace kvmx {
namespace {

/// How many of so many VMs that have a name may be read again in one call: the work is spread, and
/// yet all have had their turn after 32 calls, which are a second apart at most.
std::size_t rereads_of(std::size_t vms) { return 1 + vms / 32; }

/// How many processes identify() reads that nobody has read for it: it is under a lock.
constexpr int kReadsAtOnce = 4;

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

IdentityReading IdentityTable::read(const VmKey& vm) const {
  // Of those that wait for their turn many may be gone, and to see that is a tenth of the work.
  if (read_process_state(proc_, vm) == ProcessState::gone) return {.process = ProcessState::gone};
  IdentityReading reading{.identity = reader_.read(vm.tgid), .comm = reader_.read_comm(vm.tgid)};
  // Looked at last: if the process still is this VM's now, what was read is its own.
  reading.process = read_process_state(proc_, vm);
  return reading;
}

IdentityReadings IdentityTable::read(std::span<const VmKey> vms,
                                     const std::function<bool()>& goes_on) const {
  IdentityReadings readings;
  std::map<Process, IdentityReading> processes;
  bool going = true;
  for (const VmKey& vm : vms) {
    auto process = processes.find({vm.tgid, vm.start_ns});
    if (process == processes.end()) {
      going = going && goes_on();
      if (!going) continue;
      process = processes.emplace(Process{vm.tgid, vm.start_ns}, read(vm)).first;
    }
    readings.emplace(vm, process->second);
  }
  return readings;
}

std::vector<VmKey> IdentityTable::unknown(std::span<const VmKey> vms) const {
  std::vector<VmKey> wanted;
  for (const VmKey& vm : vms)
    if (!known_.contains(vm) && !prepared_.contains(vm)) wanted.push_back(vm);
  return wanted;
}

std::vector<VmKey> IdentityTable::due(Clock::time_point now) const {
  std::vector<VmKey> wanted;
  for (const auto& [key, known] : known_)
    if (!known.tried && (!known.ended || known.met == now)) wanted.push_back(key);
  std::ranges::stable_sort(wanted, {}, [this](const VmKey& vm) { return known_.at(vm).met; });
  std::size_t rereads = rereads_of(known_.size());
  for (const auto& [key, known] : known_) {
    if (!known.tried || known.ended || known.next_read > now) continue;
    // One that awaits its name cannot await its turn, too: it has seconds.
    if (!known.awaits_name && rereads == 0) continue;
    if (!known.awaits_name) --rereads;
    wanted.push_back(key);
  }
  std::erase_if(wanted, [this](const VmKey& vm) { return prepared_.contains(vm); });
  return wanted;
}

std::vector<IdentityTable::ProcessSighting> IdentityTable::identify(
    std::span<const VmToIdentify> vms, Clock::time_point now) {
  forget_others(vms);
  for (const VmToIdentify& vm : vms) {
    const auto [at, is_new] = known_.try_emplace(vm.key);
    at->second.ended = vm.ended;
    if (is_new) meet(vm, at->second, now);
  }
  IdentityReadings readings =
      read(due(now), [left = kReadsAtOnce]() mutable { return left-- > 0; });
  readings.merge(std::exchange(prepared_, {}));
  std::vector<ProcessSighting> seen;
  for (auto& [key, known] : known_) {
    if (const auto reading = readings.find(key); reading != readings.end())
      seen.emplace_back(key, take(std::move(reading->second), known, now));
    if (known.ended || now >= longest_wait(known)) known.awaits_name = false;
  }
  look_at_label_holders(seen);
  return seen;
}

void IdentityTable::meet(const VmToIdentify& vm, Known& known, Clock::time_point now) {
  known.met = now;
  known.since = first_seen(vm.key, now);
  known.comm = vm.comm;
  known.ordinal = take_ordinal(vm.key);
}

IdentityTable::Clock::time_point IdentityTable::longest_wait(const Known& known) {
  // It is not the VM's fault that nobody came to read it.
  if (!known.tried || known.identity.refused) return known.met + kUnreadLabelWait;
  return (known.read ? known.since : known.met) + kLabelWait;
}

void IdentityTable::forget_others(std::span<const VmToIdentify> vms) {
  std::erase_if(known_, [&](const auto& entry) {
    const auto& [key, known] = entry;
    if (std::ranges::binary_search(vms, key, {}, &VmToIdentify::key)) return false;
    const auto process = ordinals_.find({key.tgid, key.start_ns});
    process->second.free.insert(known.ordinal);
    if (process->second.free.size() == process->second.next) ordinals_.erase(process);
    return true;
  });
}

std::uint32_t IdentityTable::take_ordinal(const VmKey& vm) {
  Ordinals& ordinals = ordinals_[{vm.tgid, vm.start_ns}];
  if (ordinals.free.empty()) return ordinals.next++;
  return ordinals.free.extract(ordinals.free.begin()).value();
}

ProcessState IdentityTable::take(IdentityReading reading, Known& known,
                                 Clock::time_point now) const {
  known.tried = true;
  // What could not be read is tried again soon.
  if (reading.process == ProcessState::unknown) return reading.process;
  const bool was_read = std::exchange(known.read, true) && !known.identity.refused;
  if (reading.process == ProcessState::gone) {
    known.awaits_name = false;
    known.next_read = now + reread_;
    return reading.process;
  }
  if (known.comm.empty()) known.comm = std::move(reading.comm);
  if (reading.identity.refused && was_read) {  // what is known of it is better
    known.next_read = now + reread_;
    return reading.process;
  }
  known.identity = std::move(reading.identity);
  if (known.label.empty()) known.name = known.identity.title();
  if (has_final_label(known.identity)) known.awaits_name = false;
  const Clock::time_point since = known.identity.refused ? known.met : known.since;
  known.next_read = now + next_lookup(known.identity, now - since, reread_);
  return reading.process;
}

void IdentityTable::look_at_label_holders(std::vector<ProcessSighting>& seen) const {
  std::unordered_set<std::string> wanted;
  for (const auto& [key, known] : known_)
    if (known.wants_label()) wanted.insert(first_label(to_label(key, known)));
  if (wanted.empty()) return;
  for (const auto& [key, known] : known_)
    if (!known.ended && wanted.contains(known.label))
      seen.emplace_back(key, read_process_state(proc_, key));
}

bool IdentityTable::want_labels() const {
  return std::ranges::any_of(known_, [](const auto& vm) { return vm.second.wants_label(); });
}

VmToLabel IdentityTable::to_label(const VmKey& key, const Known& known) {
  return {.tgid = key.tgid,
          .start_ns = key.start_ns,
          .ordinal = known.ordinal,
          .name = known.name,
          .comm = known.comm,
          .gone = known.yields,
          .form = known.form,
          .label = known.label};
}

void IdentityTable::assign_labels() {
  std::vector<Known*> labelled;
  std::vector<VmToLabel> vms;
  for (auto& [key, known] : known_) {
    if (known.label.empty() && known.awaits_name) continue;
    labelled.push_back(&known);
    vms.push_back(to_label(key, known));
  }
  std::vector<VmLabel> labels = vm_labels(vms);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    labelled[i]->form = labels[i].form;
    labelled[i]->label = std::move(labels[i].text);
  }
}

}  // namespace kvmx
