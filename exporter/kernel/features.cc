// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/features.h"

#include <bpf/btf.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "exporter/base/file.h"
#include "exporter/kernel/bpf_owners.h"
#include "exporter/kernel/host.h"
#include "exporter/kernel/msr_counting.h"
#include "exporter/kernel/tracefs.h"
#include "exporter/kernel/vcpu_functions.h"

namespace kvmx {
namespace {

namespace fs = std::filesystem;

BtfPtr load_module_btf(const char* module, const BtfPtr& vmlinux) {
  std::error_code ignored;
  if (!vmlinux || !fs::exists(fs::path("/sys/kernel/btf") / module, ignored)) return nullptr;
  return BtfPtr(btf__load_module_btf(module, vmlinux.get()));
}

/// The first type that is not one of those of the kernel which a module's stand on.
__u32 first_own_type(const btf* types) {
  const btf* const base = btf__base_btf(types);
  return base ? btf__type_cnt(base) : 1;
}

/// The type of this name and kind, or a negative error: btf__find_by_name_kind() without the types
/// of the kernel that a module's stand on.
int find_type(const btf* types, std::string_view name, __u32 kind) {
  for (__u32 id = first_own_type(types); id < btf__type_cnt(types); ++id) {
    const btf_type* const type = btf__type_by_id(types, id);
    if (btf_kind(type) == kind && btf__name_by_offset(types, type->name_off) == name)
      return static_cast<int>(id);
  }
  return -ENOENT;
}

/// Whether kvm_amd has a variable `svm_data` that is a struct with a member `current_vmcb`.
bool has_svm_data(const btf* amd) {
  const int id = amd ? find_type(amd, "svm_data", BTF_KIND_VAR) : -1;
  if (id < 0) return false;
  const int type_id = btf__resolve_type(amd, id);
  const btf_type* type = type_id > 0 ? btf__type_by_id(amd, type_id) : nullptr;
  if (!type || !btf_is_struct(type)) return false;
  const btf_member* members = btf_members(type);
  return std::any_of(members, members + btf_vlen(type), [&](const btf_member& member) {
    return std::string_view(btf__name_by_offset(amd, member.name_off)) == "current_vmcb";
  });
}

/// A function's arguments, as EventProgram::arguments describes them.
std::string describe_arguments(const btf* object, const btf_type* prototype) {
  std::string arguments;
  for (int i = 0; i < btf_vlen(prototype); ++i) {
    const int type = btf__resolve_type(object, btf_params(prototype)[i].type);
    arguments += type > 0 && btf_is_ptr(btf__type_by_id(object, type)) ? 'p' : 'n';
  }
  return arguments;
}

/// A kernel's own name of an event, which has the exit code as its first argument.
constexpr char kReflection[] = "kvm_nested_vmexit_inject";

/// What our programs may attach to in KVM, of these types. Where KVM is no module they are those of
/// the whole kernel, more than 100,000, so that they are gone through once.
AttachTargets find_targets(const btf* kvm) {
  AttachTargets targets;
  if (!kvm) return targets;
  std::map<std::string, std::string, std::less<>> events, functions;  // section, by name
  // The kernel declares a `typedef void (*btf_trace_EVENT)(void *, ARGUMENTS)` for each tracepoint.
  const auto want_event = [&](const std::string& name) {
    events.emplace("btf_trace_" + name, "tp_btf/" + name);
  };
  const auto want_function = [&](const std::string& name) {
    functions.emplace(name, "fentry/" + name);
  };
  for (const EventInfo& event : kEvents) {
    want_event(std::string(event.name));
    want_function(std::string(event.name));
  }
  want_event(kReflection);
  for (const VcpuFunction& function : kVcpuFunctions) want_function(std::string(function.name));
  for (__u32 id = first_own_type(kvm); id < btf__type_cnt(kvm); ++id) {
    const btf_type* const type = btf__type_by_id(kvm, id);
    if (!btf_is_typedef(type) && !btf_is_func(type)) continue;
    const auto& wanted = btf_is_func(type) ? functions : events;
    const auto section = wanted.find(std::string_view(btf__name_by_offset(kvm, type->name_off)));
    if (section != wanted.end()) targets.emplace(section->second, id);
  }
  return targets;
}

/// What programs of this section attach to; null if there is none.
const btf_type* find_target(const btf* kvm, const AttachTargets& targets,
                            const std::string& section) {
  const auto target = targets.find(section);
  return target == targets.end() ? nullptr : btf__type_by_id(kvm, target->second);
}

/// An event's arguments, as EventProgram::arguments describes them.
std::optional<std::string> tracepoint_arguments(const btf* kvm, const AttachTargets& targets,
                                                std::string_view event) {
  const btf_type* const declared = find_target(kvm, targets, "tp_btf/" + std::string(event));
  const btf_type* const pointer = declared ? btf__type_by_id(kvm, declared->type) : nullptr;
  if (!pointer || !btf_is_ptr(pointer)) return std::nullopt;
  const btf_type* const function = btf__type_by_id(kvm, pointer->type);
  if (!function || !btf_is_func_proto(function)) return std::nullopt;
  std::string arguments = describe_arguments(kvm, function);
  arguments.erase(0, 1);  // the kernel's own
  return arguments;
}

/// The same of KVM's function of this name; empty if there is none.
std::string function_arguments(const btf* kvm, const AttachTargets& targets,
                               std::string_view name) {
  const btf_type* const function = find_target(kvm, targets, "fentry/" + std::string(name));
  const btf_type* const prototype = function ? btf__type_by_id(kvm, function->type) : nullptr;
  return prototype ? describe_arguments(kvm, prototype) : std::string();
}

/// Whether all of KVM's functions that tell of vCPUs are there, by those names.
bool can_hook_vcpus(const AttachTargets& targets) {
  return std::ranges::all_of(kVcpuFunctions, [&](const VcpuFunction& function) {
    return targets.contains("fentry/" + std::string(function.name));
  });
}

void probe_tp_btf(Features& features, std::size_t event, const KernelDescription& kernel) {
  const auto arguments =
      tracepoint_arguments(kernel.types_of_kvm(), features.targets, kEvents[event].name);
  const bool known =
      arguments && std::ranges::any_of(kEvents[event].programs, [&](const EventProgram& program) {
        return !program.function && !program.arguments.empty() &&
               arguments_match(program.arguments, *arguments);
      });
  if (!known) return;
  features.sources[event] = Source::tp_btf;
  features.arguments[event] = *arguments;
}

/// The kernel may skip tp_btf programs where it can preempt them.
void probe_reflections(Features& features, const KernelDescription& kernel) {
  if (!features.preemptible) {
    const auto arguments =
        tracepoint_arguments(kernel.types_of_kvm(), features.targets, kReflection);
    if (arguments && arguments_match("n*", *arguments)) features.reflections = Source::tp_btf;
    return;
  }
  if (!kernel.events) return;
  const Result<std::string> text = read_file(*kernel.events / kReflection / "format");
  if (!text) return;
  const auto place =
      find_offset(parse_tracepoint_format(*text), "exit_code", sizeof(std::uint32_t));
  if (!place) return;
  features.reflections = Source::tracepoint;
  features.reflected_code = *place;
}

constexpr char kNoTracefs[] =
    "tracefs is not mounted: run \"mount -t tracefs tracefs /sys/kernel/tracing\"";

void probe_tracepoint(Features& features, std::size_t event, const fs::path& events) {
  const Result<std::string> text = read_file(events / kEvents[event].name / "format");
  if (!text) {
    features.unavailable_reason = text.error().message;
    return;
  }
  features.fields[event] = parse_tracepoint_format(*text);
  features.sources[event] = Source::tracepoint;
}

/// Where sched_process_free's record, of these events, names the thread.
std::optional<std::uint32_t> freed_pid(const fs::path& kvm_events) {
  const fs::path format = kvm_events.parent_path() / "sched/sched_process_free/format";
  const Result<std::string> text = read_file(format);
  if (!text) return std::nullopt;
  return find_offset(parse_tracepoint_format(*text), "pid", sizeof(std::uint32_t));
}

/// Tracepoint programs run with preemption off on every kernel.
void prefer_tracepoints(Features& features, const std::optional<fs::path>& events) {
  if (!events) {
    features.unavailable_reason = kNoTracefs;
    return;
  }
  for (std::size_t i = 0; i < kEvents.size(); ++i)
    if (kEvents[i].skipped_unnoticed) probe_tracepoint(features, i, *events);
}

}  // namespace

bool arguments_match(std::string_view needed, std::string_view arguments) {
  if (!needed.ends_with('*')) return needed == arguments;
  needed.remove_suffix(1);
  return arguments.starts_with(needed);
}

Features find_features(const KernelDescription& kernel) {
  Features features;
  features.kvm = true;
  features.btf = kernel.vmlinux != nullptr;
  features.targets = find_targets(kernel.types_of_kvm());
  for (std::size_t i = 0; i < kEvents.size(); ++i) probe_tp_btf(features, i, kernel);
  // An exit and its entry must name the vCPU in the same way; events without a vCPU find it through
  // these two; and after a userspace exit the thread may run another VM. So all are tp_btf
  // programs, or all are tracepoint programs.
  const bool all_tp_btf = features.source(Event::exit) != Source::absent &&
                          features.source(Event::entry) != Source::absent &&
                          features.source(Event::userspace_exit) != Source::absent;
  if (all_tp_btf) {
    // The guard that such tracepoints stand under, in place of class_preempt_notrace_t.
    features.preemptible =
        find_type(kernel.vmlinux, "class_srcu_fast_notrace_t", BTF_KIND_TYPEDEF) > 0;
    if (features.preemptible) prefer_tracepoints(features, kernel.events);
    probe_reflections(features, kernel);
    features.msr_event_needed = kernel.msr_event_needed;
    if (features.preemptible && features.msr_event_needed && kernel.events)
      probe_tracepoint(features, index_of(Event::msr), *kernel.events);
    features.svm_data = has_svm_data(kernel.kvm_amd);
    const btf* const kvm = kernel.types_of_kvm();
    features.vcpu_hooks = can_hook_vcpus(features.targets);
    for (std::size_t i = 0; i < kEvents.size(); ++i)
      features.functions[i] = function_arguments(kvm, features.targets, kEvents[i].name);
    return features;
  }

  features.sources.fill(Source::absent);
  features.arguments = {};
  features.targets = {};
  if (!kernel.events) {
    features.unavailable_reason = std::string("the kernel has no BTF for KVM and ") + kNoTracefs;
    return features;
  }
  for (std::size_t i = 0; i < kEvents.size(); ++i) probe_tracepoint(features, i, *kernel.events);
  if (features.btf)
    features.vcpu_hooks = kernel.kprobes;
  else
    features.freed_pid = freed_pid(*kernel.events);
  return features;
}

Features probe_features() {
  if (!kvm_is_ready("/sys")) return {};
  const BtfPtr vmlinux(btf__load_vmlinux_btf());
  const BtfPtr kvm = load_module_btf("kvm", vmlinux);
  const BtfPtr amd = load_module_btf("kvm_amd", vmlinux);
  std::error_code ignored;
  return find_features({.vmlinux = vmlinux.get(),
                        .kvm = kvm.get(),
                        .kvm_amd = amd.get(),
                        .events = kvm_events_directory(),
                        .kprobes = fs::exists("/sys/bus/event_source/devices/kprobe", ignored),
                        .msr_event_needed = need_msr_event()});
}

}  // namespace kvmx
