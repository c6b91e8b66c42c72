// SPDX-License-Identifier: Apache-2.0
#include "exporter/lifecycle/lifecycle.h"

#include <algorithm>
#include <utility>

namespace kvmx {
namespace {

/// Listings may follow each other quickly. Those within this time of another count as one.
constexpr std::chrono::milliseconds kListingsApart(500);

constexpr int kAbsencesOfAnEnd = 2;

}  // namespace

void Lifecycle::apply(Record& record, VmEvent event, Time now) {
  const VmTransition next = transition(record.state, event);
  record.state = next.state;
  if (next.action == VmAction::note_end) {
    record.ended_at = now;
    // That a VM is unlisted includes that its counters stand still.
    if (event != VmEvent::unlisted) record.rest_known = false;
  } else if (next.action == VmAction::take_back_end) {
    record.ended_at.reset();
    record.absences = 0;
  }
}

/// Returns whether there is any. What KVM tells is news once: another VM may have been made since
/// where the destroyed one was.
bool Lifecycle::note_evidence(Record& record, VcpuEvidence vcpus, Time now) {
  if (std::exchange(record.vcpus, vcpus) == vcpus || vcpus == VcpuEvidence::nothing) return false;
  const bool exist = vcpus == VcpuEvidence::exist;
  if (exist) record.absences = 0;
  apply(record, exist ? VmEvent::listed : VmEvent::destroyed, now);
  return true;
}

void Lifecycle::note_counters(std::span<const VmActivity> vms, Time now) {
  std::erase_if(vms_, [&](const auto& entry) {
    return !std::ranges::binary_search(vms, entry.first, {}, &VmActivity::key);
  });
  for (const VmActivity& vm : vms) {
    const auto [at, is_new] = vms_.try_emplace(vm.key, Record{.since = now, .events = vm.events});
    Record& record = at->second;
    // Slots that were released are not read again: these are new ones.
    if (record.state == VmState::released) record = {.since = now, .events = vm.events};
    const bool moved = std::exchange(record.events, vm.events) != vm.events;
    const bool known = std::exchange(record.rest_known, true);
    if (note_evidence(record, vm.vcpus, now) || is_new) continue;
    const bool doubted = is_over(record.state) || record.absences > 0;
    if (!doubted && moved) apply(record, VmEvent::counted, now);
    // The first reading after a sign of an end may still find what was counted before it.
    if (!doubted || !known) continue;
    if (moved) {
      record.counts_unlisted |= record.absences > 0;
      record.counts_gone |= is_over(record.state);
      record.absences = 0;
      apply(record, VmEvent::counted, now);
    } else {
      apply(record, VmEvent::at_rest, now);
      if (record.absences >= kAbsencesOfAnEnd) apply(record, VmEvent::unlisted, now);
    }
  }
}

void Lifecycle::note_absent(Record& record, Time asked) {
  if (is_over(record.state) || record.vcpus == VcpuEvidence::exist) return;
  if (record.absences > 0 && asked - record.absent < kListingsApart) return;
  if (record.absences == 0) record.rest_known = false;
  record.absent = asked;
  ++record.absences;
}

void Lifecycle::note_listing(std::span<const VmKey> listed, Time asked) {
  for (auto& [key, record] : vms_) {
    if (!std::ranges::binary_search(listed, key)) {
      if (record.since < asked) note_absent(record, asked);
      continue;
    }
    record.absences = 0;
    record.counts_unlisted = false;
    // A listing from before its end was noticed may be older than the end.
    if (record.ended_at && asked <= *record.ended_at) continue;
    record.counts_gone |= is_over(record.state);
    apply(record, VmEvent::listed, asked);
  }
}

void Lifecycle::note_process(const VmKey& vm, ProcessState process, Time now) {
  const auto found = vms_.find(vm);
  if (found == vms_.end()) return;
  Record& record = found->second;
  switch (process) {
    case ProcessState::lives:
      record.counts_gone = false;
      return apply(record, VmEvent::process_lives, now);
    case ProcessState::unknown:
      return apply(record, VmEvent::read_failed, now);
    case ProcessState::gone:
      if (record.vcpus == VcpuEvidence::exist) return;
      // Where processes are hidden from us, the VM's counters have to say it, too.
      if (record.counts_gone) return note_absent(record, now);
      return apply(record, VmEvent::process_gone, now);
  }
}

VmState Lifecycle::state(const VmKey& vm) const {
  auto found = vms_.find(vm);
  if (found == vms_.end()) {
    found = vms_.lower_bound({vm.tgid, vm.start_ns, 0});
    if (found == vms_.end() || found->first.tgid != vm.tgid || found->first.start_ns != vm.start_ns)
      return VmState::seen;
  }
  return found->second.state;
}

bool Lifecycle::yields_label(const VmKey& vm) const {
  const auto found = vms_.find(vm);
  if (found == vms_.end()) return false;
  const Record& record = found->second;
  return is_over(record.state) || (record.absences > 0 && !record.counts_unlisted);
}

std::vector<VmKey> Lifecycle::release(Time now, Time::duration linger, std::size_t wanted,
                                      const std::function<std::size_t(const VmKey&)>& slots_of) {
  std::vector<VmKey> released;
  std::size_t given = 0;
  for (const VmKey& vm : lingering()) {
    Record& record = vms_.at(vm);
    const bool over = now - *record.ended_at > linger;
    if (!over && given >= wanted) break;
    apply(record, over ? VmEvent::linger_over : VmEvent::slots_wanted, now);
    given += slots_of(vm);
    released.push_back(vm);
  }
  return released;
}

std::vector<VmKey> Lifecycle::lingering() const {
  std::vector<VmKey> ended;
  for (const auto& [key, record] : vms_)
    if (record.state == VmState::lingering) ended.push_back(key);
  std::ranges::stable_sort(ended, {}, [this](const VmKey& vm) { return *vms_.at(vm).ended_at; });
  return ended;
}

}  // namespace kvmx
