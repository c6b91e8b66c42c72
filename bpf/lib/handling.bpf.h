/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What a vCPU does between an exit and the next entry, and how long it takes: handling, halts, and
 * stays in the VMM.
 */
#ifndef KVMX_HANDLING_BPF_H
#define KVMX_HANDLING_BPF_H

#include "count.bpf.h"

/* Whether kvm_entry has a program, which turns the time stamp of an exit into its handling time.
 * Without it no stamp is taken. */
const volatile bool kvmx_timed;
/* Whether userspace exits are counted. Where they are not, their program may still run, to note
 * that the vCPU is in the VMM. */
const volatile bool kvmx_count_userspace_exits;
/* Whether the kernel may skip the program of kvm_userspace_exit: where programs can be preempted,
 * it runs no tracepoint program on a CPU on which a call of bpf() was. Set by the exporter. */
const volatile bool kvmx_returns_may_be_missed;

/* Readers rely on the order of these writes: the count, the stamp, `exit`. */
static __always_inline int count_exit_as(struct vcpu_slot *slot, __u32 exit, bool timed) {
  slot->reason[exit & KVMX_EXIT_ID].count++;
  if (!timed) return 0;
  *(volatile __u64 *)&slot->exit_ns = bpf_ktime_get_ns();
  *(volatile __u32 *)&slot->exit = exit;
  return 0;
}

/*
 * Ends the exit being handled and returns its time: none, if this CPU's clock is behind that of the
 * CPU where it began. `exit` is cleared before the time is added: a reader in between misses the
 * time for a moment, but never counts it twice. `halted`: the vCPU halted in it, though its reason
 * does not say so. That is noted first: a reader may take too much off the latencies, but never too
 * little.
 */
static __always_inline __u64 end_exit(struct vcpu_slot *slot, __u32 id, bool halted) {
  /* Signed, which is three instructions less than to compare first. */
  __s64 took = bpf_ktime_get_ns() - slot->exit_ns;
  if (took < 0) took = 0;
  *(volatile __u32 *)&slot->exit = KVMX_EXIT_NONE;
  if (halted) *(volatile __u64 *)&slot->halted_ns += took;
  *(volatile __u64 *)&slot->reason[id].ns += took;
  return took;
}

/*
 * Ends the vCPU's stay in the VMM, if it was there. The stamp is cleared before the time is added:
 * a reader in between misses the time for a moment, but never counts it twice.
 */
static __always_inline void end_userspace(struct vcpu_slot *slot, __u64 ended) {
  const __u64 began = slot->userspace_ns;
  if (!began) return;
  *(volatile __u64 *)&slot->userspace_ns = 0;
  if (ended > began) *(volatile __u64 *)&slot->userspace_total_ns += ended - began;
}

/*
 * A thread runs the vCPU that began after the vCPU had last returned to its VMM, so that nobody had
 * it for a time: one that was unplugged is plugged in again. The VMM has it from when the thread
 * began.
 */
static __always_inline void leave_out_absence(struct vcpu_slot *slot, __u64 thread_start) {
  const __u64 since = slot->userspace_ns ?: slot->exit_ns;
  if ((slot->exit & KVMX_EXIT_OUTSIDE) != KVMX_EXIT_IN_VMM || thread_start <= since) return;
  *(volatile __u64 *)&slot->exit_ns += thread_start - since;
  if (slot->userspace_ns) *(volatile __u64 *)&slot->userspace_ns = thread_start;
}

/* Counts an entry whose exit has flags in `exit`, or that follows no exit. */
static __noinline int count_other_entry(struct vcpu_slot *slot) {
  const __u32 exit = slot->exit;
  if (exit & KVMX_EXIT_NONE) {
    slot->exit = KVMX_EXIT_NONE;
    return 0;
  }
  const __u32 idle = exit & (KVMX_EXIT_IDLE | KVMX_EXIT_HALT_ENDED);
  const __u64 took = end_exit(slot, exit & KVMX_EXIT_ID, idle == KVMX_EXIT_HALT_ENDED);
  if (!idle) kvmx_count_latency(slot->latency, took);
  end_userspace(slot, slot->exit_ns + took);
  return 0;
}

static __always_inline int count_plain_entry(struct vcpu_slot *slot, __u32 exit) {
  kvmx_count_latency(slot->latency, end_exit(slot, exit, false));
  return 0;
}

/*
 * Ends a stay in the VMM at the beginning of a halt that has just ended after `ns`. A signal had
 * taken the vCPU out of an earlier halt and KVM_RUN had returned to the VMM; called again, KVM_RUN
 * put the vCPU back to sleep without entering the guest.
 */
static __noinline void end_userspace_by_halt(struct vcpu_slot *slot, __u64 ns) {
  *(volatile __u32 *)&slot->exit &= ~KVMX_EXIT_IN_VMM;
  end_userspace(slot, bpf_ktime_get_ns() - ns);
}

static __always_inline int count_wakeup(struct vcpu_slot *slot, __u64 ns, bool waited) {
  if (!slot) return 0;
  if (slot->exit & KVMX_EXIT_IN_VMM) end_userspace_by_halt(slot, ns);
  if (!(slot->exit & KVMX_EXIT_NONE)) *(volatile __u32 *)&slot->exit |= KVMX_EXIT_HALT_ENDED;
  slot->halts[waited].count++;
  *(volatile __u64 *)&slot->halts[waited].ns += ns;
  return 0;
}

static __always_inline int count_userspace_exit(struct vcpu_slot *slot, __u32 reason, int error) {
  if (!slot) return 0;
  const __u32 exit = slot->exit;
  const bool no_msr = kvmx_ends_without_msr(reason, error);
  *(volatile __u32 *)&slot->exit = (no_msr ? exit & ~KVMX_EXIT_MSR_FLAGS : exit) | KVMX_EXIT_IN_VMM;
  if (!kvmx_count_userspace_exits) return 0;
  __u32 id = kvmx_userspace_exit_id(reason, error);
  barrier_var(id);
  if (id >= KVMX_USERSPACE_EXITS) return 0;
  slot->userspace_exits[id]++;
  /* Where KVM_RUN returns twice without an entry, the stay in the VMM began the first time. */
  if (exit & (KVMX_EXIT_NONE | KVMX_EXIT_IN_VMM)) return 0;
  *(volatile __u64 *)&slot->userspace_ns = bpf_ktime_get_ns();
  return 0;
}

/* Whether KVM_RUN, which begins for this vCPU, has returned since it last began, and nobody was
 * told. */
static __always_inline bool kvmx_missed_return(const struct vcpu_slot *slot) {
  return kvmx_returns_may_be_missed && !(slot->exit & KVMX_EXIT_IN_VMM);
}

#endif
