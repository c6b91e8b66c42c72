// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/record_offsets.h"
#include "exporter/names/isa.h"

namespace kvmx {

// The kernel's events that are counted, one row each, which feature probe, loader, flags and tests
// read. To add an event:
//
// 1. Count it. bpf/vcpu_slot.h: its counters. bpf/kvm_exit.bpf.c: a function that counts it and two
//    programs that call it, a tp_btf and a tracepoint one. bpf/record_offsets.h: the fields of its
//    record that the latter reads.
// 2. Describe it. Here: a row, with its programs and fields, and a name in enum Event.
//    tests/lib/events.txt: a line, for tests in Python; a unit test compares the two.
// 3. Export it. exporter/counts: slot_reader.cc reads the counters, sum_counts.cc adds them up.
//    exporter/metrics: its families, and a line in collectors.h if the collector is new.
//    tests/exact: a count of it by other means.
// 4. Record its programs' sizes in tests/bpf/program_sizes.txt, and an empty program for it in
//    tests/bench/cost/empty.bpf.c.

enum class Event : std::uint8_t {
  exit,
  entry,
  msr,
  hv_timer_state,
  vcpu_wakeup,
  userspace_exit,
  pio,
  mmio,
  fast_mmio,
  set_irq,
};

constexpr std::size_t index_of(Event event) { return static_cast<std::size_t>(event); }

/// A field of an event's record, as tracefs describes it.
struct RecordField {
  const char* name;
  std::uint32_t size;             ///< that the tracepoint program reads, in bytes
  __u32 record_offsets::*offset;  ///< where that program looks for the field's offset
};

/// A program of bpf/kvm_exit.bpf.c that counts an event.
struct EventProgram {
  const char* name;
  /// Of a tp_btf program: the arguments that the event must have. A 'p' stands for each pointer, an
  /// 'n' for each number, a '*' at the end for any others. Empty: it is the tracepoint program.
  std::string_view arguments = {};
  std::optional<Isa> isa = {};  ///< the only isa it is for
  bool timed = false;           ///< it is for hosts on which kvm_entry is counted, too
  /// It is an fentry program on KVM's function of the event's name, whose arguments these are: it
  /// raises the event, and says more.
  bool function = false;
};

inline constexpr EventProgram kExitPrograms[] = {
    // kvm_exit(vcpu, isa), since Linux 5.17. The reason is where the isa keeps it.
    {"kvm_exit_svm", "pn", Isa::svm, true},
    {"kvm_exit_svm_alone", "pn", Isa::svm},
    {"kvm_exit_vmx", "pn", {}, true},
    {"kvm_exit_vmx_alone", "pn"},
    // kvm_exit(reason, vcpu, isa), up to Linux 5.16.
    {"kvm_exit_by_reason", "npn"},
    {"kvm_exit_tracepoint"},
};
inline constexpr RecordField kExitFields[] = {
    {"exit_reason", 4, &record_offsets::exit_reason},
    {"vcpu_id", 4, &record_offsets::exit_vcpu_id},
};

// kvm_entry(vcpu), on newer kernels with one more argument. Old ones give the vCPU's id in place of
// its pointer, and then only the tracepoint program can be used.
inline constexpr EventProgram kEntryPrograms[] = {
    {"kvm_entry_tp_btf", "p*"},
    {"kvm_entry_tracepoint"},
};
inline constexpr RecordField kEntryFields[] = {
    {"vcpu_id", 4, &record_offsets::entry_vcpu_id},
};

// kvm_msr(write, ecx, data, exception)
inline constexpr EventProgram kMsrPrograms[] = {
    {"kvm_msr_tp_btf", "nnnn", {}, true},
    {"kvm_msr_alone", "nnnn"},
    {"kvm_msr_tracepoint"},
};
inline constexpr RecordField kMsrFields[] = {
    {"write", 4, &record_offsets::msr_write},
    {"ecx", 4, &record_offsets::msr_ecx},
    {"data", 8, &record_offsets::msr_data},
    {"exception", 1, &record_offsets::msr_exception},
};

// kvm_hv_timer_state(vcpu_id, hv_timer_in_use)
inline constexpr EventProgram kHvTimerStatePrograms[] = {
    {"kvm_hv_timer_state_tp_btf", "nn"},
    {"kvm_hv_timer_state_tracepoint"},
};
inline constexpr RecordField kHvTimerStateFields[] = {
    {"vcpu_id", 4, &record_offsets::timer_vcpu_id},
    {"hv_timer_in_use", 4, &record_offsets::timer_in_use},
};

// kvm_vcpu_wakeup(ns, waited, valid)
inline constexpr EventProgram kVcpuWakeupPrograms[] = {
    {"kvm_vcpu_wakeup_tp_btf", "nnn"},
    {"kvm_vcpu_wakeup_tracepoint"},
};
inline constexpr RecordField kVcpuWakeupFields[] = {
    {"ns", 8, &record_offsets::wakeup_ns},
    {"waited", 1, &record_offsets::wakeup_waited},
};

// kvm_userspace_exit(reason, errno)
inline constexpr EventProgram kUserspaceExitPrograms[] = {
    {"kvm_userspace_exit_tp_btf", "nn"},
    {"kvm_userspace_exit_tracepoint"},
};
inline constexpr RecordField kUserspaceExitFields[] = {
    {"reason", 4, &record_offsets::userspace_reason},
    {"errno", 4, &record_offsets::userspace_errno},
};

// kvm_pio(rw, port, size, count, value)
inline constexpr EventProgram kPioPrograms[] = {
    {"kvm_pio_tp_btf", "nnnnp"},
    {"kvm_pio_tracepoint"},
};
inline constexpr RecordField kPioFields[] = {
    {"rw", 4, &record_offsets::pio_write},
    {"port", 4, &record_offsets::pio_port},
};

// kvm_mmio(type, length, gpa, value)
inline constexpr EventProgram kMmioPrograms[] = {
    {"kvm_mmio_tp_btf", "nnnp"},
    {"kvm_mmio_tracepoint"},
};
inline constexpr RecordField kMmioFields[] = {
    {"type", 4, &record_offsets::mmio_type},
    {"gpa", 8, &record_offsets::mmio_gpa},
};

// kvm_fast_mmio(gpa)
inline constexpr EventProgram kFastMmioPrograms[] = {
    {"kvm_fast_mmio_tp_btf", "n"},
    {"kvm_fast_mmio_tracepoint"},
};
inline constexpr RecordField kFastMmioFields[] = {
    {"gpa", 8, &record_offsets::fast_mmio_gpa},
};

// The function kvm_set_irq(kvm, irq_source_id, gsi, level, line_status), or the event kvm_set_irq(
// gsi, level, irq_source_id).
inline constexpr EventProgram kSetIrqPrograms[] = {
    {.name = "kvm_set_irq_fentry", .arguments = "pnnnn", .function = true},
    {"kvm_set_irq_tp_btf", "nnn"},
    {"kvm_set_irq_tracepoint"},
};
inline constexpr RecordField kSetIrqFields[] = {
    {"gsi", 4, &record_offsets::line_gsi},
};

/// The programs that learn of exits that KVM leaves to a nested guest's hypervisor.
inline constexpr char kReflectionProgram[] = "kvm_nested_vmexit_inject_tp_btf";
inline constexpr char kReflectionRecordProgram[] = "kvm_nested_vmexit_inject_tracepoint";

/// The program that learns of threads' ends, where there is no BTF.
inline constexpr char kThreadFreedProgram[] = "thread_freed_tracepoint";

struct EventInfo {
  Event event;                             ///< its place in kEvents, too
  std::string_view name;                   ///< the kernel's, and the label `probe`
  std::string_view collector;              ///< what users switch on and off; of several events
  std::string_view help;                   ///< what the collector counts; with its first event
  std::span<const EventProgram> programs;  ///< the first that fits the host is loaded
  std::span<const RecordField> fields;
  /// It is raised with preemption on, and nothing else reveals that the kernel skipped its program:
  /// where tp_btf programs can be preempted (Features::preemptible), it has its tracepoint program,
  /// though that costs more. (Exits, entries and timers are raised with preemption off,
  /// and of kvm_msr see msr_counting().)
  bool skipped_unnoticed = false;
};

/// By enum Event.
inline constexpr auto kEvents = std::to_array<EventInfo>({
    {Event::exit, "kvm_exit", "exits",
     "VM exits by reason; without it, vCPUs are known by their timers only", kExitPrograms,
     kExitFields},
    {Event::entry, "kvm_entry", "handling", "how long exits take, and their latency histogram",
     kEntryPrograms, kEntryFields},
    {Event::msr, "kvm_msr", "msrs", "MSR accesses by index, and the histogram of timer intervals",
     kMsrPrograms, kMsrFields},
    {Event::hv_timer_state, "kvm_hv_timer_state", "timers",
     "armings of the guest's timer by backend", kHvTimerStatePrograms, kHvTimerStateFields},
    {Event::vcpu_wakeup, "kvm_vcpu_wakeup", "halts", "halts, and how long they last",
     kVcpuWakeupPrograms, kVcpuWakeupFields, true},
    {Event::userspace_exit, "kvm_userspace_exit", "userspace",
     "userspace exits (KVM_RUN returns to the VMM), and time spent there", kUserspaceExitPrograms,
     kUserspaceExitFields, true},
    {Event::pio, "kvm_pio", "io", "accesses to I/O ports and to pages of MMIO", kPioPrograms,
     kPioFields, true},
    {Event::mmio, "kvm_mmio", "io", "", kMmioPrograms, kMmioFields, true},
    {Event::fast_mmio, "kvm_fast_mmio", "io", "", kFastMmioPrograms, kFastMmioFields, true},
    {Event::set_irq, "kvm_set_irq", "interrupts", "changes of interrupt lines", kSetIrqPrograms,
     kSetIrqFields, true},
});
static_assert(
    [] {
      for (std::size_t i = 0; i < kEvents.size(); ++i)
        if (index_of(kEvents[i].event) != i) return false;
      return true;
    }(),
    "the rows are in the order of enum Event");

constexpr const EventInfo& info_of(Event event) { return kEvents[index_of(event)]; }

constexpr std::array<bool, kEvents.size()> all_events() {
  std::array<bool, kEvents.size()> all{};
  all.fill(true);
  return all;
}

/// What to count.
struct EventSelection {
  std::array<bool, kEvents.size()> collectors = all_events();
  /// Names of further events, none twice, at most KVMX_EVENTS.
  std::vector<std::string> others;

  [[nodiscard]] bool has(Event event) const { return collectors[index_of(event)]; }
  /// Whether anything is counted beside the slots (struct io_counts).
  [[nodiscard]] bool has_io() const {
    return has(Event::pio) || has(Event::mmio) || has(Event::fast_mmio) || has(Event::set_irq);
  }
};

}  // namespace kvmx
