// SPDX-License-Identifier: Apache-2.0
#include "exporter/exporter.h"

#include <algorithm>
#include <map>
#include <utility>

#include "exporter/base/clock.h"
#include "exporter/base/log.h"
#include "exporter/counts/sum_counts.h"
#include "exporter/kernel/features.h"
#include "exporter/kernel/host.h"
#include "exporter/kernel/other_events.h"

namespace kvmx {
namespace {

constexpr const char* kProc = "/proc";

/// The VMs of these vCPUs, each once.
std::vector<VmKey> listed_vms(std::span<const ListedVcpu> vcpus) {
  std::vector<VmKey> vms;
  for (const ListedVcpu& vcpu : vcpus) {
    const VmKey key{vcpu.tgid, vcpu.start_ns, vcpu.kvm};
    if (vms.empty() || vms.back() != key) vms.push_back(key);
  }
  return vms;
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
  // To load takes 10 MB for a moment: first what does not keep the slots mapped.
  load_lister();
  Result<Probes> probes =
      Probes::attach(features, event_selection(), config_.max_vcpus, pins_ ? &*pins_ : nullptr);
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

void Exporter::load_lister() {
  Result<VcpuLister> lister = VcpuLister::load();
  if (lister) {
    lister_ = std::move(*lister);
    return;
  }
  lister_.reset();
  spdlog::warn("VMs and vCPUs are known only once they run: {}", lister.error().message);
}

bool Exporter::attached() {
  const std::lock_guard lock(mutex_);
  return probes_.has_value();
}

EventSelection Exporter::event_selection() const {
  EventSelection wanted{config_.collectors, {}};
  if (config_.other_events.empty()) return wanted;
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
  return reader_.read(table.slots(), ended, listed_, table.events(), table.exported());
}

/// Tells lifecycle and identities of the VMs that have counts, and each of what the other learns.
void Exporter::follow(std::span<const VmCounts> counts) {
  const Clock::time_point now = Clock::now();
  std::vector<VmActivity> activities;
  activities.reserve(counts.size());
  for (const VmCounts& vm : counts) activities.push_back({vm.key, events(vm.total)});
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

void Exporter::refresh() {
  // Nobody can ask for the last one meanwhile. Unless it is still being read, its memory serves the
  // new one: on a big host a snapshot takes some megabytes.
  current_ = nullptr;
  auto fresh = std::make_shared<Snapshot>();
  fresh->host = read_host();
  fresh->cpu_clock = frequencies_.read();
  fresh->boot_time_ns = boot_time_ns_;
  fresh->probes = probes_ ? probes_->states() : detached_probes({config_.collectors, {}});
  const std::uint64_t now_ns = monotonic_ns();
  std::vector<VmCounts> counts;
  if (probes_) {
    counts = read_counts();
    fresh->event_names = probes_->other_events();
    fresh->losses = probes_->table().losses();
    fresh->slots.free = config_.max_vcpus;
  }
  follow(counts);
  diagnose(counts, *fresh, now_ns);
  fresh->vms.reserve(counts.size());
  for (VmCounts& vm : counts) {
    const Vm& joined = fresh->vms.emplace_back(join(std::move(vm)));
    const auto slots = static_cast<std::uint32_t>(joined.counts.slots.size());
    fresh->slots.free -= slots;
    (joined.ended() ? fresh->slots.lingering : fresh->slots.used) += slots;
  }
  if (fresh->losses[KVMX_LOST_TABLE_FULL] != 0 && !std::exchange(full_logged_, true))
    spdlog::warn("no room for more vCPUs: events of new ones are lost. Raise --bpf.max-vcpus={}",
                 config_.max_vcpus);
  current_ = std::move(fresh);
  taken_ = Clock::now();
}

/// The vCPUs that exist, if it is time to look again: at once if `urgent`, which it is when one has
/// just begun to run, but looking shall never take more than a fiftieth of the time.
std::optional<VcpuListing> Exporter::list_vcpus(bool urgent) {
  const Clock::time_point asked = Clock::now();
  if (!lister_ || asked < (urgent ? next_urgent_list_ : next_list_)) return std::nullopt;
  Result<std::vector<ListedVcpu>> listed = lister_->list();
  if (!listed) {
    spdlog::error("{}", listed.error().message);
    lister_.reset();
    return std::nullopt;
  }
  if (!probes_->events_identify_vm())
    for (ListedVcpu& vcpu : *listed) vcpu.kvm = 0;
  const Clock::time_point done = Clock::now();
  next_urgent_list_ = done + 50 * (done - asked);
  next_list_ = std::max(next_urgent_list_, asked + std::chrono::milliseconds(900));
  return VcpuListing{asked, std::move(*listed)};
}

void Exporter::housekeep() {
  if (!probes_) return;  // set by this thread
  std::optional<VcpuListing> listing = list_vcpus(probes_->drain_new());
  look_at_processes();
  const std::lock_guard lock(mutex_);
  if (listing) {
    lifecycle_.note_listing(listed_vms(listing->vcpus), listing->asked);
    listed_ = std::move(*listing);
  }
  refresh();
  const bool freed = release_ended();
  if (freed) refresh();
  if (listing || freed) publish_vm_processes();
}

/// Finds out which VMs ended with their processes.
void Exporter::look_at_processes() {
  std::vector<VmKey> living;
  {
    const std::lock_guard lock(mutex_);
    if (!current_) return;
    for (const Vm& vm : current_->vms)
      if (!vm.ended()) living.push_back(vm.counts.key);
  }
  // Not under the lock that scrapes need: there may be thousands.
  std::vector<std::pair<VmKey, ProcessState>> seen;
  seen.reserve(living.size());
  for (const VmKey& vm : living) seen.emplace_back(vm, read_process_state(kProc, vm));
  const std::lock_guard lock(mutex_);
  for (const auto& [vm, process] : seen) lifecycle_.note_process(vm, process, Clock::now());
}

/// Gives back the slots of VMs that ended long ago. Returns whether there were any.
bool Exporter::release_ended() {
  const auto slots_of = [](const VmKey&) { return std::size_t{0}; };
  const std::vector<VmKey> released = lifecycle_.release(Clock::now(), config_.linger, 0, slots_of);
  for (const VmKey& key : released) {
    const auto vm = std::ranges::lower_bound(current_->vms, key, {},
                                             [](const Vm& one) { return one.counts.key; });
    release(vm->counts);
  }
  return !released.empty();
}

void Exporter::publish_vm_processes() {
  std::map<std::uint32_t, std::uint64_t> starts;
  for (const Vm& vm : current_->vms) starts[vm.counts.key.tgid] = vm.counts.key.start_ns;
  // Only what is new: while a thread is preempted in such a call the kernel skips programs there.
  if (starts == published_vm_processes_) return;
  if (const Result<void> set = probes_->table().set_vm_processes(starts); !set)
    spdlog::error("{}", set.error().message);
  else
    published_vm_processes_ = std::move(starts);
}

int Exporter::wake_fd() {
  const std::lock_guard lock(mutex_);
  return probes_ ? probes_->new_slots_fd() : -1;
}

void Exporter::release(const VmCounts& vm) {
  for (const std::uint32_t slot : vm.slots) {
    if (Result<void> released = probes_->table().release(slot); !released)
      spdlog::error("{}", released.error().message);
    reader_.forget(slot);
  }
}

}  // namespace kvmx
