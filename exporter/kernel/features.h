// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "exporter/kernel/events.h"
#include "exporter/kernel/tracepoint_format.h"

namespace kvmx {

/// How an event can be attached to on this kernel.
enum class Source : std::uint8_t {
  absent,            ///< no such tracepoint, or none that we understand
  tracepoint,        ///< BPF_PROG_TYPE_TRACEPOINT: its record, as tracefs describes it
  tp_btf,            ///< its arguments, typed by BTF; for kvm_exit (vcpu, isa), since Linux 5.17
  tp_btf_by_reason,  ///< kvm_exit up to Linux 5.16: (reason, vcpu, isa)
};

/// What this kernel offers, probed once and then only looked at.
struct Features {
  /// KVM is built in, or loaded together with the module that drives this CPU: before that, where
  /// an exit's reason is kept cannot be known.
  bool kvm = false;
  std::array<Source, kEvents.size()> sources{};
  /// Tracepoints leave preemption on (since Linux 7.x). The kernel does not run a tp_btf program on
  /// a CPU on which another thread was preempted within it.
  bool preemptible = false;
  /// kvm_amd has a variable svm_data, one a CPU, which tells the VMCB of the vCPU there, and has
  /// the type that BPF programs can use (as on 6.1). Programs that use it hold that module.
  bool svm_data = false;
  /// Where the fields of a tracepoint's record are, by event; empty where the source is tp_btf.
  std::array<std::map<std::string, FieldPlace, std::less<>>, kEvents.size()> fields;
  /// For a log: why an event cannot be counted, or has no tracepoint program, with the cure; else
  /// empty.
  std::string unavailable_reason;

  [[nodiscard]] Source source(Event event) const {
    return sources[static_cast<std::size_t>(event)];
  }
};

/// Probes the running kernel: BTF first, then tracefs.
Features probe_features();

}  // namespace kvmx
