// SPDX-License-Identifier: Apache-2.0
#include "exporter/counts/slot_reader.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <utility>

#include "exporter/counts/exit_codes.h"
#include "exporter/counts/left_behind.h"
#include "exporter/counts/load.h"
#include "exporter/counts/sum_counts.h"
#include "exporter/kernel/fixed_msrs.h"
#include "exporter/kernel/reason_ids.h"
#include "exporter/names/exit_reasons.h"

namespace kvmx {
namespace {

/// Of the MSRs that have a counter of their own.
void read_fixed_msrs(const vcpu_slot& slot, std::vector<MsrCount>& counts) {
  for (std::uint32_t id = 0; id < KVMX_FIXED_MSRS; ++id) {
    MsrCount msr{.index = kFixedMsrs[id], .accesses = {}};
    for (std::size_t op = 0; op < msr.accesses.size(); ++op)
      msr.accesses[op] = load(slot.msr[id].count[op]);
    if (msr.accesses != std::array<std::uint64_t, KVMX_OPS>{}) counts.push_back(msr);
  }
}

void read_events(const event_counts& slot, VcpuCounts& counts) {
  for (std::uint32_t event = 0; event < KVMX_EVENTS; ++event) {
    const std::uint64_t count = load(slot.count[event]);
    if (count != 0) counts.events.push_back({event, count});
  }
}

std::uint64_t ended_halts(const vcpu_slot& slot) {
  std::uint64_t halts = 0;
  for (const kvmx_halt& halt : slot.halts) halts += load(halt.count);
  return halts;
}

/// The time to export: never less than was exported before.
std::uint64_t clamp_to_monotonic(__u64& exported, std::uint64_t ns) {
  exported = std::max<std::uint64_t>(exported, ns);
  return exported;
}

template <std::size_t kBuckets>
void add_buckets(const __u64 (&buckets)[kBuckets], Histogram<kBuckets>& into) {
  for (std::size_t i = 0; i < kBuckets; ++i) into.buckets[i] += load(buckets[i]);
}

void add_vcpu(VmCounts& vm, VcpuCounts counts) {
  const auto at = std::ranges::lower_bound(vm.vcpus, counts.id, {}, &VcpuCounts::id);
  if (at == vm.vcpus.end() || at->id != counts.id) {
    vm.vcpus.insert(at, std::move(counts));
  } else {
    merge(*at, counts);
  }
}

void add_listed(std::span<const ListedVcpu> listed, std::map<VmKey, VmCounts>& vms) {
  VmCounts* vm = nullptr;
  for (const ListedVcpu& vcpu : listed) {
    const VmKey key = vcpu.vm();
    if (!vm || vm->key != key) {
      vm = &vms[key];
      vm->key = key;
      vm->comm = vcpu.comm;
    }
    ++vm->listed;
  }
}

/// What is counted by VM, but for its vCPUs.
void merge_vm(VmCounts& into, const VmCounts& more) {
  merge(into.latency, more.latency);
  merge(into.intervals, more.intervals);
  for (const IoCount& io : more.io) add(into.io, io);
  for (std::size_t i = 0; i < into.line_changes.size(); ++i)
    into.line_changes[i] += more.line_changes[i];
}

/// A VM's counts as the first slot finds them.
VmCounts& begin_vm(VmCounts& vm, const VmKey& key) {
  vm.key = key;
  vm.vcpus.reserve(vm.listed);
  vm.slots.reserve(vm.listed);
  vm.threads.reserve(vm.listed);
  return vm;
}

/// Slots made for threads, before an event gave the VM's pointer, belong to the VM of the process.
/// If it has several, nothing says yet to which: their counts wait until an event does.
void adopt_threads(std::map<VmKey, VmCounts>& vms) {
  for (auto at = vms.begin(); at != vms.end();) {
    const auto next = std::next(at);
    const auto of_process = [&](auto other) {
      return other != vms.end() && other->first.tgid == at->first.tgid &&
             other->first.start_ns == at->first.start_ns;
    };
    if (at->first.kvm == 0 && of_process(next)) {
      VmCounts& first = next->second;
      const bool is_only_one = !of_process(std::next(next));
      for (VcpuCounts& vcpu : at->second.vcpus)
        if (is_only_one) add_vcpu(first, std::move(vcpu));
      if (is_only_one) merge_vm(first, at->second);
      // They are released with the first VM in any case.
      for (const std::uint32_t slot : at->second.slots) first.slots.push_back(slot);
      for (const VcpuThread& thread : at->second.threads) first.threads.push_back(thread);
      vms.erase(at);
    }
    at = next;
  }
}

}  // namespace

/// Time since the VMM got the vCPU, if it still has it; called after the sum that the time will be
/// added to was read.
std::uint64_t SlotReader::userspace_running_ns(const vcpu_slot& slot, std::uint64_t began,
                                               bool ended) const {
  if (began == 0 || ended) return 0;
  const std::uint64_t now = clock_();
  return load(slot.userspace_ns) == began && now > began ? now - began : 0;
}

bool SlotReader::is_halt(const vcpu_slot& slot, const Exit& exit) {
  return exit.id() && idle_exits(static_cast<Isa>(load(slot.isa)))[*exit.id()] == Idle::halt;
}

/// Time since that exit began, if it is still being handled; called after the sum that the time
/// will be added to was read. The kernel writes `exit` last, and so it is read first.
std::uint64_t SlotReader::exit_running_ns(const vcpu_slot& slot, const Exit& exit,
                                          bool ended) const {
  if (ended || !exit.id()) return 0;
  const std::uint64_t now = clock_();
  const bool same = Exit{load(slot.exit)}.id() == exit.id() && load(slot.exit_ns) == exit.began_ns;
  return same && now > exit.began_ns ? now - exit.began_ns : 0;
}

void SlotReader::read_reasons(const vcpu_slot& slot, const Context& context, VcpuCounts& counts,
                              VmCounts& vm) const {
  const auto isa = static_cast<Isa>(load(slot.isa));
  const Exit exit{load(slot.exit), load(slot.exit_ns)};
  // A guest has exits of a dozen reasons. Of the others there is nothing to read.
  std::array<std::uint32_t, KVMX_REASONS> seen;
  std::size_t found = 0;
  for (std::uint32_t id = 0; id < KVMX_REASONS; ++id)
    if (load(slot.reason[id].count) != 0) seen[found++] = id;
  const std::span ids(seen.data(), found);
  std::array<std::uint64_t, KVMX_REASONS> ns{};
  for (const std::uint32_t id : ids) ns[id] = load(slot.reason[id].ns);
  const auto& idle = idle_exits(isa);
  std::uint64_t latency_ns = 0;
  for (const std::uint32_t id : ids)
    if (idle[id] == Idle::none) latency_ns += ns[id];
  // Read after them, so that it has all that they contain.
  latency_ns -= std::min<std::uint64_t>(latency_ns, load(slot.halted_ns));
  exported_times& exported = context.exported;
  vm.latency.sum_ns += clamp_to_monotonic(exported.latency_ns, latency_ns);

  const std::uint32_t current = exit.id().value_or(exported.exit_id);
  ns[current] += exit_running_ns(slot, exit, context.ended);
  // Kept for each exit until the kernel's figure has passed it: others may come before that.
  if (ns[exported.exit_id] < exported.exit_ns) context.ahead[exported.exit_id] = exported.exit_ns;
  for (const auto& [id, least] : context.ahead) ns[id] = std::max(ns[id], least);
  std::erase_if(context.ahead, [&](const auto& kept) { return ns[kept.first] > kept.second; });
  exported.exit_id = current;
  exported.exit_ns = ns[current];

  const DenseCodes& codes = dense_codes(isa);
  counts.reasons.reserve(ids.size());
  for (const std::uint32_t id : ids)
    counts.reasons.push_back({id < codes.size() ? codes[id] : sparse_code(slot, isa, id),
                              load(slot.reason[id].count), ns[id]});
  sort_reasons(counts.reasons);
}

/// What a vCPU that may sleep or not is known to do; null of one whose events tell.
const SleepWatch* SlotReader::look_again(const vcpu_slot& slot, SleepWatch& watch,
                                         const VcpuListing& listing) const {
  const Exit exit{load(slot.exit)};
  const bool left_halted = (exit.state & KVMX_EXIT_IN_VMM) != 0 && is_halt(slot, exit);
  if ((exit.state & KVMX_EXIT_HALT_ENDED) == 0 && !left_halted) return nullptr;
  const auto listed_ns = std::chrono::nanoseconds(listing.asked.time_since_epoch()).count();
  const auto asleep = listing.asleep({load(slot.tgid), slot.vm_start, slot.kvm}, slot.vcpu_id);
  watch.look(ended_halts(slot), clock_(), asleep, static_cast<std::uint64_t>(listed_ns));
  return &watch;
}

/// Time of the halt that has not ended; called after the sum that it will be added to was read.
std::uint64_t SlotReader::halt_running_ns(const vcpu_slot& slot, const Exit& exit,
                                          const Context& context) const {
  if (const SleepWatch* const watch = context.watch) {
    const auto since = watch->asleep_since();
    const std::uint64_t now = clock_();
    const bool still = since && !context.ended && ended_halts(slot) == watch->halts();
    return still && now > *since ? now - *since : 0;
  }
  // Not woken after the sum was read, and still in the same exit: the sum has nothing of this halt.
  if (!is_halt(slot, exit)) return 0;
  const std::uint64_t running = exit_running_ns(slot, exit, context.ended);
  return (load(slot.exit) & KVMX_EXIT_HALT_ENDED) == 0 ? running : 0;
}

void SlotReader::read_halts(const vcpu_slot& slot, const Context& context,
                            VcpuCounts& counts) const {
  // KVM may only be polling for a wake-up before this, which is not for us to call a sleep.
  constexpr std::uint64_t kSurelyAsleepNs = 10'000'000;
  const Exit exit{load(slot.exit), load(slot.exit_ns)};
  for (std::size_t i = 0; i < counts.halts.size(); ++i)
    counts.halts[i] = {load(slot.halts[i].count), load(slot.halts[i].ns)};
  const std::uint64_t asleep = halt_running_ns(slot, exit, context);
  HaltCount& sleeps = counts.halts[KVMX_WAKEUP_WAIT];
  sleeps.ns = clamp_to_monotonic(context.exported.halt_ns,
                                 sleeps.ns + (asleep > kSurelyAsleepNs ? asleep : 0));
}

void SlotReader::read_userspace_exits(const vcpu_slot& slot, const Context& context,
                                      VcpuCounts& counts) const {
  for (std::uint32_t id = 0; id < KVMX_USERSPACE_EXITS; ++id) {
    const std::uint64_t exits = load(slot.userspace_exits[id]);
    if (exits != 0) counts.userspace_exits.push_back({id, exits});
  }
  const std::uint64_t stamp = load(slot.userspace_ns);
  const std::uint64_t total = load(slot.userspace_total_ns);
  const bool surely = !context.watch || context.watch->awake();
  const std::uint64_t running = surely ? userspace_running_ns(slot, stamp, context.ended) : 0;
  counts.userspace_ns = clamp_to_monotonic(context.exported.userspace_ns, total + running);
}

void SlotReader::read_msrs(const vcpu_slot& slot, const Context& context, VcpuCounts& counts) {
  msrs_.clear();
  read_fixed_msrs(slot, msrs_);
  keys_.clear();
  const std::span counters(slot.msr);
  msr_names_.read({context.index, slot.msr_places, counters.subspan<KVMX_FIXED_MSRS>()},
                  context.exported, keys_);
  for (const KeyCount& count : keys_) {
    MsrCount& msr = msrs_.emplace_back();
    if (count.key) msr.index = static_cast<std::uint32_t>(*count.key);
    msr.accesses = count.accesses;
  }
  counts.msrs.assign(msrs_.begin(), msrs_.end());
  std::ranges::sort(counts.msrs, {}, &MsrCount::index);
}

void SlotReader::read_io(std::uint32_t index, const io_counts& io, exported_times& exported,
                         VmCounts& vm) {
  keys_.clear();
  port_names_.read({index, io.ports.places, io.ports.count}, exported, keys_);
  for (const KeyCount& count : keys_) add(vm.io, {IoSpace::port, count.key, count.accesses});
  keys_.clear();
  page_names_.read({index, io.pages.places, io.pages.count}, exported, keys_);
  for (const KeyCount& count : keys_) {
    std::optional<std::uint64_t> address;
    if (count.key) address = *count.key << KVMX_PAGE_SHIFT;
    add(vm.io, {IoSpace::mmio, address, count.accesses});
  }
  for (std::size_t line = 0; line < vm.line_changes.size(); ++line)
    vm.line_changes[line] += load(io.lines[line]);
}

/// Names MSRs, ports and pages that have none yet, from the next reading on.
void SlotReader::give_names(const std::map<VmKey, VmCounts>& vms,
                            std::span<exported_times> exported) {
  const std::uint64_t now = clock_();
  for (PlaceNames* const names : {&msr_names_, &port_names_, &page_names_}) {
    if (!names->due(now)) continue;
    for (const auto& [key, vm] : vms) names->give(vm.slots, exported, now);
    names->begin_window(now);
  }
}

/// Whether the thread that ran it last has ended since it returned to the VMM.
bool SlotReader::lost_its_thread(const vcpu_slot& slot) const {
  if ((load(slot.exit) & KVMX_EXIT_IN_VMM) == 0) return false;
  const std::uint64_t since = std::max(load(slot.exit_ns), load(slot.userspace_ns));
  return threads_.ended(load(slot.tgid), load(slot.tid), since);
}

VcpuCounts SlotReader::read_slot(const vcpu_slot& slot, const Context& context, VmCounts& vm) {
  VcpuCounts counts;
  const std::uint32_t id = slot.vcpu_id;
  if (id != KVMX_VCPU_UNKNOWN) counts.id = id;
  read_reasons(slot, context, counts, vm);
  read_halts(slot, context, counts);
  read_userspace_exits(slot, context, counts);
  add_buckets(slot.latency, vm.latency);
  add_buckets(slot.intervals, vm.intervals);
  vm.intervals.sum_ns += load(slot.interval_total_ns);
  read_msrs(slot, context, counts);
  for (std::size_t op = 0; op < counts.msr_faults.size(); ++op)
    counts.msr_faults[op] = load(slot.msr_faults[op]);
  for (std::size_t timer = 0; timer < counts.timer_arms.size(); ++timer)
    counts.timer_arms[timer] = load(slot.timer_arms[timer]);
  const std::uint32_t seen = load(slot.timer_seen);
  if (seen != 0) counts.hv_timers_in_use = seen == 1 + KVMX_TIMER_HV ? 1 : 0;
  return counts;
}

void SlotReader::find_used(std::span<const vcpu_slot> slots) {
  used_.clear();
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (load(slots[i].tgid) != 0) used_.push_back(static_cast<std::uint32_t>(i));
  }
}

std::vector<VmCounts> SlotReader::read(std::span<const vcpu_slot> slots,
                                       const std::function<bool(const VmKey&)>& ended,
                                       const VcpuListing& listing,
                                       std::span<const event_counts> events,
                                       std::span<exported_times> exported,
                                       std::span<const io_counts> io) {
  if (exported.empty()) {
    exported_.resize(slots.size());
    exported = exported_;
  }
  watches_.resize(slots.size());
  ahead_.resize(slots.size());
  find_used(slots);
  const std::vector<const vcpu_slot*> past = left_behind(slots, used_);
  std::map<VmKey, VmCounts> vms;
  add_listed(listing.vcpus, vms);
  VmCounts* of_last = nullptr;
  for (std::size_t i = 0; i < used_.size(); ++i) {
    const std::uint32_t index = used_[i];
    const vcpu_slot& slot = slots[index];
    const VmKey key{load(slot.tgid), slot.vm_start, slot.kvm};
    if (!of_last || of_last->key != key) of_last = &begin_vm(vms[key], key);
    VmCounts& vm = *of_last;
    vm.isa = std::max(vm.isa, static_cast<Isa>(load(slot.isa)));
    if (vm.comm.empty()) vm.comm.assign(slot.comm, ::strnlen(slot.comm, sizeof(slot.comm)));
    vm.slots.push_back(index);
    if (const std::uint64_t vcpu = load(slot.vcpu); vcpu != 0)
      ++((vcpu & KVMX_VCPU_DESTROYED) != 0 ? vm.destroyed : vm.undestroyed);
    const SleepWatch* const watch = look_again(slot, watches_[index], listing);
    const bool over =
        ended(key) || std::ranges::binary_search(past, &slot) || lost_its_thread(slot);
    VcpuCounts counts = read_slot(slot, {index, over, exported[index], ahead_[index], watch}, vm);
    // A slot that has nothing but further events is of a thread that runs no vCPU.
    if (kvmx::events(counts) > 0) vm.threads.push_back({load(slot.tid), counts.id});
    if (index < events.size()) read_events(events[index], counts);
    if (index < io.size()) read_io(index, io[index], exported[index], vm);
    add_vcpu(vm, std::move(counts));
  }
  adopt_threads(vms);
  give_names(vms, exported);
  std::vector<VmCounts> found;
  found.reserve(vms.size());
  for (auto& [key, vm] : vms) {
    vm.vcpus.shrink_to_fit();  // of a VM with 20 vCPUs, room for 12 more would be left
    vm.total = total(vm.vcpus);
    found.push_back(std::move(vm));
  }
  return found;
}

void SlotReader::forget(std::uint32_t slot) {
  if (slot < exported_.size()) exported_[slot] = {};
  if (slot < watches_.size()) watches_[slot] = {};
  if (slot < ahead_.size()) ahead_[slot] = {};
  for (PlaceNames* const names : {&msr_names_, &port_names_, &page_names_}) names->forget(slot);
}

}  // namespace kvmx
