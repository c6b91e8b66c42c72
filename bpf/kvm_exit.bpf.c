/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Counts KVM's tracepoints into one slot a vCPU. Each event has a typed program (tp_btf: arguments
 * as the kernel passes them) and a classic one (the record as tracefs describes it), for kernels
 * without BTF of KVM. The exporter loads one of each, by what the kernel has.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "kvm_types.bpf.h"
#include "lib/count.bpf.h"
#include "lib/slot.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Offsets of the fields in a classic tracepoint's record, from its tracefs `format` file. */
const volatile struct {
  __u32 exit_reason;
  __u32 exit_isa;
  __u32 exit_vcpu_id;
  __u32 entry_vcpu_id;
  __u32 msr_write;
  __u32 msr_ecx;
  __u32 msr_data;
  __u32 msr_exception;
  __u32 timer_vcpu_id;
  __u32 timer_in_use;
  __u32 wakeup_ns;
  __u32 wakeup_waited;
  __u32 user_reason;
  __u32 user_errno;
} kvmx_format;

/* Whether entries are counted too: without them no stamp would ever be taken back. */
const volatile bool kvmx_timed;

static __always_inline int count_exit(const struct vcpu_ref *ref, __u32 isa, bool known,
                                      __u32 code) {
  struct vcpu_slot *slot = kvmx_slot_of_vcpu(ref);
  if (!slot) return 0;
  __u32 id = KVMX_REASON_OTHER;
  if (known)
    id = kvmx_reason_id(slot, isa, code);
  else
    kvmx_lose(KVMX_LOST_REASON_READ);
  KVMX_FORGET(id);
  if (id >= KVMX_REASONS) return 0; /* cannot be; the verifier asks */
  slot->isa = isa;
  slot->waiting = kvmx_wait_exits[id];
  slot->exit_id = id;
  slot->reason[id].count++;
  /* Last: a reader that sees this stamp sees this exit's id and count too. */
  if (kvmx_timed) *(volatile __u64 *)&slot->exit_ns = bpf_ktime_get_ns();
  return 0;
}

static __always_inline int count_entry(const struct vcpu_ref *ref) {
  struct vcpu_slot *slot = kvmx_slot_of_vcpu(ref);
  if (!slot) return 0;
  __u64 began = slot->exit_ns;
  __u64 user_began = slot->user_ns;
  __u32 id = slot->exit_id;
  if (!began || id >= KVMX_REASONS) return 0;
  __u64 now = bpf_ktime_get_ns();
  __u64 took = now - began;
  /* A stamp is taken back before its time is added: a reader may miss the time for a moment, but
   * never counts it twice. */
  *(volatile __u64 *)&slot->exit_ns = 0;
  *(volatile __u64 *)&slot->reason[id].ns += took;
  if (!kvmx_wait_exits[id]) {
    __u32 bucket = kvmx_latency_bucket(took);
    KVMX_FORGET(bucket);
    if (bucket < KVMX_LATENCY_BUCKETS) slot->latency[bucket]++;
  }
  if (user_began) {
    *(volatile __u64 *)&slot->user_ns = 0;
    *(volatile __u64 *)&slot->user_total_ns += now - user_began;
  }
  return 0;
}

/* The guest has programmed its timer. The exit that did it has the time already, where exits are
 * counted. */
static __always_inline void count_interval(struct vcpu_slot *slot) {
  __u64 now = slot->exit_ns;
  if (!now) now = bpf_ktime_get_ns();
  __u64 last = slot->timer_ns;
  slot->timer_ns = now;
  if (!last || now < last) return;
  __u32 bucket = kvmx_interval_bucket(now - last);
  KVMX_FORGET(bucket);
  if (bucket >= KVMX_INTERVAL_BUCKETS) return;
  slot->intervals[bucket]++;
  slot->interval_total_ns += now - last;
}

/* Writing 0 to a timer's MSR stops the timer. */
static __always_inline int count_msr(const struct kvmx_thread *thread, bool write, __u32 index,
                                     __u64 data, bool fault) {
  struct vcpu_slot *slot = kvmx_slot_of_thread(thread);
  if (!slot) return 0;
  __u32 id = kvmx_msr_id(slot, index);
  KVMX_FORGET(id);
  if (id >= KVMX_MSRS) return 0;
  slot->msr[id].count[write]++;
  if (fault) slot->msr_faults[write]++;
  if (id < KVMX_TIMER_MSRS && write && data && !fault) count_interval(slot);
  return 0;
}

static __always_inline int count_wakeup(const struct kvmx_thread *thread, __u64 ns, bool waited) {
  struct vcpu_slot *slot = kvmx_slot_of_thread(thread);
  if (!slot) return 0;
  *(volatile __u32 *)&slot->waiting = KVMX_NO_WAIT;
  slot->halts[waited].count++;
  *(volatile __u64 *)&slot->halts[waited].ns += ns;
  return 0;
}

static __always_inline int count_userspace_exit(const struct kvmx_thread *thread, __u32 reason,
                                                int error) {
  struct vcpu_slot *slot = kvmx_slot_of_thread(thread);
  if (!slot) return 0;
  __u32 id = kvmx_user_exit_id(reason, error);
  KVMX_FORGET(id);
  if (id >= KVMX_USER_EXITS) return 0;
  slot->user_exits[id]++;
  /* Where no entry will take the stamp back, none is made. */
  if (slot->exit_ns) *(volatile __u64 *)&slot->user_ns = bpf_ktime_get_ns();
  return 0;
}

static __always_inline int count_timer(const struct kvmx_thread *thread, __u32 vcpu_id, bool hv) {
  struct vcpu_slot *slot = kvmx_slot_of_id(thread, vcpu_id);
  if (!slot) return 0;
  slot->timer_arms[hv]++;
  slot->timer_seen = 1 + hv;
  return 0;
}

/* Typed programs. Arguments of a tracepoint may be null as far as the verifier of 6.12 on knows. */

static __always_inline struct vcpu_ref typed_ref(const struct kvm_vcpu *vcpu) {
  struct vcpu_ref ref = {.vcpu = (__u64)vcpu,
                         .kvm = (__u64)vcpu->kvm,
                         .vcpu_id = vcpu->vcpu_id,
                         .thread = kvmx_thread_typed()};
  return ref;
}

/* kvm_exit(vcpu, isa), since 5.17: the reason is in the vCPU. */
SEC("tp_btf/kvm_exit")
int BPF_PROG(kvm_exit_by_vcpu, struct kvm_vcpu *vcpu, __u32 isa) {
  if (!vcpu) return 0;
  const struct vcpu_ref ref = typed_ref(vcpu);
  __u32 code = 0;
  bool known = kvmx_read_exit_code(vcpu, isa, &code);
  return count_exit(&ref, isa, known, code);
}

/* kvm_exit(reason, vcpu, isa), up to 5.16. */
SEC("tp_btf/kvm_exit")
int BPF_PROG(kvm_exit_by_reason, __u32 reason, struct kvm_vcpu *vcpu, __u32 isa) {
  if (!vcpu) return 0;
  const struct vcpu_ref ref = typed_ref(vcpu);
  return count_exit(&ref, isa, true, reason);
}

SEC("tp_btf/kvm_entry")
int BPF_PROG(kvm_entry_typed, struct kvm_vcpu *vcpu) {
  if (!vcpu) return 0;
  const struct vcpu_ref ref = typed_ref(vcpu);
  return count_entry(&ref);
}

SEC("tp_btf/kvm_msr")
int BPF_PROG(kvm_msr_typed, unsigned int write, __u32 ecx, __u64 data, bool exception) {
  const struct kvmx_thread thread = kvmx_thread_typed();
  return count_msr(&thread, write != 0, ecx, data, exception);
}

SEC("tp_btf/kvm_hv_timer_state")
int BPF_PROG(kvm_hv_timer_state_typed, unsigned int vcpu_id, unsigned int in_use) {
  const struct kvmx_thread thread = kvmx_thread_typed();
  return count_timer(&thread, vcpu_id, in_use != 0);
}

SEC("tp_btf/kvm_vcpu_wakeup")
int BPF_PROG(kvm_vcpu_wakeup_typed, __u64 ns, bool waited, bool valid) {
  const struct kvmx_thread thread = kvmx_thread_typed();
  return count_wakeup(&thread, ns, waited);
}

SEC("tp_btf/kvm_userspace_exit")
int BPF_PROG(kvm_userspace_exit_typed, __u32 reason, int error) {
  const struct kvmx_thread thread = kvmx_thread_typed();
  return count_userspace_exit(&thread, reason, error);
}

/* Classic programs. A record names a vCPU by its id within the thread's VM. */

static __always_inline __u32 field32(const void *record, __u32 offset) {
  __u32 value = 0;
  bpf_probe_read_kernel(&value, sizeof(value), (const char *)record + offset);
  return value;
}

static __always_inline __u64 field64(const void *record, __u32 offset) {
  __u64 value = 0;
  bpf_probe_read_kernel(&value, sizeof(value), (const char *)record + offset);
  return value;
}

static __always_inline struct vcpu_ref classic_ref(__u32 vcpu_id) {
  struct vcpu_ref ref = {.vcpu_id = vcpu_id, .thread = kvmx_thread_classic()};
  return ref;
}

SEC("tp/kvm/kvm_exit")
int kvm_exit_classic(void *record) {
  const struct vcpu_ref ref = classic_ref(field32(record, kvmx_format.exit_vcpu_id));
  __u32 isa = field32(record, kvmx_format.exit_isa);
  return count_exit(&ref, isa, true, field32(record, kvmx_format.exit_reason));
}

SEC("tp/kvm/kvm_entry")
int kvm_entry_classic(void *record) {
  const struct vcpu_ref ref = classic_ref(field32(record, kvmx_format.entry_vcpu_id));
  return count_entry(&ref);
}

SEC("tp/kvm/kvm_msr")
int kvm_msr_classic(void *record) {
  const struct kvmx_thread thread = kvmx_thread_classic();
  __u8 exception = field32(record, kvmx_format.msr_exception);
  return count_msr(&thread, field32(record, kvmx_format.msr_write) != 0,
                   field32(record, kvmx_format.msr_ecx), field64(record, kvmx_format.msr_data),
                   exception != 0);
}

SEC("tp/kvm/kvm_hv_timer_state")
int kvm_hv_timer_state_classic(void *record) {
  const struct kvmx_thread thread = kvmx_thread_classic();
  return count_timer(&thread, field32(record, kvmx_format.timer_vcpu_id),
                     field32(record, kvmx_format.timer_in_use) != 0);
}

SEC("tp/kvm/kvm_vcpu_wakeup")
int kvm_vcpu_wakeup_classic(void *record) {
  const struct kvmx_thread thread = kvmx_thread_classic();
  __u8 waited = field32(record, kvmx_format.wakeup_waited);
  return count_wakeup(&thread, field64(record, kvmx_format.wakeup_ns), waited != 0);
}

SEC("tp/kvm/kvm_userspace_exit")
int kvm_userspace_exit_classic(void *record) {
  const struct kvmx_thread thread = kvmx_thread_classic();
  return count_userspace_exit(&thread, field32(record, kvmx_format.user_reason),
                              (int)field32(record, kvmx_format.user_errno));
}

/*
 * Any other event, by the number the exporter gave to it. The tracepoint's arguments are of no
 * interest, so one raw tracepoint program a number serves whatever event it is attached to.
 */
static __noinline int count_event(const void *context, __u32 number) {
  const struct kvmx_thread thread = kvmx_thread_classic();
  if (kvmx_in_interrupt(context)) {
    kvmx_lose(KVMX_LOST_UNATTRIBUTED);
    return 0;
  }
  const struct vcpu_slot *slot = kvmx_slot_of_anyone(&thread);
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
