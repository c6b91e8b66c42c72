// SPDX-License-Identifier: Apache-2.0
#include "exporter/exporter.h"

#include <algorithm>
#include <map>
#include <utility>

#include "exporter/base/clock.h"
#include "exporter/base/log.h"
#include "exporter/base/timed_read.h"
#include "exporter/counts/sum_counts.h"
#include "exporter/kernel/features.h"
#include "exporter/kernel/host.h"
#include "exporter/kernel/other_events.h"

namespace kvmx {
namespace {

constexpr const char* kProc = "/proc";

/// How often what is known is followed, also when there is no time to look what exists.
constexpr std::chrono::milliseconds kSettleEvery(900);

/// CPU time of the calling thread, and of those that read for it.
std::chrono::nanoseconds thread_cpu_time() {
  return std::chrono::nanoseconds(thread_cpu_ns()) + timed_reads_cpu_time();
}

/// The VMs of these vCPUs, each once.
std::vector<VmKey> listed_vms(std::span<const ListedVcpu> vcpus) {
  std::vector<VmKey> vms;
  for (const ListedVcpu& vcpu : vcpus) {
    const VmKey key{vcpu.tgid, vcpu.start_ns, vcpu.kvm};
    if (vms.empty() || vms.back() != key) vms.push_back(key);
  }
  return vms;
}

VcpusTold vcpus_told(const VmCounts& vm) {
  if (vm.undestroyed != 0) return VcpusTold::exist;
  return vm.destroyed != 0 ? VcpusTold::destroyed : VcpusTold::nothing;
}

}  // namespace

Exporter::Exporter(const ExporterConfig& config)
    : config_(config), boot_time_ns_(boot_time_ns()), reader_(monotonic_ns) {}

Result<void> Exporter::attach() {
  const std::lock_guard lock(mutex_);
  if (probes_) return {};
  if (Result<void> opened = open_pins(); !opened) return opened;
  const Features features = probe_features();
  if (!features.kvm) {
    if (!std::exchange(waiting_logged_, true))
      spdlog::warn(
          "KVM is not loaded: nothing to count until it is. Load it with \"modprobe kvm_intel\" or "
          "\"modprobe kvm_amd\"; this process will notice");
    ready_ = true;
    return {};
  }
  if (!features.btf)
    spdlog::warn(
        "this kernel does not describe its types (CONFIG_DEBUG_INFO_BTF), so VMs and their vCPUs "
        "are known once they run, until their process ends, and CPU times are read from /proc");
  // To load takes 10 MB for a moment: first what does not keep the slots mapped.
  listings_ = features.btf ? Listings(2 * config_.max_vcpus) : Listings();
  Result<Probes> probes = Probes::attach(features, event_selection(features), config_.max_vcpus,
                                         pins_ ? &*pins_ : nullptr);
  if (!probes) return probes.error();
  probes_ = std::move(*probes);
  current_ = nullptr;
  ready_ = true;
  spdlog::info("counting KVM events, with room for {} vCPUs", config_.max_vcpus);
  return {};
}

Result<void> Exporter::open_pins() {
  if (config_.pin_dir.empty() || pins_) return {};
  Result<PinDirectory> pins = PinDirectory::open(config_.pin_dir);
  if (!pins) return pins.error();
  pins_ = std::move(*pins);
  return {};
}

bool Exporter::attached() {
  const std::lock_guard lock(mutex_);
  return probes_.has_value();
}

EventSelection Exporter::event_selection(const Features& features) const {
  EventSelection wanted{config_.collectors, {}};
  if (config_.other_events.empty()) return wanted;
  if (!features.btf) {
    spdlog::warn(
        "--collector.events has no effect: without BTF it cannot be told whether an event is one "
        "of the current thread, or of an interrupt");
    return wanted;
  }
  const Result<std::vector<std::string>> available = list_kvm_events();
  if (!available) {
    spdlog::warn("--collector.events has no effect: {}", available.error().message);
    return wanted;
  }
  wanted.others = choose_events(config_.other_events, *available);
  if (wanted.others.empty())
    spdlog::warn("--collector.events={} matches no event of this kernel", config_.other_events);
  if (wanted.others.size() > KVMX_EVENTS) {
    spdlog::warn("--collector.events={} matches {} events: only the first {} are counted",
                 config_.other_events, wanted.others.size(), KVMX_EVENTS);
    wanted.others.resize(KVMX_EVENTS);
  }
  return wanted;
}

std::shared_ptr<const Snapshot> Exporter::snapshot() {
  const std::lock_guard lock(mutex_);
  if (!current_ || Clock::now() - taken_ >= config_.min_interval) refresh();
  return current_;
}

std::vector<VmCounts> Exporter::read_counts() {
  const auto ended = [this](const VmKey& vm) { return is_over(lifecycle_.state(vm)); };
  const SlotTable& table = probes_->table();
  return reader_.read(table.slots(), ended, listed_, table.events(), table.exported(), table.io());
}

/// Tells lifecycle and identities of the VMs that have counts, and each of what the other learns.
void Exporter::follow(std::span<const VmCounts> counts) {
  const Clock::time_point now = Clock::now();
  std::vector<VmActivity> activities;
  activities.reserve(counts.size());
  const bool told = probes_ && probes_->are_ends_told();
  for (const VmCounts& vm : counts)
    activities.push_back({vm.key, events(vm.total), told ? vcpus_told(vm) : VcpusTold::nothing});
  lifecycle_.note_counters(activities, now);
  std::vector<VmToIdentify> vms;
  vms.reserve(counts.size());
  for (const VmCounts& vm : counts)
    vms.push_back({vm.key, vm.comm, is_over(lifecycle_.state(vm.key))});
  for (const auto& [vm, process] : identities_.identify(vms))
    lifecycle_.note_process(vm, process, now);
  identities_.assign_labels([this](const VmKey& vm) { return lifecycle_.yields_label(vm); });
}

/// Looks what is wrong with the VMs, if a second has passed since it last did.
void Exporter::diagnose(std::span<const VmCounts> counts, const Snapshot& snapshot,
                        std::uint64_t now_ns) {
  if (!diagnosis_.due(now_ns)) return;
  HostFacts host{.cpus = snapshot.host.cpus, .isa = snapshot.host.isa};
  for (const ProbeState& probe : snapshot.probes)
    if (probe.name == "kvm_vcpu_wakeup") host.halts_counted = probe.attached;
  counters_.resize(counts.size());
  for (std::size_t i = 0; i < counts.size(); ++i) {
    read_counters(counts[i], is_over(lifecycle_.state(counts[i].key)), counters_[i]);
    // Some KVMs never raise kvm_exit, attached or not.
    host.exits_counted = host.exits_counted || !counts[i].total.reasons.empty();
  }
  diagnosis_.observe(counters_, host, now_ns);
}

Vm Exporter::join(VmCounts counts) const {
  const VmKey key = counts.key;
  const std::string& label = identities_.label(key);
  const VmDiagnosis* const diagnosis = find_diagnosis(diagnosis_.diagnoses(), key);
  return {.label = label,
          .identity = identities_.identity(key),
          .state = lifecycle_.state(key),
          .excluded = !config_.vm_filter.shows(label) || identities_.awaits_name(key),
          .counts = std::move(counts),
          .diagnosis = diagnosis ? *diagnosis : VmDiagnosis()};
}

/// Bounds the VMs that never ran, which take no slot: there are no more of them than slots. What is
/// left out is counted.
void Exporter::limit_idle_vms(std::vector<VmCounts>& counts) {
  std::set<VmKey> left_out;
  std::size_t idle = 0;
  std::erase_if(counts, [&](const VmCounts& vm) {
    if (!vm.slots.empty() || ++idle <= config_.max_vcpus) return false;
    left_out.insert(vm.key);
    return true;
  });
  for (const VmKey& vm : left_out) left_out_vms_ += left_out_.contains(vm) ? 0 : 1;
  left_out_ = std::move(left_out);
}

void Exporter::count_slots(Snapshot& snapshot) const {
  SlotCounts& slots = snapshot.slots;
  slots.lingering = static_cast<std::uint32_t>(probes_->table().unlinked());
  for (const Vm& vm : snapshot.vms)
    (vm.ended() ? slots.lingering : slots.used) +=
        static_cast<std::uint32_t>(vm.counts.slots.size());
  slots.free = config_.max_vcpus - std::min(config_.max_vcpus, slots.used + slots.lingering);
}

void Exporter::refresh() {
  // Nobody can ask for the last one meanwhile. Unless it is still being read, its memory serves the
  // new one: on a big host a snapshot takes some megabytes.
  current_ = nullptr;
  taken_ = Clock::now();  // what is counted from here on may be missing
  auto fresh = std::make_shared<Snapshot>();
  fresh->host = read_host();
  fresh->cpu_clock = frequencies_.read();
  fresh->boot_time_ns = boot_time_ns_;
  fresh->probes = probes_ ? probes_->states() : detached_probes({config_.collectors, {}});
  const std::uint64_t now_ns = monotonic_ns();
  std::vector<VmCounts> counts;
  if (probes_) {
    counts = read_counts();
    limit_idle_vms(counts);
    fresh->event_names = probes_->other_events();
    fresh->losses = probes_->table().losses();
    fresh->left_out_vms = left_out_vms_;
  }
  failed_polls_.observe(listed_, counts);
  failed_polls_.fill(counts);
  if (threads_) cpu_times_.observe(*std::exchange(threads_, std::nullopt), counts, listed_);
  cpu_times_.fill(counts);
  follow(counts);
  diagnose(counts, *fresh, now_ns);
  fresh->vms.reserve(counts.size());
  for (VmCounts& vm : counts) fresh->vms.push_back(join(std::move(vm)));
  if (probes_) count_slots(*fresh);
  if (fresh->losses[KVMX_LOST_TABLE_FULL] != 0 && !std::exchange(full_logged_, true))
    spdlog::warn("no room for more vCPUs: events of new ones are lost. Raise --bpf.max-vcpus={}",
                 config_.max_vcpus);
  current_ = std::move(fresh);
}

void Exporter::housekeep() {
  if (!probes_) return;  // set by this thread
  read_vms_of_new_slots();
  const Clock::time_point now = Clock::now();
  const bool may_look = budget_.wait(now) == Clock::duration::zero();
  if (!may_look && now - settled_ < kSettleEvery) return;
  const std::chrono::nanoseconds before = thread_cpu_time();
  may_look ? run_round() : settle({}, {});
  budget_.spend(thread_cpu_time() - before);
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
  constexpr std::chrono::milliseconds kSecond(1000);
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(budget_.wait(Clock::now()));
  return wait.count() == 0 ? kSecond : std::min(kSecond, wait);
}

/// Looks what exists.
void Exporter::run_round() {
  std::optional<VcpuListing> listing = listings_->vcpus(std::exchange(new_vcpus_, false));
  if (listing && !probes_->events_identify_vm())
    for (ListedVcpu& vcpu : listing->vcpus) vcpu.kvm = 0;
  if (listing) read_vms(listed_vms(listing->vcpus));
  look_at_processes(listing);
  std::optional<std::vector<listed_thread>> threads = listings_->threads(vm_processes_);
  settle(std::move(listing), std::move(threads));
}

/// Follows what is known now, and frees slots.
void Exporter::settle(std::optional<VcpuListing> listing,
                      std::optional<std::vector<listed_thread>> threads) {
  read_due_vms();
  settled_ = Clock::now();
  const std::lock_guard lock(mutex_);
  if (threads) threads_ = std::move(threads);
  if (const Result<void> reclaimed = probes_->table().reclaim(); !reclaimed)
    spdlog::error("{}", reclaimed.error().message);
  const bool listed = listing.has_value();
  if (listing) {
    lifecycle_.note_listing(listed_vms(listing->vcpus), listing->asked);
    listed_ = *std::move(listing);
  }
  refresh();
  const bool freed = release_ended();
  if (freed) refresh();
  vm_processes_.clear();
  for (const Vm& vm : current_->vms) vm_processes_[vm.counts.key.tgid] = vm.counts.key.start_ns;
  if (listed || freed) publish_vm_processes();
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
    lookup_budget_.spend(now - std::exchange(before, now));
  };
  const auto goes_on = [&] {
    spend();
    const Clock::time_point now = Clock::now();
    return now < end && lookup_budget_.wait(now) == Clock::duration::zero();
  };
  IdentityReadings readings = identities_.read(vms, goes_on);
  spend();
  const std::lock_guard lock(mutex_);
  identities_.prepare(std::move(readings));
}

/// Finds out which VMs ended with their processes. Those that are listed have not.
void Exporter::look_at_processes(const std::optional<VcpuListing>& listing) {
  std::vector<VmKey> listed;
  if (listing) listed = listed_vms(listing->vcpus);
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
  const std::vector<VmKey> released =
      lifecycle_.release(Clock::now(), config_.linger, wanted_slots(), slots_of);
  for (const VmKey& key : released) {
    for (const std::uint32_t slot : vm_of(key).slots) {
      probes_->table().unlink(slot);
      reader_.forget(slot);
    }
  }
  return !released.empty();
}

void Exporter::publish_vm_processes() {
  // Only what is new: while a thread is preempted in such a call the kernel skips programs there.
  if (probes_->processes_followed() || vm_processes_ == published_vm_processes_) return;
  if (const Result<void> set = probes_->table().set_vm_processes(vm_processes_); !set)
    spdlog::error("{}", set.error().message);
  else
    published_vm_processes_ = vm_processes_;
}

int Exporter::wake_fd() { return probes_ ? probes_->new_slots_fd() : -1; }

}  // namespace kvmx
