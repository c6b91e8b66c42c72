/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Which slot does this event belong to?
 *
 *   the event names               by
 *   a vCPU, by its pointer        kvmx_slot_of_vcpu()
 *   a vCPU, by its id             kvmx_slot_of_id(), kvmx_slot_of_named()
 *   none, in its vCPU's thread    kvmx_slot_of_thread()
 *   none, in any thread           kvmx_slot_of_current_task()
 *
 * The fast path takes the CPU's last slot, if its owner is the vCPU at hand, or the thread. The
 * slow path takes the thread's last slot, if its owner is; else it looks the vCPU up; else it makes
 * a new slot (slot_owner.bpf.h).
 *
 * The fast path is inlined and needs no stack. The slow paths are functions of their own that take
 * one number only: with more arguments the compiler would gather what they need before it is known
 * that they are needed.
 */
#ifndef KVMX_SLOT_BPF_H
#define KVMX_SLOT_BPF_H

#include "slot_owner.bpf.h"

/* The slow path. Mostly another vCPU used this CPU meanwhile, and the thread runs the same vCPU as
 * before. */
static __noinline struct vcpu_slot *kvmx_slow_slot_of_vcpu(__u64 vcpu) {
  const struct kvmx_thread thread = kvmx_thread_any();
  const __u32 tid = thread.pid_tgid;
  const __u32 *current = bpf_map_lookup_elem(&slot_of_thread, &tid);
  struct vcpu_slot *slot = current ? kvmx_slot(*current) : NULL;
  if (!slot || slot->fast_start != thread.start || slot->vcpu != vcpu)
    return kvmx_bound_slot_of_vcpu(vcpu);
  *kvmx_hint() = slot->index;
  return slot;
}

static __always_inline bool kvmx_run_by_current(const struct vcpu_slot *slot) {
  return slot->fast_start == kvmx_thread_start();
}

/* Whether that is the last slot of `task`, which runs its vCPU. */
static __always_inline bool kvmx_is_of_task(const struct vcpu_slot *slot,
                                            const struct task_struct *task) {
  return slot && slot->fast_start == task->start_time && slot->tid == (__u32)task->pid;
}

/* The slot of the vCPU that an event names by pointer. The current thread runs it from now on. */
static __always_inline struct vcpu_slot *kvmx_slot_of_vcpu(const struct kvm_vcpu *vcpu) {
  struct vcpu_slot *slot = kvmx_last_slot();
  if (slot && slot->vcpu == (__u64)vcpu && (kvmx_vcpu_hooks || kvmx_run_by_current(slot)))
    return slot;
  return kvmx_slow_slot_of_vcpu((__u64)vcpu);
}

/* Binds the current thread to the vCPU for which it begins KVM_RUN, and returns its slot. */
static __always_inline struct vcpu_slot *kvmx_begin_run(const struct kvm_vcpu *vcpu) {
  struct vcpu_slot *slot = kvmx_last_slot();
  if (slot && slot->vcpu == (__u64)vcpu && kvmx_run_by_current(slot)) return slot;
  return kvmx_slow_slot_of_vcpu((__u64)vcpu);
}

/*
 * The slot of `vcpu`, if `slot` was found for a thread that has been out of KVM_RUN. It may have
 * destroyed its VM there and made another whose vCPU has the same address, or another thread may
 * have taken over; within KVM_RUN neither can be. Where KVM tells of both, the kernel may have
 * skipped the programs that it tells.
 */
static __noinline struct vcpu_slot *kvmx_recheck_slot(struct vcpu_slot *slot,
                                                      const struct kvm_vcpu *vcpu) {
  if (!vcpu) return NULL; /* never null; the verifier wants the check */
  if (slot->kvm == (__u64)vcpu->kvm && slot->vcpu_id == (__u32)vcpu->vcpu_id &&
      (!kvmx_vcpu_hooks || kvmx_run_by_current(slot)))
    return slot;
  return kvmx_bound_slot_of_vcpu((__u64)vcpu);
}

static __noinline struct vcpu_slot *kvmx_slow_slot_of_id(__u32 vcpu_id) {
  const struct vcpu_ref ref = kvmx_ref_of_id(vcpu_id, kvmx_thread_any());
  return kvmx_bound_slot(&ref);
}

static __noinline struct vcpu_slot *kvmx_slow_slot_of_thread(void) {
  const struct kvmx_thread thread = kvmx_thread_any();
  if (!(thread.pid_tgid >> 32)) {
    kvmx_count_lost_event(KVMX_LOST_UNATTRIBUTED);
    return NULL;
  }
  const __u32 tid = thread.pid_tgid;
  const __u32 *current = bpf_map_lookup_elem(&slot_of_thread, &tid);
  if (current) {
    struct vcpu_slot *slot = kvmx_slot(*current);
    if (slot && kvmx_run_by(slot, &thread)) {
      *kvmx_hint() = *current;
      return slot;
    }
  }
  return kvmx_slow_slot_of_id(KVMX_VCPU_UNKNOWN);
}

/*
 * The slot of the vCPU that the current thread runs. A thread that no event has named a vCPU for
 * yet (kvm_exit does not fire everywhere) gets a slot whose vCPU is unknown.
 */
static __always_inline struct vcpu_slot *kvmx_slot_of_thread(void) {
  struct vcpu_slot *slot = kvmx_last_slot();
  const struct task_struct *task = bpf_get_current_task_btf();
  return kvmx_is_of_task(slot, task) ? slot : kvmx_slow_slot_of_thread();
}

/* The slot that all threads of a process share that run no vCPU. */
static __always_inline struct vcpu_slot *kvmx_slot_of_process(__u32 tgid, __u64 start) {
  const struct kvmx_thread any = {.pid_tgid = (__u64)tgid << 32};
  struct vcpu_ref ref = kvmx_ref_of_id(KVMX_VCPU_UNKNOWN, any);
  __u32 index;
  ref.vm_start = start;
  return kvmx_find_slot(&ref, &index);
}

/*
 * The slot for an event that any thread may raise: the slot of the vCPU that the current task runs;
 * if it is another thread of a VM's process, one slot (tid 0) that all of these share; else none.
 */
static __always_inline struct vcpu_slot *kvmx_slot_of_current_task(void) {
  if (!kvmx_may_have_vm()) {
    kvmx_count_lost_event(KVMX_LOST_UNATTRIBUTED);
    return NULL;
  }
  const struct kvmx_thread thread = kvmx_thread_any();
  struct vcpu_slot *slot = kvmx_last_slot();
  if (slot && slot->fast_start == thread.start && slot->tid == (__u32)thread.pid_tgid) return slot;
  const __u32 tid = thread.pid_tgid;
  const __u32 *current = bpf_map_lookup_elem(&slot_of_thread, &tid);
  if (current) {
    slot = kvmx_slot(*current);
    if (slot && kvmx_run_by(slot, &thread)) return slot;
  }
  const __u32 tgid = thread.pid_tgid >> 32;
  const __u64 *start = bpf_map_lookup_elem(&vm_processes, &tgid);
  if (!start || *start != kvmx_process_start()) {
    kvmx_count_lost_event(KVMX_LOST_UNATTRIBUTED);
    return NULL;
  }
  return kvmx_slot_of_process(tgid, *start);
}

/* The slot of a vCPU that an event names by id and that is not the one of the thread's own slot. */
static __noinline struct vcpu_slot *kvmx_slot_of_other_id(const struct vcpu_slot *own,
                                                          __u32 vcpu_id) {
  if (!own->vcpu) return kvmx_slow_slot_of_id(vcpu_id);
  const struct vcpu_ref ref = kvmx_ref_of_id(vcpu_id, kvmx_thread_any());
  __u32 index;
  return kvmx_find_slot(&ref, &index);
}

/*
 * The slot for an event of the current thread that names a vCPU by its id alone. Mostly it is
 * `slot`, the thread's own. If the thread's vCPU was unknown, it is this one. A thread whose vCPU
 * is another, and which acts on this one by an ioctl, goes on running its own vCPU.
 */
static __always_inline struct vcpu_slot *kvmx_slot_of_id(struct vcpu_slot *slot, __u32 vcpu_id) {
  if (!slot || slot->vcpu_id == vcpu_id) return slot;
  return kvmx_slot_of_other_id(slot, vcpu_id);
}

/* The slot of the current process's vCPU of this id, if KVM told of one and no other. No thread is
 * bound to it. */
static __always_inline struct vcpu_slot *kvmx_slot_of_only_id(__u32 vcpu_id) {
  const struct vcpu_id_key key = {.tgid = bpf_get_current_pid_tgid() >> 32, .vcpu_id = vcpu_id};
  const struct vcpus_of_id *named = bpf_map_lookup_elem(&vcpus_by_id, &key);
  if (!named || !named->vcpu) return NULL;
  const struct vcpu_ref ref = kvmx_ref_of_vcpu(named->vcpu);
  __u32 index;
  if (ref.tgid != key.tgid || ref.vcpu_id != vcpu_id) return NULL; /* an entry that was left */
  return kvmx_find_slot(&ref, &index);
}

/* Mostly an ioctl on a vCPU by a thread that does not run it: one that restores a VM, say. */
static __noinline struct vcpu_slot *kvmx_slow_slot_of_named(__u32 vcpu_id) {
  const __u32 tid = bpf_get_current_pid_tgid();
  const __u32 *current = bpf_map_lookup_elem(&slot_of_thread, &tid);
  struct vcpu_slot *slot = current ? kvmx_slot(*current) : NULL;
  if (slot && slot->vcpu_id == vcpu_id && slot->fast_start == kvmx_thread_start()) return slot;
  return kvmx_slot_of_only_id(vcpu_id) ?: kvmx_slot_of_id(kvmx_slot_of_thread(), vcpu_id);
}

/* The same, of a program whose kernel has bpf_get_current_task_btf(). */
static __always_inline struct vcpu_slot *kvmx_slot_of_named(__u32 vcpu_id) {
  if (!kvmx_vcpu_hooks) return kvmx_slot_of_id(kvmx_slot_of_thread(), vcpu_id);
  struct vcpu_slot *slot = kvmx_last_slot();
  const struct task_struct *task = bpf_get_current_task_btf();
  if (kvmx_is_of_task(slot, task) && slot->vcpu_id == vcpu_id) return slot;
  return kvmx_slow_slot_of_named(vcpu_id);
}

#endif
