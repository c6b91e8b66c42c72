/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Accesses to MSRs, and the times between those that program the guest's timer. Where entries count
 * accesses, the exit notes what KVM is about to do: vcpu_slot.msr_index and KVMX_EXIT_MSR.
 */
#ifndef KVMX_MSR_BPF_H
#define KVMX_MSR_BPF_H

#include "../kvm_types.bpf.h"
#include "count.bpf.h"

/* Whether kvm_entry counts accesses to MSRs, and kvm_msr has no program. kvmx_dense has
 * KVMX_EXIT_MSR then. Set by the exporter. */
const volatile bool kvmx_msr_at_entry;

/* Notes what the next entry needs to count an access to an MSR. Returns the exit and its flags. */
static __always_inline __u32 note_msr(struct vcpu_slot *slot, const struct kvm_vcpu *vcpu,
                                      __u32 exit) {
  if (!vcpu) return exit; /* never null; the verifier wants the check */
  slot->msr_index = vcpu->arch.regs[KVMX_RCX];
  if (kvmx_isa != KVMX_ISA_SVM || !kvmx_svm_msr_is_write(slot, vcpu)) return exit;
  return exit | KVMX_EXIT_MSR_WRITE;
}

/* Counts the time since the guest last programmed its timer, which it did again now. */
static __always_inline void count_interval(struct vcpu_slot *slot, __u64 now) {
  const __u64 last = slot->timer_ns;
  slot->timer_ns = now;
  if (!last || now < last) return;
  slot->interval_total_ns += now - last;
  kvmx_count_interval(slot->intervals, now - last);
}

/* Where exits are timed, the exit that did it has the present time already, and no clock need be
 * read. */
static __always_inline __u64 programmed_at(const struct vcpu_slot *slot, bool timed) {
  const bool exiting = timed && !(slot->exit & KVMX_EXIT_NONE);
  return exiting ? slot->exit_ns : bpf_ktime_get_ns();
}

/* Counts an access to the MSR of this kvmx_msr_id(). Returns whether it may program a timer. */
static __always_inline bool count_access(struct vcpu_slot *slot, __u32 id, bool write, bool fault) {
  barrier_var(id);
  if (id >= KVMX_MSRS) return false;
  slot->msr[id].count[write]++;
  if (fault) slot->msr_faults[write]++;
  return id < KVMX_TIMER_MSRS && write && !fault;
}

/* The same with what is written. Writing 0 to a timer's MSR stops the timer. */
static __always_inline int count_msr(struct vcpu_slot *slot, __u32 id, bool write, __u64 data,
                                     bool fault, bool timed) {
  if (count_access(slot, id, write, fault) && data)
    count_interval(slot, programmed_at(slot, timed));
  return 0;
}

/*
 * Counts the MSR access of the exit being handled. What the guest's instruction accesses the exit
 * tells, and the vCPU whether that faulted. KVM has made the access by the next entry or userspace
 * exit, unless it leaves it to another: the VMM (kvmx_ends_without_msr()), or the guest's own
 * hypervisor (kvm_nested_vmexit_inject). So kvm_msr needs no program.
 */
static __always_inline void count_msr_access(struct vcpu_slot *slot, const struct kvm_vcpu *vcpu,
                                             __u32 exit) {
  if (!vcpu) return; /* never null; the verifier wants the check */
  __u32 id = kvmx_hot_msr_id(slot, slot->msr_index);
  barrier_var(id); /* else the fault is read first, and takes a register that must be saved */
  const bool write = exit & KVMX_EXIT_MSR_WRITE;
  if (!count_access(slot, id, write, kvmx_msr_faulted(vcpu))) return;
  if (kvmx_msr_data(vcpu->arch.regs[KVMX_RAX], vcpu->arch.regs[KVMX_RDX]))
    count_interval(slot, slot->exit_ns);
}

/* The same the slow way: at an entry after more than that, of an access whose operands only KVM
 * knew, and at a userspace exit, which does not name the vCPU: the VMM may change it now. */
static __noinline int count_noted_msr(struct vcpu_slot *slot) {
  const struct kvm_vcpu *vcpu = (const void *)slot->vcpu;
  __u32 index = slot->msr_index;
  const __u32 exit = slot->exit;
  const bool late = exit & KVMX_EXIT_MSR_LATE;
  slot->exit = exit & ~KVMX_EXIT_MSR_FLAGS;
  if (late && !kvmx_read_immediate_msr(slot, &index)) return 0;
  /* First, or the verifier walks the search once for each way in which there may be a fault. */
  const __u32 id = kvmx_msr_id(slot, index);
  const bool fault = kvmx_is_fault(BPF_CORE_READ(vcpu, arch.exception.pending),
                                   BPF_CORE_READ(vcpu, arch.exception.injected),
                                   BPF_CORE_READ(vcpu, arch.exception.vector));
  const __u64 data = kvmx_msr_data(BPF_CORE_READ(vcpu, arch.regs[KVMX_RAX]),
                                   BPF_CORE_READ(vcpu, arch.regs[KVMX_RDX]));
  /* With an immediate only the VMCS says which register has the data. */
  return count_msr(slot, id, exit & KVMX_EXIT_MSR_WRITE, late ? 1 : data, fault, true);
}

/* KVM leaves a nested guest's exit of this code to the guest's own hypervisor: so it does not make
 * the access. */
static __always_inline int reflect_exit(struct vcpu_slot *slot, __u32 code) {
  if (!slot) return 0;
  if (kvmx_dense_entry(kvmx_dense, kvmx_exit_code(kvmx_isa, code)) & KVMX_EXIT_MSR)
    slot->exit &= ~KVMX_EXIT_MSR_FLAGS;
  return 0;
}

#endif
