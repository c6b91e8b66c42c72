// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/programs.h"

#include <bpf/libbpf.h>

#include <string>
#include <vector>

#include "exporter/base/log.h"
#include "kvm_exit.skel.h"

namespace kvmx {
namespace {

/// A program that can serve an event, and the source it needs.
struct Choice {
  Event event;
  Source source;
  bpf_program* program;
};

/// The exit's program reads the reason where `isa` keeps it, and takes the time if entries are
/// counted.
std::vector<Choice> all_programs(const kvm_exit_bpf& skeleton, const EventSelection& wanted,
                                 Isa isa) {
  const auto& programs = skeleton.progs;
  const bool timed = wanted.collectors[index_of(Event::entry)];
  bpf_program* exit_svm = timed ? programs.kvm_exit_svm : programs.kvm_exit_svm_alone;
  bpf_program* exit_vmx = timed ? programs.kvm_exit_vmx : programs.kvm_exit_vmx_alone;
  return {
      {Event::exit, Source::tp_btf, isa == Isa::svm ? exit_svm : exit_vmx},
      {Event::exit, Source::tp_btf_by_reason, programs.kvm_exit_by_reason},
      {Event::exit, Source::tracepoint, programs.kvm_exit_tracepoint},
      {Event::entry, Source::tp_btf, programs.kvm_entry_tp_btf},
      {Event::entry, Source::tracepoint, programs.kvm_entry_tracepoint},
      {Event::msr, Source::tp_btf, timed ? programs.kvm_msr_tp_btf : programs.kvm_msr_alone},
      {Event::msr, Source::tracepoint, programs.kvm_msr_tracepoint},
      {Event::hv_timer_state, Source::tp_btf, programs.kvm_hv_timer_state_tp_btf},
      {Event::hv_timer_state, Source::tracepoint, programs.kvm_hv_timer_state_tracepoint},
      {Event::vcpu_wakeup, Source::tp_btf, programs.kvm_vcpu_wakeup_tp_btf},
      {Event::vcpu_wakeup, Source::tracepoint, programs.kvm_vcpu_wakeup_tracepoint},
      {Event::userspace_exit, Source::tp_btf, programs.kvm_userspace_exit_tp_btf},
      {Event::userspace_exit, Source::tracepoint, programs.kvm_userspace_exit_tracepoint},
  };
}

/// A field of a tracepoint's record: the size the programs read it with, and where they look for
/// its offset.
struct WantedField {
  Event event;
  const char* name;
  std::uint32_t size;
  __u32* offset;
};

std::vector<WantedField> all_fields(kvm_exit_bpf& skeleton) {
  auto& offsets = skeleton.rodata->kvmx_format;
  return {
      {Event::exit, "exit_reason", 4, &offsets.exit_reason},
      {Event::exit, "isa", 4, &offsets.exit_isa},
      {Event::exit, "vcpu_id", 4, &offsets.exit_vcpu_id},
      {Event::entry, "vcpu_id", 4, &offsets.entry_vcpu_id},
      {Event::msr, "write", 4, &offsets.msr_write},
      {Event::msr, "ecx", 4, &offsets.msr_ecx},
      {Event::msr, "data", 8, &offsets.msr_data},
      {Event::msr, "exception", 1, &offsets.msr_exception},
      {Event::hv_timer_state, "vcpu_id", 4, &offsets.timer_vcpu_id},
      {Event::hv_timer_state, "hv_timer_in_use", 4, &offsets.timer_in_use},
      {Event::vcpu_wakeup, "ns", 8, &offsets.wakeup_ns},
      {Event::vcpu_wakeup, "waited", 1, &offsets.wakeup_waited},
      {Event::userspace_exit, "reason", 4, &offsets.userspace_reason},
      {Event::userspace_exit, "errno", 4, &offsets.userspace_errno},
  };
}

/// Tells the programs the offsets of an event's fields. Returns the name of a field that is missing
/// or has another size than they expect, else "".
std::string set_offsets(kvm_exit_bpf& skeleton, const Features& features, Event event) {
  const auto& fields = features.fields[index_of(event)];
  for (const WantedField& wanted : all_fields(skeleton)) {
    if (wanted.event != event) continue;
    const auto field = fields.find(wanted.name);
    if (field == fields.end() || field->second.size != wanted.size) return wanted.name;
    *wanted.offset = field->second.offset;
  }
  return "";
}

}  // namespace

bpf_program* choose_program(kvm_exit_bpf& skeleton, const Features& features,
                            const EventSelection& wanted, Isa isa, Event event) {
  const std::string_view name = kEvents[index_of(event)].name;
  const Source source = features.source(event);
  if (source == Source::absent) {
    spdlog::warn("{} is not counted: {}", name,
                 features.unavailable_reason.empty()
                     ? "this kernel's tracepoint has an unknown form"
                     : features.unavailable_reason);
    return nullptr;
  }
  if (source == Source::tracepoint) {
    if (const std::string field = set_offsets(skeleton, features, event); !field.empty()) {
      spdlog::warn("{} is not counted: this kernel's record has no field {} of the known size",
                   name, field);
      return nullptr;
    }
  }
  const bool preempted = event == Event::vcpu_wakeup || event == Event::userspace_exit;
  if (features.preemptible && preempted && source == Source::tp_btf)
    spdlog::warn("of {} this kernel may skip some on an overcommitted host: {}", name,
                 features.unavailable_reason);
  for (const Choice& choice : all_programs(skeleton, wanted, isa))
    if (choice.event == event && choice.source == source) return choice.program;
  return nullptr;
}

}  // namespace kvmx
