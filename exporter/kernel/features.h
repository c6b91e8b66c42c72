// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "exporter/kernel/attach_targets.h"
#include "exporter/kernel/events.h"
#include "exporter/kernel/tracepoint_format.h"

struct btf;

namespace kvmx {

/// How an event can be attached to on this kernel.
enum class Source : std::uint8_t {
  absent,      ///< no such tracepoint, or none that we understand
  tracepoint,  ///< BPF_PROG_TYPE_TRACEPOINT: its record, as tracefs describes it
  tp_btf,      ///< its arguments, typed by BTF
};

/// What this kernel offers, probed once and then only looked at.
struct Features {
  /// KVM is there, and what drives this CPU for it (see kvm_is_ready()): before that, where an
  /// exit's reason is kept cannot be known.
  bool kvm = false;
  /// The kernel describes its types (CONFIG_DEBUG_INFO_BTF). Else the programs read none of them.
  bool btf = false;
  std::array<Source, kEvents.size()> sources{};
  /// The event's arguments as EventProgram::arguments describes them, if its source is tp_btf.
  std::array<std::string, kEvents.size()> arguments;
  /// Those of KVM's function of the event's name; empty if BTF describes none.
  std::array<std::string, kEvents.size()> functions;
  /// Of all programs that BTF has targets for; whether they are to run is another matter.
  AttachTargets targets;
  /// Where the fields of the event's record are, if its source is tracepoint.
  std::array<TracepointFields, kEvents.size()> fields;
  /// Where the record of sched_process_free has the thread's id; read only where there is no BTF.
  std::optional<std::uint32_t> freed_pid;
  /// How to learn that KVM leaves a nested guest's exit to the guest's own hypervisor
  /// (kvm_nested_vmexit_inject). Absent, too, where exits do not name the vCPU by its pointer.
  Source reflections = Source::absent;
  /// Where that event's record has the exit code, if its source is tracepoint.
  std::uint32_t reflected_code = 0;
  bool msr_event_needed = false;  ///< see need_msr_event()
  /// Tracepoints leave preemption on (since Linux 7.0, a46023d5616e). The kernel does not run a
  /// tp_btf program on a CPU on which another thread was preempted within it.
  bool preemptible = false;
  /// kvm_amd has a variable svm_data, one a CPU, which points to the VMCB of the vCPU there, and
  /// has the type that BPF programs can use (as on 6.1). Programs that use it hold that module.
  bool svm_data = false;
  /// KVM's own functions tell of vCPUs (kVcpuFunctions): all are described by BTF; or, where KVM
  /// has none, the kernel has kprobes.
  bool vcpu_hooks = false;
  /// For a log: why an event cannot be counted, or has no tracepoint program, with the cure; else
  /// empty.
  std::string unavailable_reason;

  [[nodiscard]] Source source(Event event) const { return sources[index_of(event)]; }
  [[nodiscard]] bool vcpu_hooks_by_kprobe() const {
    return vcpu_hooks && source(Event::exit) != Source::tp_btf;
  }
};

/// What find_features() goes by: the types that a kernel describes, and where to look for more.
struct KernelDescription {
  const btf* vmlinux = nullptr;  ///< its types; null where it describes none
  const btf* kvm = nullptr;      ///< split BTF on those; null where KVM is built in or has none
  const btf* kvm_amd = nullptr;  ///< likewise
  std::optional<std::filesystem::path> events;  ///< KVM's, in tracefs; none where not mounted
  bool kprobes = false;
  bool msr_event_needed = false;  ///< see need_msr_event()

  /// Where KVM is described.
  [[nodiscard]] const btf* types_of_kvm() const { return kvm ? kvm : vmlinux; }
};

/// What a kernel offers that has KVM: by BTF first, then by tracefs.
Features find_features(const KernelDescription& kernel);

/// Probes the running kernel.
Features probe_features();

/// Whether a tracepoint with these arguments has those that a program needs, both described as in
/// EventProgram::arguments.
bool arguments_match(std::string_view needed, std::string_view arguments);

}  // namespace kvmx
