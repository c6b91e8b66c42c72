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
std::vector<Choice> all_programs(const kvm_exit_bpf& skeleton, const WantedEvents& wanted,
                                 Isa isa) {
  const auto& programs = skeleton.progs;
  const bool timed = wanted.collectors[index_of(Event::entry)];
  bpf_program* exit_svm = timed ? programs.kvm_exit_svm : programs.kvm_exit_svm_alone;
  bpf_program* exit_vmx = timed ? programs.kvm_exit_vmx : programs.kvm_exit_vmx_alone;
  return {
      {Event::exit, Source::typed, isa == Isa::svm ? exit_svm : exit_vmx},
      {Event::exit, Source::typed_old, programs.kvm_exit_by_reason},
      {Event::exit, Source::classic, programs.kvm_exit_classic},
      {Event::entry, Source::typed, programs.kvm_entry_typed},
      {Event::entry, Source::classic, programs.kvm_entry_classic},
      {Event::msr, Source::typed, timed ? programs.kvm_msr_typed : programs.kvm_msr_alone},
      {Event::msr, Source::classic, programs.kvm_msr_classic},
      {Event::hv_timer_state, Source::typed, programs.kvm_hv_timer_state_typed},
      {Event::hv_timer_state, Source::classic, programs.kvm_hv_timer_state_classic},
      {Event::vcpu_wakeup, Source::typed, programs.kvm_vcpu_wakeup_typed},
      {Event::vcpu_wakeup, Source::classic, programs.kvm_vcpu_wakeup_classic},
      {Event::userspace_exit, Source::typed, programs.kvm_userspace_exit_typed},
      {Event::userspace_exit, Source::classic, programs.kvm_userspace_exit_classic},
  };
}

/// A field of a classic record: the size the programs read it with, and where they look for its
/// offset.
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
      {Event::userspace_exit, "reason", 4, &offsets.user_reason},
      {Event::userspace_exit, "errno", 4, &offsets.user_errno},
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
                            const WantedEvents& wanted, Isa isa, Event event) {
  const std::string_view name = kEvents[index_of(event)].name;
  const Source source = features.source(event);
  if (source == Source::absent) {
    spdlog::warn("{} is not counted: {}", name,
                 features.why_absent.empty() ? "this kernel's tracepoint has an unknown form"
                                             : features.why_absent);
    return nullptr;
  }
  if (source == Source::classic) {
    if (const std::string field = set_offsets(skeleton, features, event); !field.empty()) {
      spdlog::warn("{} is not counted: this kernel's record has no field {} of the known size",
                   name, field);
      return nullptr;
    }
  }
  const bool preempted = event == Event::vcpu_wakeup || event == Event::userspace_exit;
  if (features.preemptible && preempted && source == Source::typed)
    spdlog::warn("of {} this kernel may skip some on an overcommitted host: {}", name,
                 features.why_absent);
  for (const Choice& choice : all_programs(skeleton, wanted, isa))
    if (choice.event == event && choice.source == source) return choice.program;
  return nullptr;
}

}  // namespace kvmx
