// SPDX-License-Identifier: Apache-2.0
#include "exporter/exporter.h"

#include <algorithm>
#include <map>
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

void Exporter::refresh() {
  // Nobody can ask for the last one meanwhile. Unless it is still being read, its memory serves the
  // new one: on a big host a snapshot takes some megabytes.
  current_ = nullptr;
  auto fresh = std::make_shared<Snapshot>();
  fresh->host = read_host();
  fresh->boot_time_ns = boot_time_ns_;
  fresh->probes = probes_ ? probes_->states() : detached_probes({config_.collectors, {}});
  if (probes_) {
    const auto ended = [this](const VmKey& vm) { return vms_.ended(vm); };
    fresh->vms = reader_.read(probes_->table().slots(), ended, listed_, probes_->table().events(),
                              probes_->table().exported());
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
  const std::lock_guard lock(mutex_);
  if (listing) {
    vms_.notice_listed(listing->vcpus, listing->asked);
    listed_ = std::move(*listing);
  }
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
  if (listing || freed) publish_vm_processes();
}

void Exporter::publish_vm_processes() {
  std::map<std::uint32_t, std::uint64_t> starts;
  for (const VmCounts& vm : current_->vms) starts[vm.key.tgid] = vm.key.start_ns;
  // Only what is new: while a thread is preempted in such a call the kernel skips programs there.
  if (starts == published_vm_processes_) return;
  if (const Result<void> published = probes_->table().set_vm_processes(starts); !published)
    spdlog::error("{}", published.error().message);
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
