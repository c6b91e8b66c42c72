// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exporter/exposition/text_writer.h"
#include "exporter/metrics/rows.h"
#include "exporter/snapshot/snapshot.h"

/// Snapshot in, metric families out: one function a group of families, no other input but which
/// families have a label vcpu. Each writes whole families, so their order is free.
namespace kvmx {

/// kvm_exits_total.
void write_exits(const Snapshot& snapshot, PerVcpu per_vcpu, TextWriter& writer);

/// kvm_exit_handling_seconds_total, kvm_exit_latency_seconds.
void write_handling(const Snapshot& snapshot, PerVcpu per_vcpu, TextWriter& writer);

/// kvm_msr_accesses_total, kvm_msr_faults_total, kvm_timer_interval_seconds.
void write_msrs(const Snapshot& snapshot, PerVcpu per_vcpu, TextWriter& writer);

/// kvm_halts_total, kvm_halt_seconds_total.
void write_halts(const Snapshot& snapshot, PerVcpu per_vcpu, TextWriter& writer);

/// kvm_events_total.
void write_events(const Snapshot& snapshot, PerVcpu per_vcpu, TextWriter& writer);

/// kvm_userspace_exits_total, kvm_userspace_seconds_total.
void write_userspace(const Snapshot& snapshot, PerVcpu per_vcpu, TextWriter& writer);

/// kvm_timer_arms_total, kvm_hv_timer_in_use.
void write_timers(const Snapshot& snapshot, PerVcpu per_vcpu, TextWriter& writer);

/// kvm_vm_info, kvm_vm_vcpus, kvm_vm_start_time_seconds.
void write_vms(const Snapshot& snapshot, PerVcpu per_vcpu, TextWriter& writer);

/// kvm_host_info.
void write_host(const Snapshot& snapshot, PerVcpu per_vcpu, TextWriter& writer);

}  // namespace kvmx
