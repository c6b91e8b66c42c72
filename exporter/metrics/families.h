// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exporter/exposition/metric_writer.h"
#include "exporter/metrics/per_vcpu.h"
#include "exporter/metrics/vcpu_series.h"
#include "exporter/snapshot/snapshot.h"

/// Snapshot in, metric families out: one function a group of families, no other input but which
/// families have a label vcpu. Each writes whole families, so their order is free.
///
/// To add a family to a group (6 places): its Family constant and its samples in the group's .cc;
/// a sample of it in tests/unit/exposition_test.cc; both files of tests/golden, written by that
/// test with KVMX_UPDATE_GOLDEN=1; its row in the metric reference, README.md here; its line in
/// tests/rules/contract.txt; and who reads it, in the table of deploy/fleet/README.md.
///
/// To add a group (4 more): a .cc here, its line in CMakeLists.txt, its declaration below, and its
/// row in collectors.h, which makes it a collector with a flag if an event of that name exists.
namespace kvmx {

/// kvm_exits_total.
void write_exits(const Snapshot& snapshot, PerVcpu per_vcpu, MetricWriter& writer);

/// kvm_exit_handling_seconds_total, kvm_exit_latency_seconds.
void write_handling(const Snapshot& snapshot, PerVcpu per_vcpu, MetricWriter& writer);

/// kvm_msr_accesses_total, kvm_msr_faults_total, kvm_timer_interval_seconds.
void write_msrs(const Snapshot& snapshot, PerVcpu per_vcpu, MetricWriter& writer);

/// kvm_halts_total, kvm_halt_seconds_total, kvm_halt_poll_failed_seconds_total.
void write_halts(const Snapshot& snapshot, PerVcpu per_vcpu, MetricWriter& writer);

/// kvm_vm_cpu_seconds_total, kvm_vcpu_cpu_seconds_total, kvm_vcpu_run_delay_seconds_total.
void write_cpu(const Snapshot& snapshot, PerVcpu per_vcpu, MetricWriter& writer);

/// kvm_events_total.
void write_events(const Snapshot& snapshot, PerVcpu per_vcpu, MetricWriter& writer);

/// kvm_userspace_exits_total, kvm_userspace_seconds_total.
void write_userspace(const Snapshot& snapshot, PerVcpu per_vcpu, MetricWriter& writer);

/// kvm_io_exits_total.
void write_io(const Snapshot& snapshot, PerVcpu per_vcpu, MetricWriter& writer);

/// kvm_interrupt_line_changes_total.
void write_interrupts(const Snapshot& snapshot, PerVcpu per_vcpu, MetricWriter& writer);

/// kvm_timer_arms_total, kvm_hv_timer_in_use.
void write_timers(const Snapshot& snapshot, PerVcpu per_vcpu, MetricWriter& writer);

/// kvm_vm_info, kvm_vm_vcpus, kvm_vm_start_time_seconds.
void write_vms(const Snapshot& snapshot, PerVcpu per_vcpu, MetricWriter& writer);

/// kvm_vm_finding_seconds_total, kvm_vm_tick_hertz, kvm_vm_vcpus_running.
void write_findings(const Snapshot& snapshot, PerVcpu per_vcpu, MetricWriter& writer);

/// kvm_host_info, kvm_host_cpus, kvm_host_cpu_frequency_hertz.
void write_host(const Snapshot& snapshot, PerVcpu per_vcpu, MetricWriter& writer);

}  // namespace kvmx
