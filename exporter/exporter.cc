// SPDX-License-Identifier: Apache-2.0
#include "exporter/exporter.h"

#include <utility>

#include "exporter/base/clock.h"
#include "exporter/base/log.h"
#include "exporter/kernel/features.h"
#include "exporter/kernel/host.h"
#include "exporter/kernel/other_events.h"

namespace kvmx {

Exporter::Exporter(const ExporterConfig& config)
    : config_(config), boot_time_ns_(boot_time_ns()), reader_(monotonic_ns) {}

Result<void> Exporter::attach() {
  const std::lock_guard lock(mutex_);
  if (probes_) return {};
  const Features features = probe_features();
  if (!features.kvm) {
    if (!std::exchange(waiting_logged_, true))
      spdlog::warn(
          "KVM is not loaded: nothing to count until it is. Load it with \"modprobe kvm_intel\" or "
          "\"modprobe kvm_amd\"; this process will notice");
    ready_ = true;
    return {};
  }
  Result<Probes> probes = Probes::attach(features, wanted_events(), config_.max_vcpus);
  if (!probes) return probes.error();
  probes_ = std::move(*probes);
  current_ = nullptr;
  ready_ = true;
  spdlog::info("counting KVM events, with room for {} vCPUs", config_.max_vcpus);
  return {};
}

WantedEvents Exporter::wanted_events() const {
  WantedEvents wanted{config_.collectors, {}};
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

void Exporter::refresh() {
  auto fresh = std::make_shared<Snapshot>();
  fresh->host = read_host();
  fresh->boot_time_ns = boot_time_ns_;
  fresh->probes = probes_ ? probes_->states() : detached_probes({config_.collectors, {}});
  if (probes_) {
    const auto ended = [this](const VmKey& vm) { return vms_.ended(vm); };
    fresh->vms = reader_.read(probes_->table().slots(), ended, probes_->table().events());
    fresh->event_names = probes_->other_events();
    fresh->losses = probes_->table().losses();
    fresh->slots.free = config_.max_vcpus;
  }
  vms_.identify(fresh->vms);
  for (VmCounts& vm : fresh->vms) {
    const auto slots = static_cast<std::uint32_t>(vm.slots.size());
    fresh->slots.free -= slots;
    (vm.gone ? fresh->slots.lingering : fresh->slots.used) += slots;
    vm.excluded = !config_.vm_filter.shows(vm.label);
  }
  if (fresh->losses[KVMX_LOST_TABLE_FULL] != 0 && !std::exchange(full_logged_, true))
    spdlog::warn("no room for more vCPUs: events of new ones are lost. Raise --bpf.max-vcpus={}",
                 config_.max_vcpus);
  current_ = std::move(fresh);
  taken_ = Clock::now();
}

void Exporter::housekeep() {
  const std::lock_guard lock(mutex_);
  if (!probes_) return;
  probes_->drain_new();
  vms_.notice_ended();
  refresh();
  const auto long_ago = Clock::now() - config_.linger;
  bool freed = false;
  for (const VmCounts& vm : current_->vms) {
    if (!vms_.ended_before(vm.key, long_ago)) continue;
    release(vm);
    freed = true;
  }
  if (freed) refresh();
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
