// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/programs.h"

#include <bpf/libbpf.h>

#include "exporter/base/log.h"
#include "exporter/kernel/msr_counting.h"
#include "exporter/kernel/vcpu_functions.h"
#include "kvm_exit.skel.h"

namespace kvmx {
namespace {

/// Whether an event's program is to run: its collector is selected; or the event is a userspace
/// exit and exits are counted, whose tp_btf programs learn from it when a thread may have changed
/// its VM. Entries may count accesses to MSRs in place of kvm_msr.
bool is_needed(Event event, const EventSelection& selection, const Features& features, Isa isa) {
  if (event == Event::msr && msr_counting(features, selection, isa) == MsrCounting::entry)
    return false;
  const bool exits = selection.has(Event::exit) || selection.has(Event::entry);
  return selection.has(event) || (event == Event::userspace_exit && exits &&
                                  features.source(Event::exit) == Source::tp_btf);
}

/// Writes the offsets of an event's fields where its tracepoint program looks for them. Returns the
/// name of a field that is missing or has another size than the program expects, else "".
std::string set_offsets(kvm_exit_bpf& skeleton, const Features& features, Event event) {
  const auto& found = features.fields[index_of(event)];
  for (const RecordField& field : info_of(event).fields) {
    const auto place = find_offset(found, field.name, field.size);
    if (!place) return field.name;
    skeleton.rodata->kvmx_record.*field.offset = *place;
  }
  return "";
}

bool fits(const EventProgram& program, Event event, const Features& features, bool timed, Isa isa) {
  if (program.function)
    return features.vcpu_hooks && program.arguments == features.functions[index_of(event)];
  const bool tp_btf = features.source(event) == Source::tp_btf;
  if (program.arguments.empty() || !tp_btf) return program.arguments.empty() && !tp_btf;
  return arguments_match(program.arguments, features.arguments[index_of(event)]) &&
         program.isa.value_or(isa) == isa && (timed || !program.timed);
}

/// The program that counts `event`; null, and logged, if there is none.
bpf_program* choose_program(kvm_exit_bpf& skeleton, const Features& features, bool timed, Isa isa,
                            Event event) {
  const EventInfo& info = info_of(event);
  const Source source = features.source(event);
  const EventProgram& first = info.programs.front();
  if (first.function && fits(first, event, features, timed, isa))
    return bpf_object__find_program_by_name(skeleton.obj, first.name);
  if (source == Source::absent) {
    spdlog::warn("{} is not counted: {}", info.name,
                 features.unavailable_reason.empty()
                     ? "this kernel's tracepoint has an unknown form"
                     : features.unavailable_reason);
    return nullptr;
  }
  if (source == Source::tracepoint) {
    if (const std::string field = set_offsets(skeleton, features, event); !field.empty()) {
      spdlog::warn("{} is not counted: this kernel's record has no field {} of the known size",
                   info.name, field);
      return nullptr;
    }
  }
  if (features.preemptible && info.skipped_unnoticed && source == Source::tp_btf)
    spdlog::warn("of {} this kernel may skip some on an overcommitted host: {}", info.name,
                 features.unavailable_reason);
  for (const EventProgram& program : info.programs)
    if (fits(program, event, features, timed, isa))
      return bpf_object__find_program_by_name(skeleton.obj, program.name);
  return nullptr;
}

}  // namespace

std::vector<SelectedProgram> select_programs(kvm_exit_bpf& skeleton, const Features& features,
                                             const EventSelection& selection, Isa isa) {
  std::vector<SelectedProgram> programs;
  const auto add_function = [&](const VcpuFunction& function, const char* program) {
    const std::string name(function.name);
    programs.push_back({bpf_object__find_program_by_name(skeleton.obj, program), name, name});
  };
  const bool by_kprobe = features.vcpu_hooks_by_kprobe();
  for (const VcpuFunction& function : kVcpuFunctions)
    if (features.vcpu_hooks) add_function(function, by_kprobe ? function.kprobe : function.fentry);
  if (by_kprobe) add_function(kVcpuId, kVcpuId.kprobe);
  if (features.freed_pid) {
    skeleton.rodata->kvmx_record.freed_pid = *features.freed_pid;
    programs.push_back({bpf_object__find_program_by_name(skeleton.obj, kThreadFreedProgram),
                        "sched_process_free", kThreadFreedProgram});
  }
  if (msr_counting(features, selection, isa) != MsrCounting::event) {
    skeleton.rodata->kvmx_record.reflected_code = features.reflected_code;
    const bool record = features.reflections == Source::tracepoint;
    const char* const program = record ? kReflectionRecordProgram : kReflectionProgram;
    programs.push_back({bpf_object__find_program_by_name(skeleton.obj, program),
                        "kvm_nested_vmexit_inject", program});
  }
  // Exits come last: what they lean on is attached then.
  for (std::size_t i = kEvents.size(); i-- > 0;) {
    const auto event = static_cast<Event>(i);
    if (!is_needed(event, selection, features, isa)) continue;
    const std::string name(kEvents[i].name);
    if (auto* const program =
            choose_program(skeleton, features, selection.has(Event::entry), isa, event))
      programs.push_back({program, name, name});
  }
  for (std::size_t i = 0; i < selection.others.size(); ++i) {
    const std::string name = other_program_name(i);
    programs.push_back(
        {bpf_object__find_program_by_name(skeleton.obj, name.c_str()), selection.others[i], name});
  }
  return programs;
}

std::string other_program_name(std::size_t number) {
  return "kvmx_event_" + std::to_string(number);
}

}  // namespace kvmx
