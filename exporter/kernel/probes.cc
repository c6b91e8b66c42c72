// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/probes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "exporter/base/file.h"
#include "exporter/base/log.h"
#include "exporter/kernel/attach_targets.h"
#include "exporter/kernel/host.h"
#include "exporter/kernel/missed_runs.h"
#include "exporter/kernel/skeleton.h"
#include "exporter/kernel/vcpu_functions.h"
#include "kvm_exit.skel.h"

namespace kvmx {
namespace {

/// Only where the kernel has BTF of KVM: KVM tells whose vCPU a thread runs; or exits and entries
/// carry the vCPU's pointer, if the host raises them.
bool do_events_identify_vm(const Features& features, const EventSelection& selection, Isa isa) {
  if (features.vcpu_hooks) return !features.vcpu_hooks_by_kprobe();
  const bool counted = selection.has(Event::exit) || selection.has(Event::entry);
  return features.source(Event::exit) == Source::tp_btf && counted && isa != Isa::other;
}

/// Without this programs can be attached to functions and are never run.
bool functions_are_traced() {
  return read_line("/proc/sys/kernel/ftrace_enabled").value_or("1") != "0";
}

/// kvm_entry may have two programs; the first one speaks for both.
bool has_state(const std::vector<ProbeState>& states, const std::string& name) {
  return std::ranges::any_of(states, [&](const ProbeState& state) { return state.name == name; });
}

}  // namespace

std::vector<ProbeState> detached_probes(const EventSelection& selection) {
  std::vector<ProbeState> states;
  states.reserve(std::size(kVcpuFunctions) + kEvents.size() + selection.others.size());
  for (const VcpuFunction& function : kVcpuFunctions)
    states.push_back({std::string(function.name), false, std::nullopt});
  for (std::size_t i = 0; i < kEvents.size(); ++i)
    if (selection.collectors[i])
      states.push_back({std::string(kEvents[i].name), false, std::nullopt});
  for (const std::string& name : selection.others)
    if (!has_state(states, name)) states.push_back({name, false, std::nullopt});
  return states;
}

Result<Probes> Probes::attach(const Features& features, const EventSelection& selection,
                              std::uint32_t max_vcpus, PinDirectory* pins) {
  Result<Probes> probes = features.vcpu_hooks && !functions_are_traced()
                              ? Error{"kernel.ftrace_enabled is 0"}
                              : attach_all(features, selection, max_vcpus, pins);
  if (probes || !features.vcpu_hooks) return probes;
  // Without the cure, which is one where nothing can be loaded.
  const std::string reason = probes.error().message.substr(0, probes.error().message.find(". "));
  Features less = features;
  less.vcpu_hooks = false;
  probes = attach_all(less, selection, max_vcpus, pins);
  if (!probes) return probes;
  probes->vcpu_hooks_wanted_ = true;
  spdlog::warn(
      "KVM's own functions cannot be attached to, so which vCPUs there are is found out once a "
      "second, and several VMs of one process may be mistaken for each other at first: {}",
      reason);
  return probes;
}

Result<Probes> Probes::attach_all(const Features& features, const EventSelection& selection,
                                  std::uint32_t max_vcpus, PinDirectory* pins) {
  const Isa isa = read_host().isa;
  const KnownTargets known(features.targets);
  Result<ExitSkeletonPtr> skeleton = open_skeleton(features, selection, isa, max_vcpus);
  if (!skeleton) return skeleton.error();
  Probes probes;
  probes.skeleton_ = std::move(*skeleton);
  probes.selection_ = selection;
  probes.msrs_ = msr_counting(features, selection, isa);
  probes.max_vcpus_ = max_vcpus;
  probes.events_identify_vm_ = do_events_identify_vm(features, selection, isa);
  probes.vcpu_hooks_work_ = probes.vcpu_hooks_wanted_ = features.vcpu_hooks;
  probes.processes_followed_ = !features.btf;
  const std::vector<SelectedProgram> programs =
      select_programs(*probes.skeleton_, features, selection, isa);
  if (pins) {
    const Result<bool> continued = probes.continue_pinned(*pins, programs);
    if (!continued) return continued.error();
    probes.continued_ = *continued;
    if (*continued) return probes;
  }
  if (Result<void> loaded = probes.load(programs); !loaded) return loaded.error();
  if (pins)
    if (Result<void> pinned = probes.pin(*pins, programs); !pinned) return pinned.error();
  return probes;
}

Result<void> Probes::load(std::span<const SelectedProgram> programs) {
  if (Result<void> loaded = load_skeleton(*skeleton_, programs); !loaded) return loaded;
  for (const SlotMap& map : kSlotMaps)
    maps_.*map.fd = bpf_object__find_map_fd_by_name(skeleton_->obj, map.name);
  if (Result<void> opened = open_table(true); !opened) return opened;
  bool counts = false;
  for (const SelectedProgram& selected : programs) {
    Result<void> attached = attach_program(selected);
    if (!attached && is_vcpu_function(selected.event)) return attached;
    if (!attached) spdlog::warn("{} is not counted: {}", selected.event, attached.error().message);
    counts = counts || (attached && !is_vcpu_function(selected.event));
  }
  if (!counts)
    return Error{"no KVM event can be attached to. Run with --log.level=debug to see why"};
  return {};
}

/// Attaches a loaded program. The skeleton's own links are not used, because it attaches all or
/// nothing.
Result<void> Probes::attach_program(const SelectedProgram& selected) {
  const bool raw = bpf_program__type(selected.program) == BPF_PROG_TYPE_RAW_TRACEPOINT;
  bpf_link* link =
      raw ? bpf_program__attach_raw_tracepoint(selected.program, selected.event.c_str())
          : bpf_program__attach(selected.program);
  if (!link) return errno_error("attach to " + selected.event, errno);
  links_.emplace_back(link);
  attached_[selected.name] = bpf_program__fd(selected.program);
  return {};
}

/// Continues with what is pinned, if it is the same. Else removes it and returns false.
Result<bool> Probes::continue_pinned(PinDirectory& pins,
                                     std::span<const SelectedProgram> programs) {
  Result<bool> there = pins.choose(set_hash(*skeleton_, max_vcpus_, programs));
  if (!there || !*there) return there;
  if (const Result<void> taken = take_over(pins, programs); !taken) {
    spdlog::warn("{}: what is pinned is removed, and counters start again", taken.error().message);
    if (Result<void> removed = pins.remove_chosen(); !removed) return removed.error();
    return false;
  }
  if (Result<void> removed = pins.remove_others(); !removed) return removed.error();
  return true;
}

Result<void> Probes::take_over(const PinDirectory& pins,
                               std::span<const SelectedProgram> programs) {
  Result<PinnedSet> set = open_pinned(pins, *skeleton_, programs);
  if (!set) return set.error();
  maps_ = set->maps;
  if (Result<void> opened = open_table(false); !opened) return opened;
  attached_ = set->programs;
  pinned_ = std::move(*set);
  skeleton_.reset();
  spdlog::info("counters continue: what was pinned has gone on counting");
  return {};
}

/// Pins what has just been loaded, in place of what other exporters pinned. That is removed only
/// now, so that a start that fails does not cost the counters there are.
Result<void> Probes::pin(const PinDirectory& pins,
                         std::span<const SelectedProgram> programs) const {
  if (Result<void> removed = pins.remove_others(); !removed) return removed;
  const Result<void> pinned = pin_set(pins, maps_, programs, links_);
  if (pinned) return {};
  spdlog::warn("nothing is pinned, so counters start again with the exporter: {}",
               pinned.error().message);
  return pins.remove_chosen();
}

Result<void> Probes::open_table(bool fill) {
  SlotMapFds fds = maps_;
  if (selection_.others.empty()) fds.events = -1;
  if (!selection_.has_io()) fds.io = -1;
  Result<SlotTable> table = SlotTable::map(fds, max_vcpus_, fill);
  if (!table) return table.error();
  table_ = std::move(*table);
  const auto keep = [](void* drained, void* record, std::size_t size) {
    std::uint32_t index = 0;
    if (size < sizeof(index)) return 0;
    std::memcpy(&index, record, sizeof(index));
    static_cast<std::vector<std::uint32_t>*>(drained)->push_back(index);
    return 0;
  };
  drained_ = std::make_unique<std::vector<std::uint32_t>>();
  new_slots_.reset(ring_buffer__new(maps_.new_slots, keep, drained_.get(), nullptr));
  if (!new_slots_) return errno_error("map the ring of new slots", errno);
  return {};
}

int Probes::new_slots_fd() const { return ring_buffer__epoll_fd(new_slots_.get()); }

std::vector<std::uint32_t> Probes::drain_new() {
  ring_buffer__consume(new_slots_.get());
  return std::exchange(*drained_, {});
}

ProbeState Probes::state(const std::string& event, const std::string& program) const {
  const auto found = attached_.find(program);
  if (found == attached_.end()) return {event, false, std::nullopt};
  return {event, true, missed_runs(found->second)};
}

/// The name of the program that counts an event.
std::string Probes::program_of(Event event) const {
  const bool by_entry = event == Event::msr && msrs_ == MsrCounting::entry;
  return std::string(info_of(by_entry ? Event::entry : event).name);
}

/// The kernel may have skipped the program, and then nobody knows for which vCPU. So it is if
/// functions were not traced for a while.
bool Probes::sees_vcpu_ends() {
  if (!vcpu_hooks_work_) return false;
  if (!functions_are_traced()) {
    spdlog::warn(
        "kernel.ftrace_enabled is 0, so KVM's own functions tell nothing any more: which vCPUs "
        "there are is found out once a second. Set it to 1 and restart the exporter");
    vcpu_hooks_work_ = false;
    return false;
  }
  const std::string name(kVcpuDestroyed);
  return state(name, name).missed.value_or(0) == 0;
}

std::vector<ProbeState> Probes::states() const {
  std::vector<ProbeState> states;
  for (const VcpuFunction& function : kVcpuFunctions) {
    const std::string name(function.name);
    if (!vcpu_hooks_wanted_) continue;
    states.push_back(state(name, name));
    states.back().attached = states.back().attached && vcpu_hooks_work_;
  }
  for (std::size_t i = 0; i < kEvents.size(); ++i) {
    const std::string name(kEvents[i].name);
    if (selection_.collectors[i]) states.push_back(state(name, program_of(static_cast<Event>(i))));
  }
  for (std::size_t i = 0; i < selection_.others.size(); ++i)
    if (!has_state(states, selection_.others[i]))
      states.push_back(state(selection_.others[i], other_program_name(i)));
  return states;
}

}  // namespace kvmx
