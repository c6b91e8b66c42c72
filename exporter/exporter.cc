// SPDX-License-Identifier: Apache-2.0
#include "exporter/exporter.h"

#include <algorithm>
#include <utility>

#include "exporter/base/clock.h"
#include "exporter/base/log.h"
#include "exporter/counts/sum_counts.h"
#include "exporter/kernel/features.h"
#include "exporter/kernel/host.h"
#include "exporter/kernel/other_events.h"

namespace kvmx {
namespace {

VcpuEvidence vcpu_evidence(const VmCounts& vm) {
  if (vm.undestroyed != 0) return VcpuEvidence::exist;
  return vm.destroyed != 0 ? VcpuEvidence::destroyed : VcpuEvidence::nothing;
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
  attached_ns_ = boot_time_ns_ + since_boot_ns();
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
  const bool hooked = probes_ && probes_->sees_vcpu_ends();
  for (const VmCounts& vm : counts)
    activities.push_back(
        {vm.key, events(vm.total), hooked ? vcpu_evidence(vm) : VcpuEvidence::nothing});
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
  fresh->attached_ns = attached_ns_;
  fresh->continued = probes_ && probes_->continued();
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
  if (fresh->losses[KVMX_LOST_TABLE_FULL] != 0) warn_of_full_table();
  current_ = std::move(fresh);
}

void Exporter::warn_of_full_table() {
  if (full_logged_.exchange(true)) return;
  spdlog::warn("no room for more vCPUs: events of new ones are lost. Raise --bpf.max-vcpus={}",
               config_.max_vcpus);
}

}  // namespace kvmx
