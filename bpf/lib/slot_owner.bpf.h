/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Whose is a slot? Slots are found by their vCPU, made, and bound to the thread that runs it.
 *
 * Where KVM's own functions are hooked (kvmx_vcpu_hooks), a pointer is one vCPU's until that is
 * destroyed, and a thread is bound to its vCPU where KVM_RUN begins. Elsewhere the start time of
 * the thread or of its process is compared too, because the kernel reuses pointers and thread ids;
 * and the slots of a thread that runs several vCPUs are `shared` and always looked up, so that an
 * event without a vCPU finds the one that the thread runs *now*.
 */
#ifndef KVMX_SLOT_OWNER_BPF_H
#define KVMX_SLOT_OWNER_BPF_H

#include "../kvm_types.bpf.h"
#include "handling.bpf.h"
#include "maps.bpf.h"
#include "thread.bpf.h"

/* Whether KVM's own functions tell when a vCPU is made, run and destroyed (vcpu_life.bpf.h). Set by
 * the exporter. */
const volatile bool kvmx_vcpu_hooks;

/* Whether VMs of one process are one: so it is where records name a vCPU by its id, and the exits
 * of what is older than the exporter do not tell its VM. Set by the exporter. */
const volatile bool kvmx_one_vm;

/* A vCPU as an event names it. vcpu and kvm are 0 for events that give no pointer. */
struct vcpu_ref {
  __u64 vcpu;
  __u64 kvm;
  __u32 vcpu_id;
  __u32 tgid;     /* the VM's process */
  __u64 vm_start; /* start of that */
  struct kvmx_thread thread;
};

/* A vCPU that events name by its id alone, run by `thread` of the current process. */
static __always_inline struct vcpu_ref kvmx_ref_of_id(__u32 vcpu_id, struct kvmx_thread thread) {
  const struct vcpu_ref ref = {.vcpu_id = vcpu_id,
                               .tgid = thread.pid_tgid >> 32,
                               .vm_start = kvmx_process_start(),
                               .thread = thread};
  return ref;
}

static __always_inline struct vcpu_slot *kvmx_slot(__u32 index) {
  return bpf_map_lookup_elem(&slots, &index);
}

static __always_inline __u32 *kvmx_hint(void) {
  return last_slot[bpf_get_smp_processor_id() & (KVMX_HINTS - 1)];
}

/* The CPU's last slot. */
static __always_inline struct vcpu_slot *kvmx_last_slot(void) {
  return bpf_map_lookup_elem(&slots, kvmx_hint());
}

static __always_inline bool kvmx_run_by(const struct vcpu_slot *slot,
                                        const struct kvmx_thread *thread) {
  return slot->tid == (__u32)thread->pid_tgid && slot->thread_start == thread->start;
}

/* The slot of a vCPU, by its pointer, that KVM has not destroyed. */
static __always_inline struct vcpu_slot *kvmx_slot_under(__u64 vcpu) {
  const struct vcpu_key key = {.owner = vcpu};
  const __u32 *index = bpf_map_lookup_elem(&slot_of_vcpu, &key);
  struct vcpu_slot *slot = index ? kvmx_slot(*index) : NULL;
  return slot && slot->vcpu == vcpu ? slot : NULL;
}

/* Whether a slot that was found under `ref`'s key is its, and not one of a VM that is gone. */
static __always_inline bool kvmx_is_vcpu(const struct vcpu_slot *slot, const struct vcpu_ref *ref) {
  return slot->kvm == ref->kvm && slot->vcpu_id == ref->vcpu_id && slot->tgid == ref->tgid &&
         slot->vm_start == ref->vm_start && (ref->vcpu || slot->thread_start == ref->thread.start);
}

/* Notes in a slot whose it is. The tgid makes it visible to readers and is written last. */
static __always_inline void kvmx_own_slot(struct vcpu_slot *slot, const struct vcpu_ref *ref) {
  slot->vcpu = ref->vcpu;
  slot->kvm = ref->kvm;
  slot->vcpu_id = ref->vcpu_id;
  slot->vm_start = ref->vm_start;
  *(volatile __u32 *)&slot->tgid = ref->tgid;
}

/* Name of the process that made the vCPU, if KVM told of that; else of the one that runs it. */
static __always_inline void kvmx_comm_of_vm(const struct vcpu_ref *ref, char comm[KVMX_COMM]) {
  const struct vcpu_maker *maker = ref->vcpu ? bpf_map_lookup_elem(&vcpu_makers, &ref->vcpu) : NULL;
  if (maker)
    __builtin_memcpy(comm, maker->comm, KVMX_COMM);
  else
    kvmx_process_comm(comm);
}

/* Takes a free slot for `ref` and enters it under `key`. */
static __always_inline struct vcpu_slot *kvmx_new_slot(const struct vcpu_key *key,
                                                       const struct vcpu_ref *ref, __u32 *index) {
  struct vcpu_slot *slot;
  if (bpf_map_pop_elem(&free_slots, index) || !(slot = kvmx_slot(*index))) {
    kvmx_count_lost_event(KVMX_LOST_TABLE_FULL);
    return NULL;
  }
  if (bpf_map_update_elem(&slot_of_vcpu, key, index, BPF_ANY)) {
    bpf_map_push_elem(&free_slots, index, BPF_ANY);
    kvmx_count_lost_event(KVMX_LOST_MAP_FULL);
    return NULL;
  }
  slot->index = *index;
  slot->isa = kvmx_isa;
  slot->exit = KVMX_EXIT_OUTSIDE;
  kvmx_comm_of_vm(ref, slot->comm);
  slot->tid = (__u32)ref->thread.pid_tgid;
  slot->thread_start = ref->thread.start;
  bpf_map_update_elem(&vm_processes, &ref->tgid, &ref->vm_start, BPF_ANY);
  kvmx_own_slot(slot, ref);
  bpf_ringbuf_output(&new_slots, index, sizeof(*index), 0);
  return slot;
}

/*
 * Turns the slot of a thread whose vCPU was unknown into the slot of `ref`, which the thread now
 * runs: the thread's events so far were this vCPU's. Returns NULL if there is no such slot.
 */
static __always_inline struct vcpu_slot *kvmx_adopt_slot(const struct vcpu_key *key,
                                                         const struct vcpu_ref *ref, __u32 *index) {
  const struct vcpu_key by_thread = {.owner = ref->thread.pid_tgid};
  const __u32 tid = ref->thread.pid_tgid;
  if (ref->vcpu_id == KVMX_VCPU_UNKNOWN) return NULL;
  const __u32 *current = bpf_map_lookup_elem(&slot_of_thread, &tid);
  if (!current) return NULL;
  *index = *current;
  struct vcpu_slot *slot = kvmx_slot(*index);
  if (!slot || slot->vcpu_id != KVMX_VCPU_UNKNOWN || !kvmx_run_by(slot, &ref->thread)) return NULL;
  if (bpf_map_update_elem(&slot_of_vcpu, key, index, BPF_ANY)) return NULL;
  bpf_map_delete_elem(&slot_of_vcpu, &by_thread);
  kvmx_own_slot(slot, ref);
  return slot;
}

/* Removes the entry of the thread that ran the vCPU of `slot` so far, which may be gone. */
static __always_inline void kvmx_unbind_thread(const struct vcpu_slot *slot, __u32 index) {
  const __u32 tid = slot->tid;
  const __u32 *current = bpf_map_lookup_elem(&slot_of_thread, &tid);
  if (current && *current == index) bpf_map_delete_elem(&slot_of_thread, &tid);
}

/*
 * Records that `thread` now runs the vCPU of `slot`. If it ran another one before, that slot ceases
 * to be the thread's; and where nothing tells when it goes back to it, both become `shared`.
 */
static __always_inline void kvmx_bind_thread(struct vcpu_slot *slot, __u32 index,
                                             const struct kvmx_thread *thread) {
  const __u32 tid = thread->pid_tgid;
  __u32 *current = bpf_map_lookup_elem(&slot_of_thread, &tid);
  if (current && *current != index) {
    struct vcpu_slot *other = kvmx_slot(*current);
    if (other && kvmx_run_by(other, thread)) {
      other->fast_start = 0;
      if (!kvmx_vcpu_hooks && other->vcpu_id != KVMX_VCPU_UNKNOWN) slot->shared = other->shared = 1;
    }
  }
  if (slot->tid != tid) kvmx_unbind_thread(slot, index);
  leave_out_absence(slot, thread->start);
  slot->tid = tid;
  slot->thread_start = thread->start;
  slot->fast_start = slot->shared ? 0 : thread->start;
  if (current && *current == index) return;
  if (bpf_map_update_elem(&slot_of_thread, &tid, &index, BPF_ANY))
    kvmx_count_lost_event(KVMX_LOST_MAP_FULL);
}

/*
 * Finds or makes the slot of `ref` and puts its index into *index. A slot found under a reused
 * pointer or thread id belongs to a VM that is gone. It is left for the exporter to free, and a new
 * slot is entered in its place.
 */
static __always_inline struct vcpu_slot *kvmx_find_slot(const struct vcpu_ref *ref, __u32 *index) {
  struct vcpu_key key = {.owner = ref->vcpu ?: ref->thread.pid_tgid,
                         .id = ref->vcpu ? 0 : (__u64)(ref->vcpu_id + 1)};
  const __u32 *found = bpf_map_lookup_elem(&slot_of_vcpu, &key);
  if (found) {
    *index = *found;
    struct vcpu_slot *slot = kvmx_slot(*index);
    if (slot && kvmx_is_vcpu(slot, ref)) {
      slot->vcpu = ref->vcpu; /* its VM may have been made again where it was */
      return slot;
    }
  }
  return kvmx_adopt_slot(&key, ref, index) ?: kvmx_new_slot(&key, ref, index);
}

static __always_inline struct vcpu_slot *kvmx_bound_slot(const struct vcpu_ref *ref) {
  __u32 index;
  struct vcpu_slot *slot = kvmx_find_slot(ref, &index);
  if (!slot) return NULL;
  kvmx_bind_thread(slot, index, &ref->thread);
  *kvmx_hint() = index;
  return slot;
}

/* A vCPU by its pointer. Its VM is that of the process that made it, if KVM told of that; and so is
 * its id, where the kernel does not describe what is in a vCPU. Its slot knows both when the maker
 * has given way to others. */
static __always_inline struct vcpu_ref kvmx_ref_of_vcpu(__u64 vcpu) {
  const struct kvm_vcpu *pointer = (const void *)vcpu;
  struct vcpu_ref ref = kvmx_ref_of_id(KVMX_VCPU_UNKNOWN, kvmx_thread_any());
  ref.vcpu = vcpu;
  if (bpf_core_field_exists(pointer->vcpu_id)) {
    ref.vcpu_id = BPF_CORE_READ(pointer, vcpu_id);
    if (!kvmx_one_vm) ref.kvm = (__u64)BPF_CORE_READ(pointer, kvm);
  }
  const struct vcpu_maker *maker = bpf_map_lookup_elem(&vcpu_makers, &vcpu);
  if (maker) {
    ref.vcpu_id = maker->vcpu_id;
    ref.tgid = maker->tgid;
    ref.vm_start = maker->start;
    return ref;
  }
  const struct vcpu_slot *slot = kvmx_vcpu_hooks ? kvmx_slot_under(vcpu) : NULL;
  if (slot && slot->kvm == ref.kvm) {
    ref.vcpu_id = slot->vcpu_id;
    ref.tgid = slot->tgid;
    ref.vm_start = slot->vm_start;
  }
  return ref;
}

static __noinline struct vcpu_slot *kvmx_bound_slot_of_vcpu(__u64 vcpu) {
  if (!vcpu) return NULL; /* never null; the verifier wants the check before address arithmetic */
  const struct vcpu_ref ref = kvmx_ref_of_vcpu(vcpu);
  return kvmx_bound_slot(&ref);
}

#endif
