// SPDX-License-Identifier: Apache-2.0
// What the exporter does by itself, every second.
#include <algorithm>
#include <utility>

#include "exporter/base/clock.h"
#include "exporter/base/log.h"
#include "exporter/base/timed_read.h"
#include "exporter/exporter.h"

namespace kvmx {
namespace {

constexpr const char* kProc = "/proc";

/// How often it is looked what exists, and that is followed which is known anyway, also when there
/// is no time for it.
constexpr std::chrono::seconds kLookEvery(10);
constexpr std::chrono::seconds kSettleEvery(3);

/// CPU time of the calling thread, and of those that read for it.
std::chrono::nanoseconds thread_cpu_time() {
  return std::chrono::nanoseconds(thread_cpu_ns()) + timed_reads_cpu_time();
}

/// The VMs of these vCPUs, each once.
std::vector<VmKey> listed_vms(std::span<const ListedVcpu> vcpus) {
  std::vector<VmKey> vms;
  for (const ListedVcpu& vcpu : vcpus) {
    const VmKey key = vcpu.vm();
    if (vms.empty() || vms.back() != key) vms.push_back(key);
  }
  return vms;
}

}  // namespace

void Exporter::housekeep() {
  if (!probes_) return;  // set by this thread
  const std::chrono::nanoseconds before = thread_cpu_time() - reading_time_;
  reclaim_slots();
  read_vms_of_new_slots();
  look_if_due();
  looking_.spend(thread_cpu_time() - reading_time_ - before);
}

void Exporter::look_if_due() {
  const Clock::time_point now = Clock::now();
  if (looking_.wait(now) == Clock::duration::zero() || now - looked_ >= kLookEvery) {
    looked_ = now;
    run_round();
  } else if (now - settled_ >= kSettleEvery) {
    settle({}, {}, 0);
  }
}

/// Offers the slots again that were taken from VMs a while ago.
void Exporter::reclaim_slots() {
  const std::lock_guard lock(mutex_);
  if (const Result<void> reclaimed = probes_->table().reclaim(); !reclaimed)
    spdlog::error("{}", reclaimed.error().message);
}

/// Reads who the VMs are whose vCPUs have just begun to run. It does not wait for the next round,
/// for a VM may end before, and its name with it.
void Exporter::read_vms_of_new_slots() {
  const std::vector<std::uint32_t> made = probes_->drain_new();
  if (made.empty()) return;
  new_vcpus_ = true;
  const std::span<const vcpu_slot> slots = probes_->table().slots();
  std::set<VmKey> vms;
  for (const std::uint32_t index : made)
    if (index < slots.size())
      vms.insert({slots[index].tgid, slots[index].vm_start, slots[index].kvm});
  read_vms({vms.begin(), vms.end()});
}

std::chrono::milliseconds Exporter::housekeeping_wait() {
  constexpr std::chrono::milliseconds kLongest(1000);
  constexpr std::chrono::milliseconds kShortest(50);  // what came meanwhile is done in one go
  const Clock::time_point now = Clock::now();
  std::chrono::milliseconds longest = kLongest;
  for (WorkBudget* budget : {&looking_, &reading_}) {
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(budget->wait(now));
    if (wait.count() > 0) longest = std::min(longest, std::max(kShortest, wait));
  }
  return longest;
}

/// Looks what exists.
void Exporter::run_round() {
  std::optional<VcpuListing> listing = listings_->vcpus(std::exchange(new_vcpus_, false));
  if (listing && !probes_->events_identify_vm())
    for (ListedVcpu& vcpu : listing->vcpus) vcpu.kvm = 0;
  if (listing) read_vms(listed_vms(listing->vcpus));
  look_at_processes(listing);
  const std::uint64_t asked_ns = monotonic_ns();
  std::optional<std::vector<listed_thread>> threads = listings_->threads(vm_processes_);
  settle(std::move(listing), std::move(threads), asked_ns);
  publish_vm_processes();
}

/// Follows what is known now, and frees slots. `threads`: a listing begun at `asked_ns`.
void Exporter::settle(std::optional<VcpuListing> listing,
                      std::optional<std::vector<listed_thread>> threads, std::uint64_t asked_ns) {
  read_due_vms();
  settled_ = Clock::now();
  const std::lock_guard lock(mutex_);
  if (threads) {
    reader_.note_threads(*threads, asked_ns);
    threads_ = std::move(threads);
  }
  if (listing) {
    lifecycle_.note_listing(listed_vms(listing->vcpus), listing->asked);
    listed_ = *std::move(listing);
  }
  refresh();
  freed_ |= release_ended();  // until the next one this snapshot has them still
  vm_processes_.clear();
  for (const Vm& vm : current_->vms) vm_processes_[vm.counts.key.tgid] = vm.counts.key.start_ns;
}

/// Reads who these VMs are where that is not known yet, but not under the lock that scrapes need:
/// there may be thousands.
void Exporter::read_vms(std::vector<VmKey> vms) {
  {
    const std::lock_guard lock(mutex_);
    vms = identities_.unknown(vms);
    std::erase_if(vms, [this](const VmKey& vm) { return left_out_.contains(vm); });
  }
  read_now(vms);
}

/// The same of those whose turn it is.
void Exporter::read_due_vms() {
  std::vector<VmKey> vms;
  {
    const std::lock_guard lock(mutex_);
    vms = identities_.due();
  }
  read_now(vms);
}

/// Reads who the first of these VMs are, as far as that may take time.
void Exporter::read_now(std::span<const VmKey> vms) {
  if (vms.empty()) return;
  constexpr std::chrono::seconds kLongest(1);  // some may keep us waiting
  const Clock::time_point end = Clock::now() + kLongest;
  std::chrono::nanoseconds before = thread_cpu_time();
  const auto spend = [&] {
    const std::chrono::nanoseconds now = thread_cpu_time();
    const std::chrono::nanoseconds spent = now - std::exchange(before, now);
    reading_.spend(spent);
    reading_time_ += spent;
  };
  const auto goes_on = [&] {
    spend();
    const Clock::time_point now = Clock::now();
    return now < end && reading_.wait(now) == Clock::duration::zero();
  };
  IdentityReadings readings = identities_.read(vms, goes_on);
  spend();
  const std::lock_guard lock(mutex_);
  identities_.prepare(std::move(readings));
}

/// Finds out which VMs ended with their processes. Those that are listed have not, and those that
/// were shortly before are left to the next listing.
void Exporter::look_at_processes(const std::optional<VcpuListing>& listing) {
  constexpr std::chrono::seconds kShortly(4);
  const VcpuListing& last = listing ? *listing : listed_;  // written by this thread alone
  std::vector<VmKey> listed;
  if (Clock::now() - last.asked < kShortly) listed = listed_vms(last.vcpus);
  std::vector<VmKey> others;
  {
    const std::lock_guard lock(mutex_);
    if (!current_) return;
    for (const Vm& vm : current_->vms)
      if (!vm.ended() && !std::ranges::binary_search(listed, vm.counts.key))
        others.push_back(vm.counts.key);
  }
  std::vector<std::pair<VmKey, ProcessState>> seen;
  seen.reserve(others.size());
  for (const VmKey& vm : others) seen.emplace_back(vm, read_process_state(kProc, vm));
  const std::lock_guard lock(mutex_);
  for (const auto& [vm, process] : seen) lifecycle_.note_process(vm, process, Clock::now());
}

/// How many slots VMs that have ended should give before their time. A few are kept free, for vCPUs
/// that begin to run before the next round; more if there were none for some.
std::size_t Exporter::wanted_slots() {
  constexpr std::size_t kKeptFree = 16;  // one in so many
  constexpr std::size_t kWantedAtOnce = 16;
  const std::uint64_t full = current_->losses[KVMX_LOST_TABLE_FULL];
  const bool lost = std::exchange(full_seen_, full) != full;
  const std::size_t kept = config_.max_vcpus / kKeptFree;
  const std::size_t wanted = lost ? std::max(kept, kWantedAtOnce) : kept;
  const std::size_t coming = current_->slots.free + probes_->table().unlinked();
  return wanted - std::min(wanted, coming);
}

/// Takes the slots of VMs that ended long ago, and of more where slots run out. Returns whether
/// there were any.
bool Exporter::release_ended() {
  const auto vm_of = [this](const VmKey& key) -> const VmCounts& {
    return std::ranges::lower_bound(current_->vms, key, {},
                                    [](const Vm& vm) { return vm.counts.key; })
        ->counts;
  };
  const auto slots_of = [&](const VmKey& key) { return vm_of(key).slots.size(); };
  std::vector<VmKey> released =
      lifecycle_.release(Clock::now(), config_.linger, wanted_slots(), slots_of);
  for (const VmKey& key : released) {
    for (const std::uint32_t slot : vm_of(key).slots) {
      probes_->table().unlink(slot);
      reader_.forget(slot);
    }
  }
  // The listing may be older than their end: by it alone they would live again, without counts.
  std::ranges::sort(released);
  listed_.leave_out(released);
  return !released.empty();
}

void Exporter::publish_vm_processes() {
  // Only what is new: while a thread is preempted in such a call the kernel skips programs there.
  const bool freed = std::exchange(freed_, false);
  if (probes_->processes_followed() || (!freed && vm_processes_ == published_vm_processes_)) return;
  const Result<bool> has_room = probes_->table().set_vm_processes(vm_processes_);
  if (!has_room) {
    spdlog::error("{}", has_room.error().message);
    return;
  }
  if (!*has_room) warn_of_full_table();
  published_vm_processes_ = vm_processes_;
}

/// Who the new ones are is not read without time for it: then nobody is woken up for them.
int Exporter::wake_fd() {
  if (!probes_ || reading_.wait(Clock::now()) > Clock::duration::zero()) return -1;
  return probes_->new_slots_fd();
}

}  // namespace kvmx
