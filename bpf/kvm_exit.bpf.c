/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Counts KVM's tracepoints into one slot a vCPU. Each event has a tp_btf program, which reads the
 * arguments as the kernel passes them, and a tracepoint program, which reads the record that
 * tracefs describes, for kernels without BTF of KVM. The exporter loads the one that the kernel can
 * run.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "kvm_types.bpf.h"
#include "lib/count.bpf.h"
#include "lib/handling.bpf.h"
#include "lib/interrupt.bpf.h"
#include "lib/io.bpf.h"
#include "lib/msr.bpf.h"
#include "lib/slot.bpf.h"
#include "lib/tracepoint_slot.bpf.h"
#include "lib/vcpu_life.bpf.h"
#include "record_offsets.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile struct record_offsets kvmx_record; /* set by the exporter */

static __always_inline int count_exit(struct vcpu_slot *slot, __u64 code, bool timed) {
  __u32 exit = kvmx_dense_entry(kvmx_dense, code);
  if (exit == KVMX_NOT_DENSE) exit = kvmx_overflow_reason(slot, code);
  return count_exit_as(slot, exit, timed);
}

/* Counts an exit where kvm_entry has a program. Most exits have a dense id and no flag. */
static __always_inline int count_timed_exit(struct vcpu_slot *slot, const struct kvm_vcpu *vcpu,
                                            __u64 code) {
  __u32 exit = kvmx_dense_entry(kvmx_dense, code);
  barrier_var(exit); /* else the compiler asks first whether `vcpu` is null, at each exit */
  if (exit >= KVMX_NOT_DENSE) {
    if (exit == KVMX_NOT_DENSE) exit = kvmx_overflow_reason(slot, code);
    if (exit & KVMX_EXIT_MSR) exit = note_msr(slot, vcpu, exit);
  }
  return count_exit_as(slot, exit, true);
}

static __noinline int count_unread_exit(struct vcpu_slot *slot) {
  kvmx_count_lost_event(KVMX_LOST_REASON_READ);
  return count_exit_as(slot, KVMX_REASON_OTHER, kvmx_timed);
}

static __always_inline int end_run(struct vcpu_slot *slot, __u32 reason, int error) {
  const __u32 access = KVMX_EXIT_MSR | KVMX_EXIT_MSR_LATE;
  if (kvmx_msr_at_entry && slot && (slot->exit & access) == KVMX_EXIT_MSR &&
      !kvmx_ends_without_msr(reason, error))
    count_noted_msr(slot);
  return count_userspace_exit(slot, reason, error);
}

/* The same of a KVM_RUN whose return was not told: it left its reason to the VMM. */
static __noinline int end_missed_run(struct vcpu_slot *slot) {
  const struct kvm_vcpu *vcpu = (const void *)slot->vcpu;
  const __u32 reason = BPF_CORE_READ(vcpu, run, exit_reason);
  return end_run(slot, reason, reason == KVMX_USERSPACE_INTR ? -KVMX_EINTR : 0);
}

static __always_inline int count_timer(struct vcpu_slot *slot, bool hv) {
  if (!slot) return 0;
  slot->timer_arms[hv]++;
  slot->timer_seen = 1 + hv;
  return 0;
}

/*
 * tp_btf programs. Since 6.12 (and in stable updates of older kernels) the verifier takes pointer
 * arguments of tracepoints as possibly null. A vCPU never is, but it must be compared with null
 * before its members can be read.
 */

/* The vCPU's slot at an exit that follows a stay in the VMM, where kvm_entry has no program. */
static __noinline struct vcpu_slot *back_in_guest(struct vcpu_slot *slot,
                                                  const struct kvm_vcpu *vcpu) {
  slot = kvmx_recheck_slot(slot, vcpu);
  if (slot) slot->exit = KVMX_EXIT_NONE;
  return slot;
}

/* kvm_exit(vcpu, isa), since 5.17: the reason is in the vCPU. */
#define EXIT(name, read_code)                                          \
  SEC("tp_btf/kvm_exit") int BPF_PROG(name, struct kvm_vcpu *vcpu) {   \
    struct vcpu_slot *slot = kvmx_slot_of_vcpu(vcpu);                  \
    __u64 code;                                                        \
    if (!slot) return 0;                                               \
    if (!read_code(slot, vcpu, &code)) return count_unread_exit(slot); \
    return count_timed_exit(slot, vcpu, code);                         \
  }
EXIT(kvm_exit_svm, kvmx_read_svm_code)
EXIT(kvm_exit_vmx, kvmx_read_vmx_reason)

/* The same where kvm_entry has no program, which would have ended a stay in the VMM. */
#define EXIT_ALONE(name, read_code)                                             \
  SEC("tp_btf/kvm_exit") int BPF_PROG(name, struct kvm_vcpu *vcpu) {            \
    struct vcpu_slot *slot = kvmx_slot_of_vcpu(vcpu);                           \
    __u64 code;                                                                 \
    if (slot && slot->exit != KVMX_EXIT_NONE) slot = back_in_guest(slot, vcpu); \
    if (!slot) return 0;                                                        \
    if (!read_code(slot, vcpu, &code)) return count_unread_exit(slot);          \
    return count_exit(slot, code, false);                                       \
  }
EXIT_ALONE(kvm_exit_svm_alone, kvmx_read_svm_code)
EXIT_ALONE(kvm_exit_vmx_alone, kvmx_read_vmx_reason)

/* kvm_exit(reason, vcpu, isa), up to 5.16. */
SEC("tp_btf/kvm_exit")
int BPF_PROG(kvm_exit_by_reason, __u32 reason, struct kvm_vcpu *vcpu, __u32 isa) {
  struct vcpu_slot *slot = kvmx_slot_of_vcpu(vcpu);
  if (slot && !kvmx_timed && slot->exit != KVMX_EXIT_NONE) slot = back_in_guest(slot, vcpu);
  if (!slot) return 0;
  const __u64 code = kvmx_exit_code(isa, reason);
  return kvmx_timed ? count_timed_exit(slot, vcpu, code) : count_exit(slot, code, false);
}

/* vcpu_slot.exit of an MSR access after which nothing has happened, with all bits set that are its
 * id or KVMX_EXIT_MSR_WRITE. */
#define KVMX_PLAIN_MSR_EXIT (KVMX_EXIT_MSR | KVMX_EXIT_MSR_WRITE | KVMX_EXIT_ID)

SEC("tp_btf/kvm_entry")
int BPF_PROG(kvm_entry_tp_btf, struct kvm_vcpu *vcpu) {
  struct vcpu_slot *slot = kvmx_slot_of_vcpu(vcpu);
  if (!slot) return 0;
  const __u32 exit = slot->exit;
  if (exit <= KVMX_EXIT_ID) return count_plain_entry(slot, exit);
  if ((exit | KVMX_EXIT_ID | KVMX_EXIT_MSR_WRITE) == KVMX_PLAIN_MSR_EXIT) {
    count_msr_access(slot, vcpu, exit);
    return count_plain_entry(slot, exit & KVMX_EXIT_ID);
  }
  slot = kvmx_recheck_slot(slot, vcpu);
  if (!slot) return 0;
  if (kvmx_msr_at_entry && slot->exit & KVMX_EXIT_MSR) count_noted_msr(slot);
  return count_other_entry(slot);
}

/* kvm_msr(write, ecx, data, exception). Each argument is read only where it is used: kept over the
 * calls before that, it would take a register that must be saved. */
#define MSR(name, timed)                                                                 \
  SEC("tp_btf/kvm_msr") int name(const __u64 *arguments) {                               \
    struct vcpu_slot *slot = kvmx_slot_of_thread();                                      \
    if (!slot) return 0;                                                                 \
    const __u32 id = kvmx_hot_msr_id(slot, arguments[1]);                                \
    return count_msr(slot, id, arguments[0] & 1, arguments[2], arguments[3] & 1, timed); \
  }
MSR(kvm_msr_tp_btf, true)
MSR(kvm_msr_alone, false) /* where kvm_entry has no program */

/* kvm_hv_timer_state(vcpu_id, hv_timer_in_use) */
SEC("tp_btf/kvm_hv_timer_state")
int kvm_hv_timer_state_tp_btf(const __u64 *arguments) {
  return count_timer(kvmx_slot_of_named(arguments[0]), arguments[1] & 1);
}

SEC("tp_btf/kvm_vcpu_wakeup")
int BPF_PROG(kvm_vcpu_wakeup_tp_btf, __u64 ns, bool waited, bool valid) {
  return count_wakeup(kvmx_slot_of_thread(), ns, waited);
}

SEC("tp_btf/kvm_userspace_exit")
int BPF_PROG(kvm_userspace_exit_tp_btf, __u32 reason, int error) {
  return end_run(kvmx_slot_of_thread(), reason, error);
}

/* kvm_nested_vmexit_inject(exit_code, ...) */
SEC("tp_btf/kvm_nested_vmexit_inject")
int kvm_nested_vmexit_inject_tp_btf(const __u64 *arguments) {
  return reflect_exit(kvmx_slot_of_thread(), arguments[0]);
}

/* kvm_pio(rw, port, size, count, value) */
SEC("tp_btf/kvm_pio")
int kvm_pio_tp_btf(const __u64 *arguments) {
  return count_port(kvmx_slot_of_thread(), arguments[1], arguments[0] & 1);
}

/* kvm_mmio(type, length, gpa, value) */
SEC("tp_btf/kvm_mmio")
int kvm_mmio_tp_btf(const __u64 *arguments) {
  const __u32 type = arguments[0];
  return count_page(kvmx_slot_of_thread(), arguments[2], type);
}

/* kvm_fast_mmio(gpa) */
SEC("tp_btf/kvm_fast_mmio")
int kvm_fast_mmio_tp_btf(const __u64 *arguments) {
  return count_page(kvmx_slot_of_thread(), arguments[0], KVMX_MMIO_WRITE);
}

/* kvm_set_irq(kvm, irq_source_id, gsi, level, line_status), KVM's function, raises the event of
 * that name and alone says for which VM. */
SEC("fentry/kvm_set_irq")
int BPF_PROG(kvm_set_irq_fentry, const struct kvm *kvm, int source, __u32 gsi) {
  return count_line(kvmx_slot_of_vm((__u64)kvm), gsi);
}

/* kvm_set_irq(gsi, level, irq_source_id) */
SEC("tp_btf/kvm_set_irq")
int kvm_set_irq_tp_btf(const __u64 *arguments) {
  return count_line(kvmx_slot_of_line_raiser(), arguments[0]);
}

/* Tracepoint programs. A record names a vCPU by its id within the thread's VM. */

static __always_inline __u32 field32(const void *record, __u32 offset) {
  if (KVMX_HAS_RDONLY_CAST) return kvmx_load_at(record, offset);
  __u32 value = 0;
  bpf_probe_read_kernel(&value, sizeof(value), (const char *)record + offset);
  return value;
}

static __always_inline __u64 field64(const void *record, __u32 offset) {
  if (KVMX_HAS_RDONLY_CAST) return kvmx_load_at(record, offset);
  __u64 value = 0;
  bpf_probe_read_kernel(&value, sizeof(value), (const char *)record + offset);
  return value;
}

SEC("tp/kvm/kvm_exit")
int kvm_exit_tracepoint(void *record) {
  struct vcpu_slot *slot = kvmx_tracepoint_slot_of_vcpu(field32(record, kvmx_record.exit_vcpu_id));
  if (!slot) return 0;
  const __u32 reason = field32(record, kvmx_record.exit_reason);
  return count_exit(slot, kvmx_exit_code(kvmx_isa, reason), kvmx_timed);
}

SEC("tp/kvm/kvm_entry")
int kvm_entry_tracepoint(void *record) {
  struct vcpu_slot *slot = kvmx_tracepoint_slot_of_vcpu(field32(record, kvmx_record.entry_vcpu_id));
  return slot ? count_other_entry(slot) : 0;
}

SEC("tp/kvm/kvm_msr")
int kvm_msr_tracepoint(void *record) {
  struct vcpu_slot *slot = kvmx_tracepoint_slot_of_thread();
  if (!slot) return 0;
  const __u32 id = kvmx_hot_msr_id(slot, field32(record, kvmx_record.msr_ecx));
  const __u8 exception = field32(record, kvmx_record.msr_exception);
  return count_msr(slot, id, field32(record, kvmx_record.msr_write) != 0,
                   field64(record, kvmx_record.msr_data), exception != 0, kvmx_timed);
}

SEC("tp/kvm/kvm_hv_timer_state")
int kvm_hv_timer_state_tracepoint(void *record) {
  const __u32 vcpu_id = field32(record, kvmx_record.timer_vcpu_id);
  return count_timer(kvmx_tracepoint_slot_of_named(vcpu_id),
                     field32(record, kvmx_record.timer_in_use) != 0);
}

SEC("tp/kvm/kvm_vcpu_wakeup")
int kvm_vcpu_wakeup_tracepoint(void *record) {
  __u8 waited = field32(record, kvmx_record.wakeup_waited);
  return count_wakeup(kvmx_tracepoint_slot_of_thread(), field64(record, kvmx_record.wakeup_ns),
                      waited != 0);
}

SEC("tp/kvm/kvm_userspace_exit")
int kvm_userspace_exit_tracepoint(void *record) {
  return end_run(kvmx_tracepoint_slot_of_thread(), field32(record, kvmx_record.userspace_reason),
                 (int)field32(record, kvmx_record.userspace_errno));
}

SEC("tp/kvm/kvm_pio")
int kvm_pio_tracepoint(void *record) {
  return count_port(kvmx_tracepoint_slot_of_thread(), field32(record, kvmx_record.pio_port),
                    field32(record, kvmx_record.pio_write) & 1);
}

SEC("tp/kvm/kvm_mmio")
int kvm_mmio_tracepoint(void *record) {
  return count_page(kvmx_tracepoint_slot_of_thread(), field64(record, kvmx_record.mmio_gpa),
                    field32(record, kvmx_record.mmio_type));
}

SEC("tp/kvm/kvm_fast_mmio")
int kvm_fast_mmio_tracepoint(void *record) {
  return count_page(kvmx_tracepoint_slot_of_thread(), field64(record, kvmx_record.fast_mmio_gpa),
                    KVMX_MMIO_WRITE);
}

SEC("tp/kvm/kvm_set_irq")
int kvm_set_irq_tracepoint(void *record) {
  return count_line(kvmx_slot_of_line_raiser(), field32(record, kvmx_record.line_gsi));
}

SEC("tp/kvm/kvm_nested_vmexit_inject")
int kvm_nested_vmexit_inject_tracepoint(void *record) {
  return reflect_exit(kvmx_tracepoint_slot_of_thread(),
                      field32(record, kvmx_record.reflected_code));
}

/* The kernel has freed all of a thread. Without BTF, that alone tells a reused id. */
SEC("tp/sched/sched_process_free")
int thread_freed_tracepoint(void *record) {
  kvmx_thread_gone(field32(record, kvmx_record.freed_pid));
  return 0;
}

/*
 * KVM's own functions, by which it tells of each vCPU. They are the only calls of theirs: destroy
 * when the VM has no user any more, postcreate when the vCPU is complete, run within KVM_RUN.
 */

SEC("fentry/kvm_arch_vcpu_destroy")
int BPF_PROG(kvm_arch_vcpu_destroy_fentry, struct kvm_vcpu *vcpu) {
  return kvmx_vcpu_destroyed((__u64)vcpu);
}

SEC("fentry/kvm_arch_vcpu_postcreate")
int BPF_PROG(kvm_arch_vcpu_postcreate_fentry, struct kvm_vcpu *vcpu) {
  return kvmx_vcpu_made((__u64)vcpu, vcpu->vcpu_id);
}

SEC("fentry/kvm_arch_vcpu_ioctl_run")
int BPF_PROG(kvm_arch_vcpu_ioctl_run_fentry, struct kvm_vcpu *vcpu) {
  struct vcpu_slot *slot = kvmx_begin_run(vcpu);
  if (slot && kvmx_missed_return(slot)) return end_missed_run(slot);
  return 0;
}

/* The same where KVM has no BTF. Its id is what the first function for a vCPU is given. */

SEC("kprobe/kvm_arch_vcpu_precreate")
int kvm_vcpu_precreate_kprobe(const struct pt_regs *registers) {
  const __u64 thread = bpf_get_current_pid_tgid();
  const __u32 vcpu_id = registers->si;
  bpf_map_update_elem(&vcpu_ids, &thread, &vcpu_id, BPF_ANY);
  return 0;
}

SEC("kprobe/kvm_arch_vcpu_postcreate")
int kvm_vcpu_postcreate_kprobe(const struct pt_regs *registers) {
  const __u64 thread = bpf_get_current_pid_tgid();
  const __u32 *vcpu_id = bpf_map_lookup_elem(&vcpu_ids, &thread);
  if (!vcpu_id) return 0;
  kvmx_vcpu_made(registers->di, *vcpu_id);
  bpf_map_delete_elem(&vcpu_ids, &thread);
  return 0;
}

SEC("kprobe/kvm_arch_vcpu_destroy")
int kvm_vcpu_destroy_kprobe(const struct pt_regs *registers) {
  return kvmx_vcpu_destroyed(registers->di);
}

SEC("kprobe/kvm_arch_vcpu_ioctl_run")
int kvm_vcpu_run_kprobe(const struct pt_regs *registers) {
  kvmx_begin_hooked_run(registers->di);
  return 0;
}

/*
 * Counts one of the opt-in events, by the number that the exporter gave to it. The tracepoint's
 * arguments are not read, so a raw tracepoint program of this number serves any event.
 */
static __noinline int count_event(const void *context, __u32 number) {
  if (kvmx_in_interrupt(context)) {
    kvmx_count_lost_event(KVMX_LOST_UNATTRIBUTED);
    return 0;
  }
  const struct vcpu_slot *slot = kvmx_slot_of_current_task();
  if (!slot) return 0;
  __u32 index = slot->index;
  struct event_counts *counts = bpf_map_lookup_elem(&events, &index);
  if (counts && number < KVMX_EVENTS) __sync_fetch_and_add(&counts->count[number], 1);
  return 0;
}

/* clang-format off */
#define EVENT(n) \
  SEC("raw_tp") int kvmx_event_##n(void *context) { return count_event(context, n); }
#define EVENTS(tens)                                                            \
  EVENT(tens##0) EVENT(tens##1) EVENT(tens##2) EVENT(tens##3) EVENT(tens##4)    \
  EVENT(tens##5) EVENT(tens##6) EVENT(tens##7) EVENT(tens##8) EVENT(tens##9)
EVENTS() EVENTS(1) EVENTS(2) EVENTS(3) EVENTS(4) EVENTS(5) EVENTS(6) EVENTS(7) EVENTS(8)
EVENTS(9) EVENTS(10) EVENTS(11)
EVENT(120) EVENT(121) EVENT(122) EVENT(123) EVENT(124) EVENT(125) EVENT(126) EVENT(127)
    /* clang-format on */
